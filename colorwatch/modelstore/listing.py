"""What is in the store and on the shelves, known or not, whole or not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from colorwatch.errors import ModelError
from colorwatch.modelstore import cache, placing
from colorwatch.modelstore.catalogue import BY_DIGEST, CATALOGUE, Form, Known
from colorwatch.modelstore.finding import search
from colorwatch.modelstore.shelves import Shelves, digest_of, size_of
from colorwatch.scan import printable


class Standing(StrEnum):
    """How a model stands."""

    HERE = "here"
    MISSING = "not here"
    TRUSTED = "imported"
    UNTRUSTED = "untrusted"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a listing. `size` in bytes, None where it is not known; `path` is empty where there is no file."""

    name: str
    standing: Standing
    size: int | None
    licence: str
    source: str
    path: str = ""
    sha256: str = ""
    remark: str = ""


def overview(shelves: Shelves) -> list[Row]:
    """Every known model, here or not, and every other model file on the shelves. Reads all of them."""
    rows = [_known(known, shelves) for known in CATALOGUE.values()]
    return rows + [row for row in map(_Other(shelves).row, shelves.files()) if row is not None]


def verify(shelves: Shelves) -> tuple[int, list[str]]:
    """How many model files were read and are what they should be, and what is wrong with the others, in words."""
    good, faults = 0, []
    for row in overview(shelves):
        if row.standing in (Standing.HERE, Standing.TRUSTED):
            whole = row.standing is Standing.TRUSTED or digest_of(row.path) == CATALOGUE[row.name].sha256
            good += whole
            faults += [] if whole else [f"{printable(row.path)} is damaged; install colorwatch again."]
        elif row.standing is not Standing.MISSING:
            faults.append(f"{printable(row.path)}: {row.remark}.")
    if shelves.state is not None:
        faults += [f"{printable(path)} is damaged; it is made again when needed." for path in _damaged(shelves)]
    return good, faults


def _damaged(shelves: Shelves) -> list[str]:
    return cache.damaged(shelves.cache)


def _known(known: Known, shelves: Shelves) -> Row:
    try:
        path, _ = search(known, shelves)
    except ModelError:
        path = None
    size = size_of(path) if path else known.size
    remark = "" if path else _begun(known, shelves)
    standing = Standing.HERE if path else Standing.MISSING
    return Row(known.name, standing, size, known.licence, known.source, path or "", known.sha256, remark)


def _begun(known: Known, shelves: Shelves) -> str:
    if known.form is Form.EMBEDDED or shelves.state is None:
        return ""
    came = size_of(os.path.join(shelves.store, known.file + placing.UNFINISHED))
    return f"{came:,} bytes of it have been fetched" if came else ""


class _Other:
    """Rows of the files that are no known model."""

    def __init__(self, shelves: Shelves) -> None:
        self._trusted = shelves.trusted()

    def row(self, path: str) -> Row | None:
        name = os.path.splitext(os.path.basename(path))[0]
        try:
            digest = digest_of(path)
        except ModelError as error:
            remark = str(error).rstrip(".")
            return Row(name, Standing.UNREADABLE, size_of(path), "", "", path, "", remark)
        if digest in BY_DIGEST:
            return None
        standing = Standing.TRUSTED if digest in self._trusted else Standing.UNTRUSTED
        remark = "" if standing is Standing.TRUSTED else "it is no known model, and was not imported with --trust"
        return Row(name, standing, size_of(path), "", "", path, digest, remark)
