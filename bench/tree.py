"""Peak memory of the whole process tree: the daemon, its zygote and its workers, while it colours scans.

    python bench/tree.py [--model compact|FILE] [--net-memory small] [--count 20] [--workers 2] [--out FILE]

Memory is the proportional set size (PSS) summed over the tree, so that pages which forked workers share count once,
read as often as the kernel gives it while the daemon works; its peak is what the machine has to have.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

from house import House, make_drop, photographs


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in file.read().split():
                    found += family(int(child))
    except OSError:
        pass
    return found


def proportional_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="compact", help="a name, or a file")
    parser.add_argument("--net-memory", default="auto", choices=("auto", "fast", "small"))
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--megapixels", type=float, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="bench-tree-")
    model = {"path": arguments.model, "trust": True} if os.path.exists(arguments.model) else arguments.model
    house = House(root, {}, {"workers": arguments.workers, "model": model, "net_memory": arguments.net_memory})
    peaks = {"converting": 0, "colouring": 0}
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and house.daemon is not None:
            stage = "colouring" if house.counts() else "converting"
            total = sum(map(proportional_bytes, family(house.daemon.pid)))
            peaks[stage] = max(peaks[stage], total)

    try:
        side = int((arguments.megapixels * 1e6 / 1.33) ** 0.5)
        for number, picture in enumerate(photographs(arguments.count, side=side)):
            make_drop(house.path("inbox", f"{number:03}.jpg"), picture)
        house.start()
        watcher = threading.Thread(target=watch)
        watcher.start()
        house.wait_done(arguments.count, 900)
        over.set()
        watcher.join()
        assert house.stop() == 0
    finally:
        shutil.rmtree(root, ignore_errors=True)
    name = os.path.basename(arguments.model)
    result = {"model": name, "net_memory": arguments.net_memory, "workers": arguments.workers, **peaks}
    print(f"{result}: {peaks['colouring'] / 1e6:.0f} MB while it colours, {peaks['converting'] / 1e6:.0f} MB before")
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
