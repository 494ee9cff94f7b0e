"""systemd's files for the config at hand: the unit that comes with colorwatch, and a drop-in with its folders."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from colorwatch import shipped
from colorwatch.errors import ColorwatchError, Exit, explain_os_error

if TYPE_CHECKING:
    from colorwatch.config import Config

_SYSTEM = "etc/systemd/system"
UNIT = f"{_SYSTEM}/colorwatch.service"
DROP_IN = f"{_SYSTEM}/colorwatch.service.d/folders.conf"
RELOAD = f"{_SYSTEM}/colorwatch.service.d/reload.conf"
TEMPLATE = f"{_SYSTEM}/colorwatch@.service"
TEMPLATE_RELOAD = f"{_SYSTEM}/colorwatch@.service.d/reload.conf"
SYSUSERS = "etc/sysusers.d/colorwatch.conf"
_SYSUSERS_FOLDER = os.path.dirname(SYSUSERS)
_DEFAULT_STATE = "/var/lib/colorwatch"


class UnitError(ColorwatchError):
    """The unit's files cannot be written."""

    exit_code = Exit.FAILED


def units(config: Config, path: str, instance: str = "", reload: bool = False) -> Iterator[tuple[str, str]]:
    """(path relative to the root, text) of each file for the config at `path` (absolute).

    `instance`: a name for one of several services; `reload`: systemd knows Type=notify-reload (version 253). Raises
    UnitError.
    """
    if instance and not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", instance):
        raise UnitError("an instance is called by letters, digits, dots and dashes alone, such as photos")
    if instance and config.state == _DEFAULT_STATE:
        advice = f"write state: {instance_state(instance)} into {path}"
        raise UnitError(f"{_DEFAULT_STATE} belongs to the service without an instance; {advice}")
    program = _word(os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "colorwatch"))
    text = _shipped("colorwatch@.service" if instance else "colorwatch.service")
    start = f"ExecStart={program} run --config {'/etc/colorwatch/%i.yaml' if instance else _word(path)}"
    yield TEMPLATE if instance else UNIT, re.sub(r"^ExecStart=.*$", lambda _: start, text, flags=re.MULTILINE)
    if instance:
        yield drop_in_of(instance), _drop_in(config, path, instance_state(instance), program)
    else:
        yield DROP_IN, _drop_in(config, path, _DEFAULT_STATE)
    if reload:
        yield TEMPLATE_RELOAD if instance else RELOAD, _shipped("colorwatch.service.d/reload.conf")
    yield SYSUSERS, _shipped("colorwatch.sysusers")


def drop_in_of(instance: str) -> str:
    return f"{_SYSTEM}/colorwatch@{instance}.service.d/folders.conf"


def instance_state(instance: str) -> str:
    return f"{_DEFAULT_STATE}/{instance}"


def knows_notify_reload() -> bool:
    """Whether the systemd of this machine is of version 253 or later."""
    try:
        told = subprocess.run(
            ["systemctl", "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.match(r"systemd (\d+)", told)
    return found is not None and int(found.group(1)) >= 253


def _shipped(name: str) -> str:
    with open(shipped.find(f"systemd/{name}"), encoding="utf-8") as file:
        return file.read()


def _drop_in(config: Config, path: str, state: str, program: str = "") -> str:
    """What of the config the unit has to know: where it may write, which mounts come first.

    `state`: the folder that the unit has in any case; `program`: where the template would not find the config.
    """
    written = []
    for folder in config.folders:
        written += [folder.inbox, folder.outbox, folder.archive, folder.quarantine]
    if config.state != state:
        written.append(config.state)
    places = _outermost([place for place in written if place])
    lines = ["# Made by `colorwatch install-service` from", f"# {_comment(path)}", "[Unit]"]
    lines += [f"RequiresMountsFor={_word(place)}" for place in places]
    lines += ["[Service]"]
    if program and path != f"/etc/colorwatch/{os.path.basename(state)}.yaml":
        lines += ["ExecStart=", f"ExecStart={program} run --config {_word(path)}"]
    lines += [f"ReadWritePaths=-{_word(place)}" for place in places]
    if any(place.startswith(("/home/", "/root/", "/run/user/")) for place in (*places, path, sys.prefix)):
        lines += ["# Something that it needs lies below /home or /root.", "ProtectHome=no"]
    if any(place.startswith(("/tmp/", "/var/tmp/")) for place in places):  # noqa: S108
        lines += ["PrivateTmp=no"]
    if config.notify.webhook:
        lines += ["# The config names a webhook.", "PrivateNetwork=no", "IPAddressDeny="]
        lines += ["RestrictAddressFamilies=AF_INET AF_INET6"]
    elif config.metrics.port:
        lines += ["# The config names a port for metrics, at which this machine alone is answered."]
        lines += ["PrivateNetwork=no", "IPAddressAllow=localhost", "RestrictAddressFamilies=AF_INET"]
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


def write_units(
    config: Config, path: str, root: str, dry_run: bool, instance: str = "", reload: bool = False
) -> Iterator[tuple[str, str]]:
    """Writes the files below `root`, each in one piece; gives (path, text) of each. Raises UnitError."""
    for relative, text in list(units(config, path, instance, reload)):
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


def remove_units(root: str, instance: str = "") -> tuple[list[str], list[str]]:
    """Removes what `write_units` wrote; what was removed, and sentences on what is left. Raises UnitError.

    What several services share goes with the last of them.
    """
    ours = [drop_in_of(instance)] if instance else [DROP_IN, RELOAD, UNIT]
    others = [name for name in _services(root) if name != (f"colorwatch@{instance}" if instance else "colorwatch")]
    if instance and not any(name.startswith("colorwatch@") for name in others):
        ours += [TEMPLATE_RELOAD, TEMPLATE]
    ours += [] if others else [SYSUSERS]
    removed = []
    for relative in ours:
        path = os.path.join(root, relative)
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnitError(f"{path} cannot be removed: {explain_os_error(error)}") from error
        removed.append(path)
    for folder in {os.path.dirname(relative) for relative in ours if relative.endswith(".conf")} - {_SYSUSERS_FOLDER}:
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(root, folder))
    left = [
        "your scans and results: the inboxes, outboxes and archives of the config, and quarantine in each outbox",
        f"{_DEFAULT_STATE} (or `state` of the config): the ledger, and models that were fetched",
        f"/etc/colorwatch/{instance or 'config'}.yaml: the config",
        "hidden folders .colorwatch in outboxes, archives and quarantines: unfinished files; empty while nothing runs",
        "the user colorwatch: sudo userdel colorwatch, once no file belongs to it",
        f"the program itself: {sys.prefix}",
    ]
    return removed, left


def _services(root: str) -> list[str]:
    """The names of the services that were installed: `colorwatch`, and `colorwatch@NAME` for each instance."""
    try:
        names = os.listdir(os.path.join(root, _SYSTEM))
    except OSError:
        return []
    drop_ins = [name.removesuffix(".service.d") for name in names if re.fullmatch(r"colorwatch@.+\.service\.d", name)]
    return [*drop_ins, *(["colorwatch"] if os.path.basename(UNIT) in names else [])]
