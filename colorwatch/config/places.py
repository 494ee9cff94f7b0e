"""Whether the folders of a config fit each other, and whether the disk has them.

Works on the plain values rather than on a `Config`, so that these faults are found beside all others.
"""

from __future__ import annotations

import errno
import os
import pwd
import queue
import shlex
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from colorwatch.config.faults import Fault, Key, quoted, spell
from colorwatch.config.reading import Plain
from colorwatch.config.schema import Config
from colorwatch.config.values import MAX_FOLDERS, MODEL_ENDINGS, MODEL_NAMES, absolute, unknown_model
from colorwatch.errors import explain_os_error
from colorwatch.scan import Originals, printable

_MADE_BY_HAND = ("inbox", "outbox", "archive")
_OUR_OWN = ("state", "model")  # without these there is nothing to wait with
_ROLES = ("inbox", "outbox", "archive", "quarantine")
PATIENCE_SECONDS = 10.0  # how long a share may take to say what is there
_NO_ANSWER = frozenset(
    [
        *(errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.ENETUNREACH, errno.ENODEV, errno.ENXIO),
    ]
)


@dataclass(frozen=True, slots=True)
class Place:
    """A path of the config. `role`: inbox, outbox, archive, quarantine, state or model. `implied`: not in the file."""

    key: Key
    role: str
    path: str
    implied: bool = False
    originals: str = Originals.KEEP.value


@dataclass(frozen=True, slots=True)
class Location:
    """Where a place is. `ids` holds (device, inode) of the folder, first, and of all folders around it, where known."""

    path: str
    identity: tuple[int, int] | None = None
    around: frozenset[tuple[int, int]] = frozenset()

    def inside(self, other: Location) -> bool:
        """Whether this is a proper part of `other`, by path or, bind mounts included, by inode."""
        if self.path.startswith(other.path.rstrip("/") + "/") and self.path != other.path:
            return True
        return other.identity in self.around

    def same(self, other: Location) -> bool:
        return self.path == other.path or (self.identity is not None and self.identity == other.identity)


def find_places(values: dict[str, Plain], base: str, faulty: set[Key]) -> list[Place]:
    """Every path of the config that has no fault yet, absolute; relative ones are taken from `base`."""
    found = []
    for index, folder in enumerate(_folders(values)):
        if isinstance(folder, dict):
            found += _places_of_folder(("folders", index), folder, base, faulty)
    state = values.get("state", Config.model_fields["state"].default)
    found += _place(("state",), "state", state, base, faulty, implied="state" not in values)
    model = values.get("model")
    if isinstance(model, dict):
        found += _place(("model", "path"), "model", model.get("path"), base, faulty)
    return found


def same_names(values: dict[str, Plain]) -> Iterator[Fault]:
    """A fault for each folder whose given name another one before it has."""
    first: dict[str, int] = {}
    for index, folder in enumerate(_folders(values)):
        name = folder.get("name") if isinstance(folder, dict) else None
        if isinstance(name, str) and name:
            if name in first:
                message = f"{quoted(name)} is the name of folders[{first[name]}] already; write a name of its own"
                yield Fault(("folders", index, "name"), message)
            first.setdefault(name, index)


def lexical(places: Iterable[Place]) -> dict[Key, Location]:
    """Locations by their names alone, without a look at the disk."""
    return {place.key: Location(place.path) for place in places}


def on_disk(places: list[Place]) -> tuple[dict[Key, Location], list[Fault]]:
    """Where the places are, symlinks resolved and inodes known; and a fault for each that is not as it must be.

    Touches the disk. A share whose server does not answer is waited for `PATIENCE_SECONDS`, with all others meanwhile.
    """
    answers: queue.SimpleQueue[tuple[Place, Location, Fault | None]] = queue.SimpleQueue()

    def look(place: Place) -> None:
        answers.put((place, _locate(place.path), _disk_fault(place)))

    for place in places:
        threading.Thread(target=look, args=(place,), name=f"look at {place.role}", daemon=True).start()
    waiting = {place.key: place for place in places}
    where, faults = lexical(places), list[Fault]()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting:
        try:
            place, location, fault = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        where[place.key] = location
        faults += [fault] if fault else []
        del waiting[place.key]
    for place in waiting.values():
        wrong = f"{printable(place.path)} does not answer; see whether its file server is up, or unmount the share"
        faults.append(Fault(place.key, wrong, heals=place.role not in _OUR_OWN))
    return where, faults


