"""The one oracle: holds disk and ledger against what was dropped, after any torture whatever.

Each scan's bytes lie in exactly one of inbox, archive and quarantine; each scan has exactly one whole result, which is
its own; the ledger says the same; nothing that was on its way is left behind, no process lives on.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field

import cv2

from house import UNFINISHED, digest, files, is_of
from torture.ground import Ground
from torture.pictures import Scan, number_of

_OURS = re.compile(r"(^|/)\.colorwatch")
_NOTE = re.compile(r" - why( \(\d+\))?\.txt$|\.reason\.json$")


@dataclass
class Verdict:
    """What is wrong, by kind; all empty where every promise was kept."""

    scans: int = 0
    lost: list[str] = field(default_factory=list)  # a scan without its bytes, or without a result
    doubled: list[str] = field(default_factory=list)  # bytes in two places, two results, two jobs
    torn: list[str] = field(default_factory=list)  # a result that is not whole, or not what the ledger says
    left_behind: list[str] = field(default_factory=list)  # spool, aside and temporary files; processes
    quarantined: list[str] = field(default_factory=list)  # good scans
    unfinished: list[str] = field(default_factory=list)  # jobs
    odd: list[str] = field(default_factory=list)  # files of nobody, deaths of no one's making, tracebacks

    @property
    def clean(self) -> bool:
        return not any(value for value in vars(self).values() if isinstance(value, list))

    def counts(self) -> dict[str, int]:
        return {name: len(value) for name, value in vars(self).items() if isinstance(value, list)}

    def __str__(self) -> str:
        named = ((name, value) for name, value in vars(self).items() if isinstance(value, list) and value)
        return "; ".join(f"{name} {len(value)}: {value[:4]}" for name, value in named) or "clean"


@dataclass
class Wanted:
    """What is expected beside one result a scan."""

    bad: Collection[str] = ()  # paths of files that belong into quarantine
    left: Collection[str] = ()  # paths of files that are no scans and stay in the inbox
    strangers: dict[str, str] = field(default_factory=dict)  # files of others in the outbox: path -> digest
    taken: Collection[int] = ()  # numbers of scans whose user took result and original away: neither may come back
    loose: Collection[int] = ()  # numbers of scans that were renamed, deleted or dropped twice in flight
    originals: str = "keep"
    running: bool = False  # the daemon still runs: its processes are none of our business


def judge(ground: Ground, wanted: Wanted | None = None) -> Verdict:
    """The audit. The daemon has ended, or has nothing to do."""
    wanted = wanted or Wanted()
    verdict = Verdict(scans=len(ground.scans))
    results = _results(ground, wanted, verdict)
    _judge_originals(ground, wanted, verdict)
    _judge_results(ground, wanted, results, verdict)
    _judge_ledger(ground, wanted, verdict)
    _judge_leftovers(ground, wanted, verdict)
    return verdict


def quarantine_of(ground: Ground) -> str:
    return str(ground.settings.get("quarantine") or ground.path("outbox", "quarantine"))


def archive_of(ground: Ground) -> str:
    return str(ground.settings.get("archive") or ground.path("archive"))


def _results(ground: Ground, wanted: Wanted, verdict: Verdict) -> dict[int, list[str]]:
    """The results in the outbox by the number that they carry."""
    found: dict[int, list[str]] = collections.defaultdict(list)
    outbox, quarantine = ground.path("outbox"), quarantine_of(ground)
    for relative, path in files(outbox).items():
        if _OURS.search(relative) or path.startswith(quarantine + os.sep) or relative in wanted.strangers:
            continue
        picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        number = None if picture is None else number_of(picture)
        if number is None:
            verdict.torn.append(f"{relative} is no whole result")
        else:
            found[number].append(relative)
    for relative, content in wanted.strangers.items():
        path = os.path.join(outbox, relative)
        if not os.path.exists(path) or digest(path) != content:
            verdict.lost.append(f"a stranger's {relative} was replaced")
    return found


def _judge_originals(ground: Ground, wanted: Wanted, verdict: Verdict) -> None:
    places: dict[str, list[str]] = collections.defaultdict(list)
    quarantine = quarantine_of(ground)
    shelves = {"inbox": ground.path("inbox"), "archive": archive_of(ground), "quarantine": quarantine}
    good = {scan.digest for scan in ground.scans}
    for shelf, folder in shelves.items():
        for relative, path in files(folder).items():
            if _OURS.search(relative) or (shelf == "quarantine" and _NOTE.search(relative)):
                continue
            content = digest(path)
            places[content].append(f"{shelf}/{relative}")
            if content not in good and relative not in wanted.bad and relative not in wanted.left:
                verdict.odd.append(f"{shelf}/{relative} is nobody's")
            if shelf == "quarantine" and content in good:
                verdict.quarantined.append(relative)
            if shelf == "inbox" and relative in wanted.bad:
                verdict.unfinished.append(f"{relative} belongs into quarantine")
    times = collections.Counter(scan.digest for scan in ground.scans)
    for one in {scan.digest: scan for scan in ground.scans}.values():
        there = places.get(one.digest, [])
        most = times[one.digest]
        if one.number in wanted.taken or one.number in wanted.loose:
            continue
        if not there and wanted.originals != "delete":
            verdict.lost.append(f"{one.path}: its bytes are nowhere")
        if len(there) > most:
            verdict.doubled.append(f"{one.path}: its bytes are in {there}")
        if wanted.originals == "delete" and there:
            verdict.unfinished.append(f"{one.path}: not deleted")
        if wanted.originals == "archive" and any(place.startswith("inbox/") for place in there):
            verdict.unfinished.append(f"{one.path}: not archived")
    for path in wanted.bad:
        if not os.path.exists(os.path.join(quarantine, path)) and not any(
            path in place for found in places.values() for place in found
        ):
            verdict.lost.append(f"{path}: bad, and not in quarantine")
        elif not os.path.exists(os.path.join(quarantine, f"{path} - why.txt")):
            verdict.unfinished.append(f"{path}: no note says why")


def _judge_results(ground: Ground, wanted: Wanted, results: dict[int, list[str]], verdict: Verdict) -> None:
    scans: dict[int, list[Scan]] = collections.defaultdict(list)
    for scan in ground.scans:
        scans[scan.number].append(scan)
    for number, dropped in scans.items():
        found = results.pop(number, [])
        paths = {scan.path for scan in dropped}
        if number in wanted.taken:
            verdict.doubled += [f"{path} was taken away, and is there again" for path in found]
            continue
        if not found and number not in wanted.loose:
            verdict.lost.append(f"{dropped[0].path}: no result")
        if len(found) > len(paths):
            verdict.doubled.append(f"{dropped[0].path}: results {found}")
        for relative in found:
            if not is_of(ground.path("outbox", relative), dropped[0].pixels):
                verdict.torn.append(f"{relative} is not that of {dropped[0].path}")
    verdict.odd += [f"outbox/{path} is of no scan" for paths in results.values() for path in paths]


def _judge_ledger(ground: Ground, wanted: Wanted, verdict: Verdict) -> None:
    sound = ground.ask("PRAGMA integrity_check")
    if not sound or sound[0][0] != "ok":
        verdict.odd.append(f"the ledger is broken: {[row[0] for row in sound]}")
    rows = ground.ask("SELECT * FROM job")
    numbers = {scan.digest: scan.number for scan in ground.scans}
    done: collections.Counter[tuple[str, str]] = collections.Counter()
    for row in rows:
        name = os.fsdecode(row["path"])
        if row["state"] in UNFINISHED:
            verdict.unfinished.append(f"{name}: {row['state']}")
        number = numbers.get(row["digest"])
        if number in wanted.taken or number in wanted.loose:
            continue
        if row["state"] == "done" and row["result"] and row["output"] is not None:
            done[name, row["digest"]] += 1
            result = ground.path("outbox", os.fsdecode(row["output"]))
            with contextlib.suppress(FileNotFoundError):  # that it is missing is said of the scan
                if digest(result) != json.loads(row["result"]).get("digest"):
                    verdict.torn.append(f"{os.path.basename(result)} is not what the ledger knows")
    verdict.doubled += [f"{name}: {count} jobs" for (name, _), count in done.items() if count > 1]


def _judge_leftovers(ground: Ground, wanted: Wanted, verdict: Verdict) -> None:
    for folder in {ground.path("inbox"), ground.path("outbox"), archive_of(ground), quarantine_of(ground)}:
        verdict.left_behind += [f"{folder}/{name}" for name in files(folder) if _OURS.search(name)]
    verdict.left_behind = sorted(set(verdict.left_behind))
    if not wanted.running:
        verdict.left_behind += [f"process {pid}" for pid in ground.leftovers()]
    verdict.odd += [f"a daemon ended by itself with {life.code}" for life in ground.lives if life.odd]
    verdict.odd += [line for line in ground.plain_lines() if "Traceback" in line or "fault of its own" in line][:5]
