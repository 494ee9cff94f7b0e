"""Whether a training repeats another: python -m training.compare LOG LOG [--steps 200] [--within 0.01]

Each LOG is the log.jsonl of a training, or the one kept in models/. Prints how far the losses of the first steps lie
apart, as shares; ends with 1 where one is further off than --within, or missing.
"""

from __future__ import annotations

import argparse
import json
import sys


def losses(path: str, steps: int) -> dict[int, float]:
    """The loss of each of the first `steps` steps; of one that was taken twice, the last time."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            if "loss" in line and line["step"] <= steps:
                found[int(line["step"])] = float(line["loss"])
    return found


def apart(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
    """By step, how far two losses lie apart, as a share of the first one's."""
    return {step: abs(other[step] / loss - 1) for step, loss in one.items() if step in other}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs=2, metavar="LOG")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--within", type=float, default=0.01)
    told = parser.parse_args()
    first, second = (losses(path, told.steps) for path in told.logs)
    found = apart(first, second)
    if len(found) < told.steps:
        sys.exit(f"compare: only {len(found)} of {told.steps} steps are in both logs")
    worst = max(found, key=lambda step: found[step])
    same = sum(share == 0 for share in found.values())
    print(f"{len(found)} steps, {same} the same to the last digit; farthest apart is step {worst}: {found[worst]:.3%}")
    sys.exit(found[worst] > told.within)


if __name__ == "__main__":
    main()
