"""Prints that lay on one glass and are saved apart: which results show some, and what became of each.

A print that is `left` is a person's: edited, moved or deleted. It is never made again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from colorwatch.ledger.rows import COLUMNS, job_of
from colorwatch.protocol import Piece
from colorwatch.scan import Job

_ASIDE = 32  # due ones that are looked past, for their results are being made again


@dataclass(frozen=True, slots=True)
class Print:
    """What is known of one. `path` is relative to the outbox; `digest` is the sha256 of its file, "" until it is saved.

    `spooled`: its new file, in the spool, is on its way to `to`.
    """

    job: int
    number: int
    state: str  # new, saved or left
    path: str
    digest: str
    spooled: Piece | None = None
    to: str = ""


class Prints:
    """Part of the ledger; its writes belong into the ledger's `batch`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # --- results ------------------------------------------------------------------------------------------------

    def due(self, folder: str, without: Collection[int]) -> Job | None:
        """The first finished job of the folder whose prints are to be looked after, and of which none is on its way."""
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE state = 'done' AND output IS NOT NULL AND id IN"
            " (SELECT job FROM glass WHERE folder = ? AND due = 1 ORDER BY job LIMIT ?) AND NOT EXISTS"
            " (SELECT 1 FROM print WHERE print.job = job.id AND spooled IS NOT NULL) ORDER BY id",
            (folder, len(without) + _ASIDE),
        )
        return next((job_of(row) for row in rows if row["id"] not in without), None)

    def was_cut(self, job: Job) -> bool:
        """Whether that was done for the present result."""
        row = self._db.execute("SELECT cut FROM glass WHERE job = ?", (job.id,)).fetchone()
        return row is not None and job.result is not None and row[0] == job.result.digest

    def looked_after(self, job: Job) -> None:
        """Nothing is left to do for the result that `job` has; unless it has another one by now."""
        digest = job.result.digest if job.result else ""
        self._db.execute(
            "UPDATE glass SET cut = ?, due = EXISTS (SELECT 1 FROM job WHERE id = glass.job AND state = 'done'"
            " AND json_extract(result, '$.digest') <> ?) WHERE job = ?",
            (digest, digest, job.id),
        )

    # --- prints -------------------------------------------------------------------------------------------------

    def of(self, job_id: int) -> dict[int, Print]:
        """All that are known of a job, by number."""
        rows = self._db.execute("SELECT * FROM print WHERE job = ? ORDER BY number", (job_id,))
        return {row["number"]: _print(row) for row in rows}

    def spooled(self, job_id: int, piece: Piece, to: str) -> None:
        """It is in the spool, and on disk: from here on it is saved."""
        self._db.execute(
            "INSERT INTO print VALUES (?, ?, 'new', ?, '', ?) ON CONFLICT DO UPDATE SET spooled = excluded.spooled",
            (job_id, piece.number, os.fsencode(to), _plain(piece, to)),
        )

    def on_their_way(self, folders: Collection[str]) -> list[Print]:
        """Those in the spool, of jobs of these folders."""
        rows = self._db.execute(
            "SELECT print.*, job.folder FROM print INDEXED BY print_spooled JOIN job ON job.id = print.job"
            " WHERE spooled IS NOT NULL ORDER BY print.job, number"
        )
        return [_print(row) for row in rows if row["folder"] in folders]

    def renamed(self, one: Print, to: str) -> None:
        """A stranger has the name that it was to get."""
        if one.spooled:
            self._set(one, spooled=_plain(one.spooled, to))

    def saved(self, one: Print) -> None:
        digest = one.spooled.digest if one.spooled else one.digest
        self._set(one, state="saved", path=os.fsencode(one.to or one.path), digest=digest, spooled=None)

    def left(self, one: Print) -> None:
        self._set(one, state="left", spooled=None)

    def lost(self, one: Print) -> None:
        """Its spool file is gone: the result's prints are cut out once more."""
        if one.state == "new":
            self._db.execute("DELETE FROM print WHERE job = ? AND number = ?", (one.job, one.number))
        else:
            self._set(one, spooled=None)
        self._db.execute("UPDATE glass SET cut = '', due = 1 WHERE job = ?", (one.job,))

    def standing(self, job_id: int) -> tuple[tuple[str, str], ...]:
        """Path and sha256 of all that stand in the outbox, or are about to."""
        prints = self.of(job_id).values()
        found = [(one.path, one.digest) for one in prints if one.state == "saved"]
        return (*found, *((one.to, one.spooled.digest) for one in prints if one.spooled))

    def _set(self, one: Print, **columns: object) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(
            f"UPDATE print SET {assignments} WHERE job = ? AND number = ?", (*columns.values(), one.job, one.number)
        )


def _plain(piece: Piece, to: str) -> str:
    return json.dumps({"digest": piece.digest, "device": piece.device, "inode": piece.inode, "to": to})


def _print(row: sqlite3.Row) -> Print:
    one = Print(row["job"], row["number"], row["state"], os.fsdecode(row["path"]), row["digest"])
    if row["spooled"] is None:
        return one
    plain = json.loads(row["spooled"])
    piece = Piece(one.number, plain["digest"], plain["device"], plain["inode"])
    return Print(one.job, one.number, one.state, one.path, one.digest, piece, plain["to"])
