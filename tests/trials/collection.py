"""A folder of pictures of any kind, test collections above all, through `colorwatch once`: what became of each file.

    python tests/trials/collection.py FOLDER [FOLDER ...] [--format png] [--limit 1000] [--list]

Nothing is written into the folders. Prints a table by ending, and each reason with its count; with --list each file.
Exit code 1 where a worker died, a result does not open, a file's end is unknown, or colorwatch blames itself.
"""

from __future__ import annotations

import argparse
import collections
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import pikepdf
from PIL import Image

from house import House, files

MOST_BYTES = 200_000_000  # of one file
_OURS = {"internal", "poison", "memory"}


@dataclass
class Counts:
    """What became of the files: by how they end, and by kind and reason where they were not coloured."""

    endings: dict[str, collections.Counter[str]] = field(default_factory=dict)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)

    def count(self, name: str, what: str) -> None:
        ending = os.path.splitext(name)[1].lower() or "(none)"
        self.endings.setdefault(ending, collections.Counter())[what] += 1


def gather(folders: list[str], inbox: str, limit: int) -> int:
    """Copy every regular file below `folders` into the inbox; how many."""
    count = 0
    for number, folder in enumerate(folders):
        for relative, path in sorted(files(folder).items()):
            if os.path.islink(path) or not 0 < os.path.getsize(path) < MOST_BYTES or count >= limit:
                continue
            place = os.path.join(inbox, str(number), relative)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copyfile(path, place)
            count += 1
    return count


def complaints(path: str) -> list[str]:
    """What qpdf says against a PDF, without its name and its offsets."""
    with pikepdf.open(path) as pdf:
        return [each.rpartition("): ")[2] for each in pdf.check_pdf_syntax()]


def opens(path: str, scan: str) -> str:
    """Why a result cannot be read by another library, or ""; what is said against its scan, too, is not its fault."""
    try:
        if path.lower().endswith(".pdf"):
            before = complaints(scan) if scan.lower().endswith(".pdf") else []
            return "; ".join(each for each in complaints(path) if each not in before)
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            for page in range(getattr(image, "n_frames", 1)):
                image.seek(page)
                image.load()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def look(house: House, wanted: set[str], listed: bool) -> Counts:
    """Hold ledger, log and outbox against what was put into the inbox."""
    found = Counts()
    db = sqlite3.connect(house.path("state", "ledger.sqlite3"))
    rows = db.execute("SELECT path, state, kind, reason, output FROM job ORDER BY path").fetchall()
    db.close()
    known = set()
    for raw, state, kind, reason, output in rows:
        name = os.fsdecode(raw)
        known.add(name)
        found.count(name, state if state == "done" else f"{state}: {kind}")
        if state != "done":
            found.reasons[f"{kind}: {reason}"] += 1
        if kind in _OURS or state not in ("done", "quarantined", "skipped"):
            found.wrong.append(f"{name}: {state}, {kind}, {reason}")
        if state == "done" and output is not None:
            fault = opens(house.path("outbox", os.fsdecode(output)), house.path("inbox", name))
            found.wrong += [f"{name}: its result does not open ({fault})"] if fault else []
        if listed:
            print(name, state, kind, reason or "", sep="\t")
    # What has neither a picture inside nor a picture's name is told in the log alone.
    told = {str(line.get("file")) for line in house.log() if line["event"] in ("scan.skipped", "scan.incomplete")}
    for name in sorted(wanted - known):
        found.count(name, "skipped" if name in told else "unknown")
        found.wrong += [] if name in told else [f"{name}: nothing is known of it"]
    for line in house.log():
        if line["event"] in ("worker.died", "zygote.died", "service.failed"):
            found.wrong.append(str(line))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--format", default="same")
    parser.add_argument("--limit", type=int, default=100_000)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        settings = {"settle_seconds": 0.2, "incomplete_seconds": 1, "format": given.format}
        house = House(root, settings, {"workers": 2, "logging": {"level": "debug"}})
        count = gather(given.folders, house.path("inbox"), given.limit)
        began, code = time.monotonic(), 5
        for _ in range(5):
            with open(house.path("log"), "ab") as log:
                code = subprocess.run(house.command("once"), stdout=log, stderr=log, check=False).returncode
            if code != 5:
                break
        seconds = time.monotonic() - began
        found = look(house, set(files(house.path("inbox"))), given.list)
        if code not in (0, 1):
            found.wrong.append(f"colorwatch once ended with {code}")
            print(*house.log()[-5:], sep="\n")
    print(f"{count} files, {seconds:.0f} s, exit code {code}")
    for ending, counts in sorted(found.endings.items()):
        print(f"  {ending:8}", ", ".join(f"{number} {what}" for what, number in counts.most_common()))
    for reason, number in found.reasons.most_common():
        print(f"{number:6} {reason}")
    print(*found.wrong, sep="\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
