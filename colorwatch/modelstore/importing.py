"""Bringing models into the store, and out of it: fetched or copied, recognised by content, never over another file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass

from colorwatch.config import reading
from colorwatch.errors import ModelError, explain_os_error
from colorwatch.modelstore import cache, fetching, placing
from colorwatch.modelstore.catalogue import BY_DIGEST, CATALOGUE, Form, Known
from colorwatch.modelstore.child import ask
from colorwatch.modelstore.finding import find_trusted, manifest_of, search
from colorwatch.modelstore.shelves import ENDINGS, Shelves, open_model, size_of
from colorwatch.scan import printable

PIECE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A model that is in the store now: its name in the config, its path, and whether it was there before."""

    name: str
    path: str
    before: bool = False


def fetch(name: str, shelves: Shelves, progress: fetching.Progress, source: str | None = None) -> Stored:
    """The known model `name` in the store: fetched, or copied from the file `source`. Raises ModelError."""
    known = CATALOGUE.get(name)
    if known is None or known.form is Form.EMBEDDED:
        choices = ", ".join(each.name for each in CATALOGUE.values() if each.addresses)
        what = "comes with colorwatch" if known else "is not the name of a known model"
        raise ModelError(f"{printable(name)} {what}; to be fetched are: {choices}.")
    there, faults = search(known, shelves)
    if there is not None:
        return Stored(name, there, before=True)
    target = os.path.join(shelves.store, known.file)
    if os.path.lexists(target):
        wrong = faults[0] if faults else f"{printable(target)} is no regular file"
        raise ModelError(f"{wrong}; remove it, then fetch again: colorwatch models remove {name}")
    if source is not None:
        stored = import_file(source, shelves, expected=known)
    else:
        wanted = fetching.Wanted(known.sha256, known.size, known.at_most, known.addresses)
        fetching.fetch(wanted, target, progress)
        stored = Stored(name, target)
    return stored


def import_file(
    path: str, shelves: Shelves, *, trust: bool = False, name: str | None = None, expected: Known | None = None
) -> Stored:
    """Copies the model file `path` into the store, with the manifest beside it, if it is known or trusted.

    `name` is what an unknown model is called in the config; without one, as its file. Raises ModelError.
    """
    path = os.path.abspath(path)
    placing.make_folder(shelves.store)
    try:
        with placing.new_file(shelves.store) as (file, copy):
            digest = _copy(path, file.fileno())
            known = BY_DIGEST.get(digest)
            _allow(path, digest, known, expected, trust=trust)
            if known is not None:
                return _keep_known(known, copy, shelves)
            return _keep_trusted(path, digest, copy, name, shelves)
    except OSError as error:
        raise ModelError(
            f"{printable(path)} cannot be copied into {printable(shelves.store)}: {explain_os_error(error)}."
        ) from None


def remove(name: str, shelves: Shelves) -> list[str]:
    """Removes the model, what was fetched of it, and its conversions from the store; the paths that went.

    Files beside the config are a person's own and stay. Raises ModelError where nothing is there to be removed.
    """
    known = CATALOGUE.get(name)
    if known is not None and known.form is Form.EMBEDDED:
        raise ModelError(f"{known.name} comes with colorwatch and stays.")
    names = [known.file, known.file + placing.UNFINISHED] if known else [name + ending for ending in ENDINGS]
    digests = [known.sha256] if known else [digest for digest, file in shelves.trusted().items() if file in names]
    names += [os.path.splitext(names[0])[0] + ".yaml"]
    removed = []
    try:
        for path in (os.path.join(shelves.store, each) for each in names if os.path.basename(each) == each):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                removed.append(path)
        for digest in digests:
            cache.forget(shelves.cache, digest)
            shelves.distrust(digest)
    except OSError as error:
        raise ModelError(f"The model cannot be removed: {explain_os_error(error)}.") from None
    if not removed:
        elsewhere = search(known, shelves)[0] if known else find_trusted(name, shelves)
        where = f"; {printable(elsewhere)} was put there by hand, and is yours to delete" if elsewhere else ""
        raise ModelError(f"There is no model {printable(name)} in {printable(shelves.store)}{where}.")
    return removed


def _copy(path: str, target: int) -> str:
    """Copies the file and brings it to disk; its sha256 in hex. Raises ModelError or OSError."""
    source = open_model(path)
    hashed = hashlib.sha256()
    try:
        while piece := os.read(source, PIECE):
            hashed.update(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(target, view) :]
        os.fsync(target)
    finally:
        os.close(source)
    return hashed.hexdigest()


def _allow(path: str, digest: str, known: Known | None, expected: Known | None, *, trust: bool) -> None:
    shown = printable(path)
    if expected is not None and known is not expected:
        size = f" and {expected.size:,} bytes" if expected.size else ""
        raise ModelError(
            f"{shown} is not {expected.name}: it has {size_of(path) or 0:,} bytes and the sha256 {digest}, where "
            f"{expected.sha256}{size} should be."
        )
    if known is None and os.path.splitext(path)[1].lower() in (".prototxt", ".npy"):
        raise ModelError(f"{shown} is not needed: the .caffemodel alone is enough.")
    if known is None and not trust:
        raise ModelError(
            f"{shown} is none of the known models (its sha256 is {digest}). Native code reads a model, and a bad file "
            "can abuse it: if you trust where it comes from, import it with --trust."
        )
    if known is not None and known.form is Form.EMBEDDED:
        raise ModelError(f"{shown} is {known.name}, which comes with colorwatch.")


def _keep_known(known: Known, copy: str, shelves: Shelves) -> Stored:
    there, _ = search(known, shelves)
    if there is not None:
        return Stored(known.name, there, before=True)
    return Stored(known.name, _place(copy, os.path.join(shelves.store, known.file)))


def _keep_trusted(path: str, digest: str, copy: str, name: str | None, shelves: Shelves) -> Stored:
    stem, ending = os.path.splitext(os.path.basename(path))
    name, ending = name or stem, ending.lower()
    if ending not in ENDINGS:
        raise ModelError(f"{printable(path)} does not end in {' or '.join(ENDINGS)}; rename it to what it is.")
    if not _NAME.fullmatch(name) or name in (*CATALOGUE, "auto"):
        raise ModelError(
            f"{printable(name)} cannot be the name of a model of your own; give it one of letters, digits, dots and "
            "dashes with --name."
        )
    target = os.path.join(shelves.store, name + ending)
    if os.path.lexists(target) and find_trusted(name, shelves) == target and digest in shelves.trusted():
        return Stored(name, target, before=True)
    described = manifest_of(path) if ending == ".onnx" else None
    if ending == ".onnx":
        ask("check", copy, described or "")
    else:
        ask("prepare", copy, digest, shelves.cache, "fast")
    placed = _place(copy, target)
    if described is not None:
        with open(described, "rb") as file:
            placing.write_new(file.read(reading.MAX_BYTES), os.path.splitext(target)[0] + ".yaml")
    shelves.trust(digest, name + ending)
    return Stored(name, placed)


def _place(copy: str, target: str) -> str:
    try:
        placing.place(copy, target)
    except FileExistsError:
        raise ModelError(
            f"{printable(target)} is there already, with another content; remove it, or import under another --name."
        ) from None
    return target
