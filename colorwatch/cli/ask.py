"""The commands that ask the daemon for something: a row in the ledger, and its answer as one sentence."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from colorwatch.asking.history import running_daemon
from colorwatch.asking.outdated import Outdated, find_outdated
from colorwatch.asking.pointing import Target
from colorwatch.cli.models import shelves_of
from colorwatch.cli.status import ledger_of, meant, print_json
from colorwatch.cli.terminal import DEFAULT_CONFIG, ConfigOption, FileArgument, JobOption, JsonOption, err, out
from colorwatch.config import Config, load
from colorwatch.errors import AskError, Exit
from colorwatch.ledger.files import connect_to_read
from colorwatch.ledger.requests import answer_to, ask
from colorwatch.modelstore import find
from colorwatch.scan import printable

PATIENCE_SECONDS = 15.0
_LOOK_SECONDS = 0.05
_JOBS_AT_ONCE = 1000  # in one request

FolderOption = Annotated[str | None, typer.Option("--folder", metavar="NAME", help="This folder alone.")]


def retry(
    file: FileArgument = None,
    job: JobOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Try a scan again now: one in quarantine goes back into the inbox, one that waits waits no longer."""
    _ask_about("retry", file, job, config, as_json)


def release(
    file: FileArgument = None,
    job: JobOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Put a scan in quarantine back into the inbox, and leave it alone from then on."""
    _ask_about("release", file, job, config, as_json)


def redo(
    file: FileArgument = None,
    job: JobOption = None,
    strength: Annotated[
        float | None, typer.Option("--strength", min=0, max=1, help="How much colour: 0 (grey) to 1, the default.")
    ] = None,
    saturation: Annotated[
        float | None, typer.Option("--saturation", min=0, max=2, help="How strong the colours are: 0 to 2, usually 1.")
    ] = None,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Another model, by its name.")] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Colour it, even if it is in colour already, or text, or blank.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Colour a finished scan again, from its original. A result that was edited stays, the new one comes beside it."""
    if model:  # whether it is here at all is said at once, not by the daemon in its log
        find(model, shelves_of(config, load(config, check_folders=False)))
    looks = {"strength": strength, "saturation": saturation}
    wanted: dict[str, float | str] = {name: value for name, value in looks.items() if value is not None}
    if anyway:
        wanted |= {"colored": "recolor", "text": "color"}
    _ask_about("redo", file, job, config, as_json, settings=wanted, model=model)


def forget(
    file: FileArgument = None,
    job: JobOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Remove a scan's result and history. Its original stays: while it is in the inbox, it is coloured again."""
    _ask_about("forget", file, job, config, as_json)


def reprocess(
    outdated: Annotated[
        bool, typer.Option("--outdated", help="All results that the model and settings of today would make otherwise.")
    ] = False,
    folder: FolderOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much that is.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Colour again what an earlier model or other settings made, behind whatever arrives meanwhile."""
    if not outdated:
        raise AskError("say which: colorwatch reprocess --outdated, at first with --dry-run")
    settings = load(config, check_folders=False)
    _require_folder(settings, folder)
    db = connect_to_read(ledger_of(settings))
    try:
        found = find_outdated(db, [one for one in settings.folders if folder in (None, one.name)])
    finally:
        db.close()
    if dry_run or not found.jobs:
        _tell({"ok": True, "text": _amount(found), **_figures(found)}, as_json)
        return
    answers = [_carried_out(settings, "reprocess", {"jobs": jobs}) for jobs in _portions(found.jobs)]
    text = " ".join(dict.fromkeys(answer["text"] for answer in answers if not answer["ok"]))
    count = sum(answer.get("jobs", 0) for answer in answers)
    told = f"{count} are coloured again, behind new scans."
    _tell({"ok": not text, "text": text or told, "asked": answers[-1].get("asked"), **_figures(found)}, as_json)


def pause(folder: FolderOption = None, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Begin nothing new, until `resume`; new scans are still taken up. It outlives a restart."""
    settings = load(config, check_folders=False)
    _require_folder(settings, folder)
    _tell(_carried_out(settings, "pause", {"folder": folder or ""}), as_json)


def resume(folder: FolderOption = None, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Go on after `pause`."""
    settings = load(config, check_folders=False)
    _require_folder(settings, folder)
    _tell(_carried_out(settings, "resume", {"folder": folder or ""}), as_json)


def _ask_about(kind: str, file: str | None, job: int | None, config: str, as_json: bool, **more: Any) -> None:
    """Asks for something that concerns one scan."""
    settings = load(config, check_folders=False)
    db = connect_to_read(ledger_of(settings))
    try:
        target = meant(db, settings, file, job)
        if kind == "redo":
            _require_original(db, settings, target)
    finally:
        db.close()
    about = {"folder": target.folder, "path": target.path, "job": target.job, "waits": target.waits}
    _tell(_carried_out(settings, kind, {**about, **more}), as_json)


def _carried_out(settings: Config, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the daemon answers, or that it has not yet: then with `asked`, the request's number."""
    ledger = ledger_of(settings)
    db = connect_to_read(ledger)
    try:
        number = ask(ledger, kind, arguments)
        deadline = time.monotonic() + PATIENCE_SECONDS
        runs = running_daemon(settings.state) is not None
        while runs and time.monotonic() < deadline:
            if (answer := answer_to(db, number)) is not None:
                return answer
            time.sleep(_LOOK_SECONDS)
            runs = running_daemon(settings.state) is not None
        if (answer := answer_to(db, number)) is not None:
            return answer
    finally:
        db.close()
    text = "It is noted, and not yet carried out: colorwatch is busy, and does it as soon as it can."
    if not runs:
        text = "It is noted, and carried out when colorwatch is started: it does not run now."
    return {"ok": True, "text": text, "asked": number}


def _tell(answer: dict[str, Any], as_json: bool) -> None:
    """Prints the answer, and ends with the exit code that goes with it."""
    if as_json:
        print_json(answer)
    else:
        (out if answer["ok"] else err).print(Text(printable(answer["text"])), soft_wrap=True)
    if not answer["ok"]:
        raise typer.Exit(Exit.FAILED)
    if answer.get("asked"):
        raise typer.Exit(Exit.WAITING)


def _require_folder(settings: Config, name: str | None) -> None:
    names = [folder.name for folder in settings.folders]
    if name is not None and name not in names:
        raise AskError(f"there is no folder {printable(name)}; the config has: {', '.join(names)}")


def _require_original(db: sqlite3.Connection, settings: Config, target: Target) -> None:
    """Says at once what the daemon would only find out when a worker looks: the original is gone."""
    row = db.execute("SELECT whereabouts FROM job WHERE id = ?", (target.job,)).fetchone()
    inbox = next((folder.inbox for folder in settings.folders if folder.name == target.folder), None)
    if row is None or inbox is None:
        return
    path = os.path.join(inbox, target.path) if row["whereabouts"] is None else os.fsdecode(row["whereabouts"])
    try:
        if path:
            os.lstat(path)
            return
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return  # the daemon may see more than we do
    where = f": it was {path}" if path else ""
    raise AskError(f"{printable(target.path)} cannot be coloured again, for its original is gone{printable(where)}")


def _amount(found: Outdated) -> str:
    words = f"{len(found.jobs)} results are outdated, {found.megapixels:.1f} megapixels"
    words += f"; {found.gone} more have no original any more" if found.gone else ""
    return words + (f"; of {found.deleted} more the result was taken away, so they are left" if found.deleted else "")


def _figures(found: Outdated) -> dict[str, Any]:
    plain = dataclasses.asdict(found)
    return {**plain, "jobs": len(found.jobs)}


def _portions(jobs: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(jobs), _JOBS_AT_ONCE):
        yield jobs[begin : begin + _JOBS_AT_ONCE]
