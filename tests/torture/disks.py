"""Disks that fail: the Nth system call of each kind, no room left, read-only, gone; each mended later."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from house import files
from torture import mounts
from torture.ground import Ground, percentile
from torture.kills import NO_PICTURE, other_disk
from torture.oracle import Wanted, judge
from torture.rows import Row, Table
from torture.shim import NoCompilerError, Shim
from waiting import eventually

# What SQLite makes of an errno differs less than these: the state folder gets the four that stand for all.
STATE_CODES = ("EIO", "ENOSPC", "EACCES", "EINTR")
CODES = ("EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "ESTALE", "EINTR")
MOST_CALLS = 80
RESTARTED = "unmounted, and a restart"


@dataclass(frozen=True)
class Case:
    """Calls of these kinds (`open+write`) in a place are failed, over a good scan or one that belongs in quarantine."""

    place: str  # outbox, inbox, archive, quarantine, state; "start" is the state folder while the daemon starts
    kinds: str
    processes: str = "both"
    bad: bool = False
    elsewhere: bool = False  # the archive is on another disk


CASES = (
    *(Case("outbox", kinds) for kinds in ("open", "write", "fsync", "link", "unlink", "mkdir")),
    *(Case("inbox", kinds) for kinds in ("rename", "fsync", "unlink")),
    *(Case("archive", kinds) for kinds in ("rename", "fsync", "mkdir")),
    *(Case("archive", kinds, elsewhere=True) for kinds in ("open", "write", "fsync", "rename", "unlink", "mkdir")),
    *(Case("quarantine", kinds, bad=True) for kinds in ("open", "write", "fsync", "rename", "unlink", "mkdir")),
    *(Case("state", kinds) for kinds in ("open", "write", "fsync")),
    Case("start", "open+write+fsync+unlink"),
)


def calls(
    table: Table,
    root: str,
    codes: Sequence[str] = CODES,
    cases: Sequence[Case] = CASES,
    in_a_row: Sequence[int] = (1, 3),
    step: int = 1,
) -> None:
    """Section c: for each case and errno, call number 1, 1 + step, ... fails, until none did."""
    try:
        shim = Shim()
    except NoCompilerError as error:
        table.add(Row("c", "the Nth system call", 0, 0, None, skipped=str(error)))
        return
    try:
        for elsewhere in (False, True):
            chosen = [case for case in cases if case.elsewhere is elsewhere]
            with other_disk() as disk:
                if chosen and (disk or not elsewhere):
                    home = os.path.join(root, "elsewhere" if elsewhere else "here")
                    archive = disk if elsewhere and disk else os.path.join(home, "archive")
                    _Calls(table, home, archive, shim).run(chosen, codes, in_a_row, step)
                elif chosen:
                    table.add(Row("c", "archive on another disk", 0, 0, None, skipped="there is no second disk here"))
    finally:
        shim.close()


class _Calls:
    """One ground, one daemon that goes on from case to case."""

    def __init__(self, table: Table, root: str, archive: str, shim: Shim) -> None:
        self._table = table
        self._shim = shim
        self._archive = archive
        self._ground = Ground(root, {"originals": "archive", "archive": archive}, environment=dict(shim.environment))
        self._bad: list[str] = []
        self._left: list[str] = []
        self._number = 0

    def run(self, cases: Sequence[Case], codes: Sequence[str], in_a_row: Sequence[int], step: int) -> None:
        ground, note = self._ground, ""
        rows = []
        ground.begin()
        try:
            for case in cases:
                began, before, fired, waits = time.monotonic(), self._number, 0, []
                in_state = case.place in ("state", "start")
                for code in [code for code in codes if not in_state or code in STATE_CODES]:
                    # In a row each is waited out for longer, and tells the same of each errno: only for these.
                    for times in in_a_row if code == "EIO" or (code == "ENOSPC" and not in_state) else in_a_row[:1]:
                        hits, seconds = self._every_call(case, code, times, step)
                        fired += hits
                        waits += seconds
                rows.append((case, self._number - before, fired, waits, time.monotonic() - began))
        except AssertionError as error:
            note = f"! {error}"
        finally:
            self._shim.disarm()
            ground.end() if not note else ground.abandon()
        for case, dropped, fired, waits, seconds in rows:
            name = f"{case.kinds} in {case.place}{' on another disk' if case.elsewhere else ''}"
            figures = {"longest_wait": max(waits, default=0.0), "p95_wait": percentile(waits, 0.95)}
            self._table.add(Row("c", name, dropped, fired, None, seconds, audited=False, figures=figures))
        total = sum(fired for _, _, fired, _, _ in rows)
        self._table.add(
            Row(
                *("c", "all of these", len(ground.scans) + len(self._bad) + len(self._left), total),
                judge(ground, Wanted(bad=self._bad, left=self._left, originals="archive")),
                *(sum(seconds for *_, seconds in rows), percentile([w for *_, waits, _ in rows for w in waits], 0.95)),
                note,
            )
        )

    def _every_call(self, case: Case, code: str, times: int, step: int) -> tuple[int, list[float]]:
        """How many calls failed, and the seconds from the drop to the end of each scan over which one did."""
        total, waits = 0, []
        for first in range(1, MOST_CALLS, step):
            began = time.monotonic()
            fired = self._one(case, code, first, times)
            if fired == 0:
                break
            total += fired
            waits.append(time.monotonic() - began)
        return total, waits

    def _one(self, case: Case, code: str, first: int, times: int) -> int:
        ground, shim = self._ground, self._shim
        self._number += 1
        folder = f"{case.place}-{case.kinds}-{code}-{times}/{first:03}"
        place = "state" if case.place == "start" else case.place
        root = {"archive": self._archive, "quarantine": ground.path("outbox", "quarantine")}.get(
            place, ground.path(place)
        )

        def arm() -> None:
            shim.arm(root, case.kinds, case.processes, getattr(errno, code), first, times)

        life = ground.lives[-1]
        if case.place == "start":
            arm()
            ground.terminate()
            eventually(lambda: ground.lives[-1] is not life, 120, "a new life")
        else:
            arm()
        if case.bad:
            path = f"{folder}/letter-{self._number}.jpg"
            os.makedirs(ground.path("inbox", folder))
            self._bad.append(path)
            ground.put(path, NO_PICTURE + path.encode())
        else:
            path = ground.drop(folder)[0].path
        what = f"{case.kinds} number {first} in {case.place} fails {times} times with {code}: {path}"
        eventually(lambda: self._over(path), 120, what)
        fired = shim.fired
        shim.disarm()
        if case.bad and os.path.exists(ground.path("inbox", path)):
            # A folder that lets nothing be moved: it stays, and its note says so.
            self._bad.remove(path)
            self._left.append(path)
        return fired

    def _over(self, path: str) -> bool:
        rows = self._ground.ask("SELECT state, settled FROM job WHERE path = ?", os.fsencode(path))
        return any(row["state"] == "done" or (row["state"] == "quarantined" and row["settled"]) for row in rows)


# --- a full disk --------------------------------------------------------------------------------------------------


def full(table: Table, root: str, count: int = 100, hold: float = 4.0) -> None:
    """Section d: outbox, state, and both on a disk of 16 MB that is full; room is made later."""
    if not mounts.inside():
        table.add(Row("d", "full disk", 0, 0, None, skipped="nothing may be mounted here"))
        return
    for places in (("outbox",), ("state",), ("outbox", "state")):
        _full(table, os.path.join(root, "-".join(places)), places, count, hold, 0)
    _full(table, os.path.join(root, "reserve"), ("outbox",), count, hold, 2)


def _full(table: Table, root: str, places: Sequence[str], count: int, hold: float, reserve: int) -> None:
    """`reserve`: megabytes that the daemon is to leave free."""
    disk = os.path.join(root, "disk")
    mounts.small_disk(disk, 16)
    for place in places:
        os.makedirs(os.path.join(disk, place))
        os.makedirs(os.path.join(root, place))
        mounts.bind(os.path.join(disk, place), os.path.join(root, place))
    limits = {"limits": {"min_free_megabytes": reserve}}
    ground = Ground(root, {"originals": "archive", "archive": os.path.join(root, "archive")}, limits, pause=0.5)
    began, note = time.monotonic(), ""
    seconds = torn = None
    ground.begin()
    try:
        ground.drop("before", 10)
        ground.wait_all()
        _fill(os.path.join(disk, "ballast"), spare=100_000)
        life = len(ground.lives)
        ground.drop("full", count)
        eventually(lambda: _stuck(ground, life), 120, "the full disk is felt")
        time.sleep(hold)
        done = ground.ended()
        torn = len([name for name in files(ground.path("outbox")) if os.path.getsize(ground.path("outbox", name)) == 0])
        os.unlink(os.path.join(disk, "ballast"))
        freed = time.monotonic()
        eventually(lambda: ground.ended() > done, 120, "it goes on by itself")
        seconds = time.monotonic() - freed
        ground.wait_all()
        note = f"{done - 10} done while full, on again after {seconds:.1f} s, {len(ground.lives) - life} restarts"
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note.startswith("!") else ground.abandon()
    table.add(
        Row(
            *("d", f"{' and '.join(places)} full{', with a reserve' if reserve else ''}", len(ground.scans), 1),
            judge(ground, Wanted(originals="archive")),
            time.monotonic() - began,
            note=note,
            figures={"on_again_seconds": seconds, "empty_files_seen": torn, "said": _said(ground)},
        )
    )
    for place in places:
        mounts.take_off(os.path.join(root, place))
    mounts.take_off(disk)


def _fill(path: str, spare: int) -> None:
    """Takes all room on the disk of `path` but `spare` bytes."""
    found = os.statvfs(os.path.dirname(path))
    with open(path, "wb") as ballast:
        ballast.write(bytes(max(0, found.f_bavail * found.f_frsize - spare)))


def _stuck(ground: Ground, life: int) -> bool:
    """Something was said of trouble, or the daemon has ended for it."""
    return len(ground.lives) > life or bool(_said(ground))


def _said(ground: Ground) -> list[str]:
    """What the log says of trouble, each sentence once, the first three."""
    said = [str(line.get("reason", "")) for line in ground.lines() if line.get("level") in ("warning", "error")]
    return list(dict.fromkeys(said))[:3]


# --- read-only and gone -------------------------------------------------------------------------------------------


def away(table: Table, root: str, count: int = 60, hold: float = 3.0, only: str = "") -> None:
    """Section e: inbox, outbox, archive, state become read-only, are renamed away or unmounted; then all is well again.

    No bind mount becomes read-only while the ledger is open on it: there the calls fail as on such a disk.
    """
    for way in ("renamed away", "read-only", "unmounted", RESTARTED):
        for place in ("inbox", "outbox", "archive", "state"):
            impossible = (place, way) in (("inbox", "read-only"), ("state", "unmounted"), ("state", RESTARTED))
            if impossible or only not in f"{place} {way}":
                continue
            home = os.path.join(root, f"{place}-{re.sub('[^a-z]+', '-', way)}")
            os.makedirs(os.path.join(home, place))
            try:
                with _way(way, os.path.join(home, place)) as trouble:
                    _away(table, home, place, way, trouble, count, hold)
            except _Impossible as error:
                table.add(Row("e", f"{place} {way}", 0, 0, None, skipped=str(error)))


class _Impossible(Exception):  # noqa: N818
    """This cannot be done on this machine."""


@dataclass
class _Trouble:
    """How a folder is taken away and given back, and what the daemon must be started with for it."""

    begin: Callable[[], None]
    end: Callable[[], None]
    environment: dict[str, str]


@contextlib.contextmanager
def _way(way: str, path: str) -> Iterator[_Trouble]:
    if way == "renamed away":
        yield _Trouble(lambda: os.rename(path, f"{path}.away"), lambda: os.rename(f"{path}.away", path), {})
    elif way == "read-only" and os.path.basename(path) == "state":
        try:
            shim = Shim()
        except NoCompilerError as error:
            raise _Impossible(str(error)) from error
        kinds = "open+write+fsync+unlink+mkdir"
        try:
            yield _Trouble(
                lambda: shim.arm(path, kinds, "both", errno.EROFS, 1, 1_000_000), shim.disarm, shim.environment
            )
        finally:
            shim.close()
    elif not mounts.inside():
        raise _Impossible("nothing may be mounted here")
    elif way == "read-only":
        mounts.own_mount(path)
        yield _Trouble(lambda: mounts.read_only(path), lambda: mounts.writable(path), {})
        mounts.take_off(path)
    else:
        os.makedirs(f"{path}.disk")
        mounts.bind(f"{path}.disk", path)
        yield _Trouble(lambda: mounts.take_off(path), lambda: mounts.bind(f"{path}.disk", path), {})
        mounts.take_off(path)


def _away(
    table: Table,
    root: str,
    place: str,
    way: str,
    trouble: _Trouble,
    count: int,
    hold: float,
) -> None:
    archive = os.path.join(root, "archive")
    ground = Ground(
        root, {"originals": "archive", "archive": archive}, environment=dict(trouble.environment), pause=0.5
    )
    path = ground.path(place)
    began, note, seconds, told = time.monotonic(), "", 0.0, ""
    ground.begin()
    try:
        ground.drop("before", count)
        eventually(lambda: ground.ended() >= count // 4, 120, "a part is done")
        mark = os.path.getsize(ground.path("log"))
        trouble.begin()
        if way == RESTARTED:
            life = ground.lives[-1]
            ground.signal(signal.SIGKILL, group=True)
            eventually(lambda: ground.lives[-1] is not life, 120, "a new life")
        if place != "inbox":
            ground.drop("meanwhile", count // 3)
        time.sleep(hold)
        told = ground.call("status", timeout=30).stdout
        said = [line for line in ground.lines(mark) if line.get("level") in ("warning", "error")]
        done = ground.ended()
        trouble.end()
        mended = time.monotonic()
        ground.drop("after", 10)
        eventually(lambda: ground.ended() > done, 90, "it goes on by itself")
        seconds = time.monotonic() - mended
        ground.wait_all()
        eventually(lambda: not files(ground.path("inbox")), 120, "the inbox is empty")
        note = f"on again after {seconds:.1f} s, " + (f"said: {said[0].get('reason')}" if said else "nothing was said")
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note.startswith("!") else ground.abandon()
    verdict = judge(ground, Wanted(originals="archive"))
    if way in ("unmounted", RESTARTED):
        mounts.take_off(path)
        verdict.odd += [f"under the mount point: {name}" for name in files(path)]
        trouble.end()
    figures = {"on_again_seconds": seconds, "status": told}
    table.add(
        Row("e", f"{place} {way}", len(ground.scans), 1, verdict, time.monotonic() - began, note=note, figures=figures)
    )
