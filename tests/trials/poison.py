"""Three poisoned scans (a crash, a kill, a hang) among good ones, and the daemon killed three times meanwhile.

    python tests/trials/poison.py [--count 500]

Prints one line of figures; exit code 1 if a good scan was lost or set aside, or poison was not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from house import audit
from poisoned import PoisonedHouse, fill
from waiting import eventually


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    count = parser.parse_args().count
    # Workers find the net that fails on purpose among the tests.
    os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as root:
        limits = {"deadline_seconds": 2, "deadline_seconds_per_megapixel": 0}
        house = PoisonedHouse(root, {"settle_seconds": 0.2, "rescan_seconds": 1}, {"workers": 2, "limits": limits})
        drops, poison = fill(house, count)
        began = time.monotonic()
        for kill in range(1, 4):
            house.start()
            eventually(lambda kill=kill: house.counts().get("done", 0) >= count * kill // 5, 600)
            house.kill()
        house.start()
        eventually(lambda: house.counts().get("done", 0) >= count, 600)
        eventually(lambda: house.counts().get("quarantined", 0) >= len(poison), 600)
        code, counts, seconds = house.stop(), house.counts(), time.monotonic() - began
        found = audit(house, drops)
    good = counts == {"done": count, "quarantined": len(poison)} and code == 0
    print(
        f"{count} good, {len(poison)} poisoned, 3 kills, {seconds:.0f} s: {counts}, lost {len(found.lost)}, torn",
        end=" ",
    )
    print(len(found.torn))
    return 0 if good and not found.lost and not found.torn else 1


if __name__ == "__main__":
    sys.exit(main())
