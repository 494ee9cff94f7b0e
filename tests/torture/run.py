"""The torture bench: `make torture`, or one part of it.

    python tests/torture/run.py [SECTION ...] [--help]

Sections: points, random, workers, ends, calls, full, away, queue, race, poison, ledger; and soak, by its name alone.
Each prints a row a run and writes tests/torture/results/SECTION.json. Exit code 1 if anything was lost, doubled, torn,
left behind, put into quarantine without cause, or left unfinished. On a machine that has much other work to do,
COLORWATCH_PATIENCE=5 lets it wait five times as long for everything.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from torture import crowds, disks, kills, mounts, soak
from torture.rows import RESULTS, Table

Section = Callable[[Table, str, argparse.Namespace], None]

SECTIONS: dict[str, Section] = {
    "points": lambda table, root, how: kills.at_points(table, root, how.files, how.points, how.victim),
    "random": lambda table, root, how: kills.at_random(table, root, how.kills, how.seed),
    "workers": lambda table, root, how: kills.workers(table, root, how.seconds, how.seed),
    "ends": lambda table, root, how: kills.gentle_ends(table, root, min(how.files, 20), how.points),
    "calls": lambda table, root, how: disks.calls(table, root, how.codes),
    "full": lambda table, root, how: disks.full(table, root, min(how.files, 100)),
    "away": lambda table, root, how: disks.away(table, root, min(how.files, 60), 3.0 if how.files > 60 else 1.5),
    "queue": lambda table, root, how: crowds.queue(table, root, how.queued),
    "race": lambda table, root, how: crowds.race(table, root, seed=how.seed),
    "poison": lambda table, root, how: crowds.poison(table, root),
    "ledger": lambda table, root, how: crowds.ledgers(table, root),
    "soak": lambda table, root, how: soak.soak(table, root, how.minutes, how.seed, how.results, real_net=how.real_net),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--files", type=int, default=200, help="scans for each fault point, and at most for each disk")
    parser.add_argument("--points", type=lambda text: text.split(","), help="these fault points alone")
    parser.add_argument("--victim", choices=("kill", "killleader", "killgroup"))
    parser.add_argument("--kills", type=int, default=1000, help="kills at random")
    parser.add_argument("--seconds", type=float, default=600, help="for how long workers are killed")
    parser.add_argument(
        "--codes", type=lambda text: text.split(","), default=disks.CODES, help="errnos of failing calls"
    )
    parser.add_argument("--queued", type=int, default=3000, help="scans in the long queue")
    parser.add_argument("--minutes", type=float, default=120, help="how long the soak takes")
    parser.add_argument("--real-net", action="store_true", help="soak with the net that is shipped")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", help="work here, and keep what is left")
    parser.add_argument("--results", default=RESULTS, help="where the figures go")
    how = parser.parse_args()
    unknown = set(how.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    mounts.enter(sys.argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no daemon stays behind
    clean = True
    for name in how.sections or [name for name in SECTIONS if name != "soak"]:
        if how.root:
            os.makedirs(how.root, exist_ok=True)
        root = tempfile.mkdtemp(prefix=f"torture-{name}-", dir=how.root)
        table = Table(how.results)
        try:
            SECTIONS[name](table, root, how)
        finally:
            table.write(name)
            if not how.root:
                shutil.rmtree(root, ignore_errors=True)
        clean = clean and table.clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
