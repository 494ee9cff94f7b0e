"""Rows of the ledger as value types, and back."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from colorwatch.scan import Facts, Fingerprint, Job, Redo, Rendering, Scan, State
from colorwatch.wire import from_plain

COLUMNS = (
    "id, folder, path, device, inode, size, mtime_ns, state, facts, recipe, output,"
    " worker_deaths, daemon_deaths, blamed, failures, attempt, spool, result, whereabouts, redo, noticed_at"
)


def job_of(row: sqlite3.Row) -> Job:
    fingerprint = Fingerprint(_unsigned(row["device"]), _unsigned(row["inode"]), row["size"], row["mtime_ns"])
    return Job(
        id=row["id"],
        scan=Scan(row["folder"], os.fsdecode(row["path"]), fingerprint),
        state=State(row["state"]),
        facts=from_plain(Facts, json.loads(row["facts"])) if row["facts"] else None,
        recipe=row["recipe"],
        output=os.fsdecode(row["output"]) if row["output"] is not None else None,
        worker_deaths=row["worker_deaths"],
        daemon_deaths=row["daemon_deaths"],
        blamed=row["blamed"],
        failures=row["failures"],
        attempt=row["attempt"],
        spool=os.fsdecode(row["spool"]) if row["spool"] is not None else None,
        result=from_plain(Rendering, json.loads(row["result"])) if row["result"] else None,
        noticed=row["noticed_at"],
        whereabouts=os.fsdecode(row["whereabouts"]) if row["whereabouts"] is not None else None,
        redo=_redo(json.loads(row["redo"])) if row["redo"] else None,
    )


def _redo(plain: dict[str, Any]) -> Redo:
    """`before`, the row as it was, is there exactly as long as the result is being made again."""
    before = plain.pop("before", None)
    if before is None:
        return Redo(**plain)
    return Redo(**plain, under_way=True, replaces=before["digest"], output=before["output"])


def fingerprint_columns(fingerprint: Fingerprint) -> dict[str, int]:
    return {
        "device": _signed(fingerprint.device),
        "inode": _signed(fingerprint.inode),
        "size": fingerprint.size,
        "mtime_ns": fingerprint.mtime_ns,
    }


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _unsigned(number: int) -> int:
    return number + (1 << 64) if number < 0 else number
