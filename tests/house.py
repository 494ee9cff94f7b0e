"""A house to test in: folders, a config, the real daemon as a child process, and an audit of the disk afterwards."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from waiting import eventually

Picture = NDArray[np.uint8]
UNFINISHED = {"queued", "running", "rendered", "published", "stuck"}


@dataclass
class House:
    """One state folder with one inbox and outbox under `root`; `settings` are lines for the folder in the config."""

    root: str
    settings: dict[str, object] = field(default_factory=dict)
    top: dict[str, object] = field(default_factory=dict)
    daemon: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for name in ("inbox", "outbox", "archive"):
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
        self.write_config()

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def write_config(self) -> None:
        folder = {"inbox": "./inbox", "outbox": "./outbox", "settle_seconds": 0.5, "rescan_seconds": 5, **self.settings}
        config = {"folders": [folder], "state": "./state", **self.top}
        with open(self.path("config.yaml"), "w", encoding="utf-8") as file:
            json.dump(config, file)  # JSON is YAML

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "colorwatch.cli", *arguments, "--config", self.path("config.yaml")]

    def call(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs one command to its end."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=False)

    def start(self) -> None:
        """Starts the daemon in a process group of its own."""
        with open(self.path("log"), "ab") as log:
            self.daemon = subprocess.Popen(self.command("run"), stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """`kill -9` of the daemon's whole process group."""
        assert self.daemon is not None
        os.killpg(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait(30)

    def stop(self, timeout: float = 90) -> int:
        """SIGTERM, and the exit code."""
        assert self.daemon is not None
        self.daemon.terminate()
        return self.daemon.wait(timeout)

    def log(self) -> list[dict[str, object]]:
        with open(self.path("log"), encoding="utf-8") as file:
            # The last line may be half there still.
            return [json.loads(line) for line in file if line.startswith("{") and line.endswith("\n")]

    def counts(self) -> dict[str, int]:
        """Jobs by state, read beside the running daemon; empty before there is a ledger."""
        path = self.path("state", "ledger.sqlite3")
        if not os.path.exists(path):
            return {}
        db = sqlite3.connect(path)
        try:
            return dict(db.execute("SELECT state, COUNT(*) FROM job GROUP BY state"))
        except sqlite3.OperationalError:  # the schema is being made
            return {}
        finally:
            db.close()

    def wait_done(self, count: int, timeout: float) -> None:
        """Waits until `count` jobs are done and none is under way."""

        def done() -> bool:
            assert self.daemon is None or self.daemon.poll() is None, "the daemon ended by itself"
            counts = self.counts()
            return counts.get("done", 0) >= count and not set(counts) & UNFINISHED

        eventually(done, timeout, f"{count} done")

    def results(self) -> dict[str, str]:
        """The files of the outbox that are results: path relative to it -> absolute path."""
        return {
            relative: path for relative, path in files(self.path("outbox")).items() if ".colorwatch" not in relative
        }


@dataclass(frozen=True)
class Drop:
    """One scan that was dropped: its grey pixels, and the digest of its file."""

    pixels: Picture
    digest: str


@dataclass
class Audit:
    """What is wrong on the disk, by name; all empty where every promise was kept."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    originals: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not any(vars(self).values())

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {len(names)}" + (f" {names[:3]}" if names else "") for name, names in vars(self).items()
        )


def files(folder: str) -> dict[str, str]:
    """Every file below `folder`: path relative to it -> absolute path."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            found[os.path.relpath(path, folder)] = path
    return found


def digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def audit(house: House, drops: dict[str, Drop]) -> Audit:
    """Holds the disk and the ledger against what was dropped: each scan one whole result of its own lightness.

    Wherever sRGB's gamut allows the colour, lightness may differ by one level (and JPEG's loss).
    """
    found = Audit()
    results = house.results()
    for relative, drop in drops.items():
        if relative not in results:
            found.lost.append(relative)
        elif not is_of(results[relative], drop.pixels):
            found.torn.append(relative)
    found.doubled = sorted(set(results) - set(drops))
    found.quarantined = [name for name in results if name.startswith("quarantine" + os.sep)]
    found.left_behind = sorted(files(house.path("outbox", ".colorwatch")))
    found.left_behind += [name for name in files(house.path("inbox")) if ".colorwatch" in name]
    kept = house.settings.get("originals", "keep") == "keep"
    home, empty = ("inbox", "archive") if kept else ("archive", "inbox")
    originals = files(house.path(home))
    found.originals = [
        name for name, drop in drops.items() if name not in originals or digest(originals[name]) != drop.digest
    ]
    found.originals += sorted(name for name in files(house.path(empty)) if ".colorwatch" not in name)
    ledger = sqlite3.connect(house.path("state", "ledger.sqlite3"))
    done = ledger.execute("SELECT path, output, result FROM job WHERE state = 'done'").fetchall()
    ledger.close()
    # One without a result of its own only cleared an original whose content was done before.
    jobs = collections.Counter(os.fsdecode(path) for path, output, _ in done if output is not None)
    for _, output, result in done:
        relative = os.fsdecode(output or b"")
        if result and relative in results and digest(results[relative]) != json.loads(result)["digest"]:
            found.torn.append(f"{relative} is not what the ledger knows")
    found.doubled += [f"{name} ({count} jobs)" for name, count in jobs.items() if count > 1]
    return found


def is_of(result: str, pixels: Picture) -> bool:
    """Whether `result` is a whole colour picture of the grey `pixels`."""
    colour = cv2.imread(result, cv2.IMREAD_UNCHANGED)
    if colour is None or colour.shape != (*pixels.shape, 3):
        return False
    lightness = cv2.cvtColor(colour[::3, ::3].astype(np.float32) / 255, cv2.COLOR_BGR2Lab)[..., 0]
    grey = cv2.cvtColor(pixels[::3, ::3].astype(np.float32) / 255, cv2.COLOR_GRAY2RGB)
    wanted = cv2.cvtColor(grey, cv2.COLOR_RGB2Lab)[..., 0]
    # Clipped colours are darker or lighter: most pixels are not, and no part of the picture is another's.
    return float(np.median(np.abs(lightness - wanted))) < 1.5 and float(np.abs(lightness - wanted).mean()) < 4


def encode(pixels: Picture, extension: str) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if extension == ".jpg" else []
    return cv2.imencode(extension, pixels, quality)[1].tobytes()


def make_drop(path: str, pixels: Picture) -> Drop:
    """Writes a scan, and remembers the pixels that a reader finds in it."""
    content = encode(pixels, os.path.splitext(path)[1])
    with open(path, "wb") as file:
        file.write(content)
    read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return Drop(np.asarray(read, np.uint8), hashlib.sha256(content).hexdigest())


def photographs(count: int, side: int = 256) -> list[Picture]:
    """Grey photographs: real ones where COLORWATCH_TESTDATA has them, else crops of the samples; all different."""
    folder = os.path.join(os.environ.get("COLORWATCH_TESTDATA", ""), "photos", "eval")
    if not os.path.isdir(folder):
        folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "samples")
    names = sorted(name for name in os.listdir(folder) if name.endswith((".jpg", ".png", ".tif")))
    sources = [cv2.imread(os.path.join(folder, name), cv2.IMREAD_GRAYSCALE) for name in names[:count]]
    pictures = []
    for number in range(count):
        source = sources[number % len(sources)]
        assert source is not None
        turn = number // len(sources)
        height, width = source.shape
        crop = source[turn * 7 % (height // 4) :, turn * 11 % (width // 4) :]
        scale = side / min(crop.shape)
        picture = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        pictures.append(np.asarray(picture, np.uint8))
    return pictures


def remove(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
