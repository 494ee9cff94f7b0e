"""systemd's files for the config at hand: the unit that comes with colorwatch, and a drop-in with its folders."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from colorwatch import shipped
from colorwatch.errors import ColorwatchError, Exit, explain_os_error

if TYPE_CHECKING:
    from colorwatch.config import Config

UNIT = "etc/systemd/system/colorwatch.service"
DROP_IN = "etc/systemd/system/colorwatch.service.d/folders.conf"
SYSUSERS = "etc/sysusers.d/colorwatch.conf"
_DEFAULT_STATE = "/var/lib/colorwatch"


class UnitError(ColorwatchError):
    """The unit's files cannot be written."""

    exit_code = Exit.FAILED


def units(config: Config, path: str) -> Iterator[tuple[str, str]]:
    """(path relative to the root, text) of each file for the config at `path` (absolute)."""
    program = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "colorwatch")
    with open(shipped.find("systemd/colorwatch.service"), encoding="utf-8") as file:
        text = file.read()
    start = f"ExecStart={_word(program)} run --config {_word(path)}"
    yield UNIT, re.sub(r"^ExecStart=.*$", lambda _: start, text, flags=re.MULTILINE)
    yield DROP_IN, _drop_in(config, path)
    with open(shipped.find("systemd/colorwatch.sysusers"), encoding="utf-8") as file:
        yield SYSUSERS, file.read()


def _drop_in(config: Config, path: str) -> str:
    """What of the config the unit has to know: where it may write, which mounts come first."""
    written = []
    for folder in config.folders:
        written += [folder.inbox, folder.outbox, folder.archive, folder.quarantine]
    if config.state != _DEFAULT_STATE:
        written.append(config.state)
    places = _outermost([place for place in written if place])
    lines = ["# Made by `colorwatch install-service` from", f"# {_comment(path)}", "[Unit]"]
    lines += [f"RequiresMountsFor={_word(place)}" for place in places]
    lines += ["[Service]"]
    lines += [f"ReadWritePaths=-{_word(place)}" for place in places]
    if any(place.startswith(("/home/", "/root/", "/run/user/")) for place in (*places, path, sys.prefix)):
        lines += ["# Something that it needs lies below /home or /root.", "ProtectHome=no"]
    if any(place.startswith(("/tmp/", "/var/tmp/")) for place in places):  # noqa: S108
        lines += ["PrivateTmp=no"]
    network = config.notify.webhook or config.metrics.port
    if network:
        lines += [
            "# The config names a webhook or a port for metrics.",
            "PrivateNetwork=no",
            "IPAddressDeny=",
            "RestrictAddressFamilies=AF_INET AF_INET6",
        ]
    return "\n".join(lines) + "\n"


def _outermost(places: list[str]) -> list[str]:
    """The places that lie in no other one, each once."""
    kept: list[str] = []
    for place in sorted(set(places)):
        if not any(place.startswith(other.rstrip("/") + "/") for other in kept):
            kept.append(place)
    return kept


def _word(path: str) -> str:
    """A path as systemd reads it (systemd.syntax(7)): quoted, with % doubled, and refused where it cannot be said."""
    if any(character < " " for character in path) or '"' in path or "\\" in path:
        raise UnitError(f"{path!r} has a character that a unit cannot hold; rename that folder")
    path = path.replace("%", "%%")
    return f'"{path}"' if re.search(r"[^\w./@%:+,-]", path) else path


def _comment(path: str) -> str:
    return path.replace("\n", " ")


def write_units(config: Config, path: str, root: str, dry_run: bool) -> Iterator[tuple[str, str]]:
    """Writes the files below `root`, each in one piece; gives (path, text) of each. Raises UnitError."""
    for relative, text in list(units(config, path)):
        target = os.path.join(root, relative)
        if not dry_run:
            _write(target, text)
        yield target, text


def _write(path: str, text: str) -> None:
    temp = f"{path}.new"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temp, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temp, 0o644)
        os.replace(temp, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        advice = "; ask with sudo" if os.geteuid() else ""
        raise UnitError(f"{path} cannot be written: {explain_os_error(error)}{advice}") from error


def remove_units(root: str) -> tuple[list[str], list[str]]:
    """Removes what `write_units` wrote; what was removed, and sentences on what is left. Raises UnitError."""
    removed = []
    for relative in (DROP_IN, UNIT, SYSUSERS):
        path = os.path.join(root, relative)
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnitError(f"{path} cannot be removed: {explain_os_error(error)}") from error
        removed.append(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(root, os.path.dirname(DROP_IN)))
    left = [
        "your scans and results: the inboxes, outboxes and archives of the config, and quarantine in each outbox",
        f"{_DEFAULT_STATE} (or `state` of the config): the ledger, and models that were fetched",
        "/etc/colorwatch/config.yaml: the config",
        "hidden folders .colorwatch in outboxes, archives and quarantines: unfinished files; empty while nothing runs",
        "the user colorwatch: sudo userdel colorwatch, once no file belongs to it",
        f"the program itself: {sys.prefix}",
    ]
    return removed, left