def overlaps(places: list[Place], where: dict[Key, Location]) -> Iterator[Fault]:
    """A fault for each two folders that would feed or hide each other."""
    told: set[tuple[Key, Key]] = set()
    for one, other in combinations([place for place in places if place.role != "model"], 2):
        first, second = _ordered(one, other)
        fault = _clash(first, second, where[first.key], where[second.key])
        if fault is None:
            continue
        # The quarantine inside a misplaced outbox is misplaced with it: one fault is enough.
        pair = {_owner(first), _owner(second)}
        spoken = tuple(sorted(pair, key=spell)) if len(pair) == 2 else ()
        if (first.implied or second.implied) and spoken in told:
            continue
        if len(spoken) == 2:
            told.add((spoken[0], spoken[1]))
        yield fault


def check_model_name(values: dict[str, Plain], base: str, places: Iterable[Place]) -> Iterator[Fault]:
    """A fault for a model name that is neither known nor that of a file in one of the folders of models."""
    name = values.get("model")
    if not isinstance(name, str) or not name or name in MODEL_NAMES or "/" in name:
        return
    folders = [base, *(place.path for place in places if place.role == "state")]
    files = [os.path.join(folder, "models", name + ending) for folder in folders for ending in MODEL_ENDINGS]
    if not any(os.path.lexists(file) for file in files):
        yield Fault(("model",), unknown_model(name))


def _folders(values: dict[str, Plain]) -> list[Plain]:
    folders = values.get("folders")
    return folders[:MAX_FOLDERS] if isinstance(folders, list) else []


def _places_of_folder(key: Key, folder: dict[str, Plain], base: str, faulty: set[Key]) -> list[Place]:
    originals = folder.get("originals")
    kind = originals if isinstance(originals, str) else Originals.KEEP.value
    found: list[Place] = []
    for role in _ROLES:
        found += _place((*key, role), role, folder.get(role), base, faulty, originals=kind)
    outbox = next((place.path for place in found if place.role == "outbox"), None)
    if outbox is not None and not folder.get("quarantine"):
        found.append(Place((*key, "quarantine"), "quarantine", os.path.join(outbox, "quarantine"), implied=True))
    return found


def _place(
    key: Key, role: str, value: Plain, base: str, faulty: set[Key], *, implied: bool = False, originals: str = "keep"
) -> list[Place]:
    if not isinstance(value, str) or not value or key in faulty:
        return []
    try:
        return [Place(key, role, absolute(value, base), implied, originals)]
    except ValueError:
        return []


def _locate(path: str) -> Location:
    real = os.path.realpath(path)
    ids = []
    folder = real
    while True:
        ids.append(_identity(folder))
        if folder == os.path.dirname(folder):
            break
        folder = os.path.dirname(folder)
    return Location(real, ids[0], frozenset(identity for identity in ids[1:] if identity))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _owner(place: Place) -> Key:
    return (*place.key[:-1], "outbox") if place.implied and place.role == "quarantine" else place.key


def _ordered(one: Place, other: Place) -> tuple[Place, Place]:
    """The place that stands, and the one that is at fault: an inbox stands, the state gives way to all."""
    ranks = {"inbox": 0, "outbox": 1, "archive": 2, "quarantine": 3, "state": 4}
    return (one, other) if ranks[one.role] <= ranks[other.role] else (other, one)


