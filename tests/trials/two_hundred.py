"""200 real photographs into a running daemon, every way a file can arrive; with --kills, killed ten times meanwhile.

    python tests/trials/two_hundred.py [--count 200] [--kills 10] [--originals keep|archive] [--seed 0]

A third each JPEG, PNG and TIFF; a tenth enlarged to 12-35 megapixels; a quarter there before the start, the others
written at once, dripped, renamed in, linked in, and copied in with a folder. Prints one line of figures; exit code 1
if anything was lost, doubled, torn, quarantined or left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import cv2
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from house import Drop, House, Picture, audit, make_drop, photographs
from waiting import drip_write, eventually

EXTENSIONS = (".jpg", ".png", ".tif")
WAYS = ("before", "at-once", "dripped", "renamed", "linked", "with-a-folder")


def prepare(folder: str, count: int, rng: random.Random) -> dict[str, Drop]:
    """The scans, in a folder of their own; their paths are those that they will have in the inbox."""
    drops = {}
    for number, picture in enumerate(photographs(count)):
        if number % 10 == 5:
            picture = enlarge(picture, rng.uniform(12e6, 35e6), number)
        path = (
            f"{WAYS[number % len(WAYS)].replace(' ', '-')}/roll {number % 3}/scan-{number:03}{EXTENSIONS[number % 3]}"
        )
        os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
        drops[path] = make_drop(os.path.join(folder, path), picture)
    return drops


def enlarge(picture: Picture, pixels: float, seed: int) -> Picture:
    """The photograph as a large scan, with the grain that keeps a codec busy."""
    scale = (pixels / picture.size) ** 0.5
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(seed).normal(0, 3, (512, 512)).astype(np.int16)
    rows, columns = large.shape
    tiled = np.tile(grain, (rows // 512 + 1, columns // 512 + 1))[:rows, :columns]
    return np.clip(large.astype(np.int16) + tiled, 0, 255).astype(np.uint8)


def deliver(way: str, source: str, target: str) -> None:
    """One scan into the inbox, in the way that its path names."""
    if way == "dripped":
        with open(source, "rb") as file:
            content = file.read()
        step = max(1, len(content) // 6)
        chunks = [content[start : start + step] for start in range(0, len(content), step)]
        drip_write(target, chunks, 0.1, reopen=len(content) % 2 == 0)
    elif way == "renamed":
        shutil.copyfile(source, target + ".part")
        os.rename(target + ".part", target)
    elif way == "linked":
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def deliver_all(house: House, source: str, drops: dict[str, Drop]) -> None:
    """All that are not there before: two writers at a time, and a whole folder moved in at the end."""

    def run(ways: tuple[str, ...]) -> None:
        for path in drops:
            way = path.split("/")[0]
            if way in ways:
                target = house.path("inbox", path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                deliver(way, os.path.join(source, path), target)

    writers = [threading.Thread(target=run, args=(ways,)) for ways in (("dripped", "linked"), ("at-once", "renamed"))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    shutil.copytree(os.path.join(source, "with-a-folder"), house.path("aside"))
    os.rename(house.path("aside"), house.path("inbox", "with-a-folder"))


def trial(root: str, count: int, kills: int, originals: str, seed: int) -> bool:
    rng = random.Random(seed)
    source = os.path.join(root, "source")
    drops = prepare(source, count, rng)
    settings: dict[str, object] = {"originals": originals}
    if originals == "archive":
        settings["archive"] = "./archive"
    house = House(os.path.join(root, "house"), settings)
    shutil.copytree(os.path.join(source, "before"), house.path("inbox", "before"))
    start = time.monotonic()
    house.start()
    delivery = threading.Thread(target=deliver_all, args=(house, source, drops))
    delivery.start()
    for number in range(kills):
        # Spread over the work: the next kill comes at a random moment before the next share of scans is done.
        share = count * (number + 0.2 + 0.6 * rng.random()) / (kills + 1)
        eventually(lambda share=share: house.counts().get("done", 0) >= share, 600, f"{share:.0f} done")
        time.sleep(rng.random() * 0.3)
        house.kill()
        house.start()
    delivery.join()
    house.wait_done(count, 900)
    seconds = time.monotonic() - start
    code = house.stop()
    found = audit(house, drops)
    print(
        f"{count} scans, originals {originals}, {kills} kills, seed {seed}: {found}; {seconds:.0f} s, exit code {code},"
        f" worker deaths {sum(line['event'] == 'worker.died' for line in house.log())}"
    )
    return found.clean and code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--originals", choices=("keep", "archive"), default="keep")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", help="work here, and keep what is left")
    arguments = parser.parse_args()
    root = arguments.root or tempfile.mkdtemp(prefix="two-hundred-")
    try:
        clean = trial(root, arguments.count, arguments.kills, arguments.originals, arguments.seed)
    finally:
        if not arguments.root:
            shutil.rmtree(root, ignore_errors=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