def _clash(first: Place, second: Place, there: Location, here: Location) -> Fault | None:
    roles = {first.role, second.role}
    if first.role == "outbox" and _into_again(here, there):
        return Fault(second.key, "lies where people put results that are to be made again; write another folder")
    same, inside, around = here.same(there), here.inside(there), there.inside(here)
    if not (same or inside or around):
        return None
    alone = "inbox" in roles or "state" in roles or roles == {"outbox"}
    if not alone and (not same or len(roles) == 1):
        # Nothing reads these folders: one inside another does no harm, and two inboxes may share an archive.
        return None
    name = spell(first.key)
    if same and first.role == "inbox" and second.role == "outbox" and first.key[:-1] == second.key[:-1]:
        message = "is the inbox itself, and each result would be taken for a new scan; write another folder beside it"
    elif same:
        message = f"is the same folder as {name}; write a folder of its own"
    elif inside and first.role == "inbox" and second.role != "inbox":
        message = (
            f"lies inside {name}, and what is written there would be taken for scans; write a folder outside of it"
        )
    elif inside:
        message = f"lies inside {name}; write a folder outside of it"
    else:
        message = f"has {name} inside it; write a folder beside it"
    if here.path != second.path or there.path != first.path:
        message += f" (in truth they are {printable(here.path)} and {printable(there.path)})"
    return Fault(second.key, message)


def _into_again(here: Location, outbox: Location) -> bool:
    again = os.path.join(outbox.path, "again")
    return here.path == again or here.path.startswith(again + "/")


def _disk_fault(place: Place) -> Fault | None:
    """What is wrong with a folder (or model file): it is not there, is no folder, or does not let us in."""
    try:
        mode = os.stat(place.path).st_mode
    except FileNotFoundError:
        message, heals = _missing(place), place.role in _MADE_BY_HAND
    except OSError as error:
        why, heals = explain_os_error(error), error.errno in _NO_ANSWER and place.role not in _OUR_OWN
        message = f"{printable(place.path)} cannot be looked at: {why}"
        message += "" if heals else f"; write a folder that user {_user()} may open"
    else:
        message, heals = _wrong_kind(place, mode), False
    return Fault(place.key, message, heals=heals) if message else None


def _wrong_kind(place: Place, mode: int) -> str | None:
    shown = printable(place.path)
    if place.role == "model":
        if not stat.S_ISREG(mode):
            return f"{shown} is no file; write the path of an .onnx or .caffemodel file"
        return (
            None
            if os.access(place.path, os.R_OK)
            else f"user {_user()} may not read {shown}; allow it with: chmod a+r {shlex.quote(shown)}"
        )
    if not stat.S_ISDIR(mode):
        return f"{shown} is a file, not a folder; write the path of a folder"
    return _permission_fault(place, shown)


def _missing(place: Place) -> str | None:
    shown = printable(place.path)
    if place.role == "model":
        return f"there is no file {shown}; write the path of an .onnx or .caffemodel file that is there"
    if place.role not in ("state", "quarantine"):
        return f"there is no folder {shown}; make it with: mkdir -p {shlex.quote(shown)}"
    # These two are made when they are needed: what counts is whether they can be.
    around = os.path.dirname(place.path)
    while not os.path.lexists(around):
        around = os.path.dirname(around)
    if place.implied and place.role == "quarantine":
        return None  # the outbox it is to stand in has its own check
    if os.path.isdir(around) and os.access(around, os.W_OK | os.X_OK):
        return None
    wrong = f"{shown} cannot be made: user {_user()} may not write into {printable(around)}"
    return f"{wrong}; write another folder, for example ./{place.role}"


def _permission_fault(place: Place, shown: str) -> str | None:
    if place.role == "inbox" and not os.access(place.path, os.R_OK | os.X_OK):
        return f"user {_user()} may not read {shown}; allow it with: chmod a+rx {shlex.quote(shown)}"
    moves_away = place.originals in (Originals.ARCHIVE.value, Originals.DELETE.value)
    if place.role == "inbox" and moves_away and not os.access(place.path, os.W_OK):
        wrong = f"user {_user()} may not remove scans from {shown}"
        return f"{wrong}; allow that user to write there, or write originals: keep"
    if place.role != "inbox" and not os.access(place.path, os.W_OK | os.X_OK):
        return f"user {_user()} may not write into {shown}; allow that user to write there, or write another folder"
    return None


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
