"""What pages are judged to be, against what they are: chosen on some photographs, tried on others.

    python tests/trials/judging.py choose FOLDER_OF_TARS [--photographs 5000] [--kept FILE]
    python tests/trials/judging.py try FOLDER_OF_PHOTOGRAPHS [--old FOLDER] [--pages 40]
    python tests/trials/judging.py split FOLDER_OF_TARS [--photographs 3000]

`choose` fits the nets of `judge.deciding` and writes `judge/weights.py` and `judge/weights_asked.py`; their bounds are
where MISSED of what is in colour is taken for grey or toned, told by photographs that were left out of a fit. `try`
prints the confusion matrix; photographs in FOLDER are in colour, those of `--old` are not. `split` counts photographs
of which margins, or several prints, are found.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of each process
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import choosing
import cv2
import judged
import numpy as np
import papers

from colorwatch.judge import Kind, judge
from colorwatch.judge.prints import find

MISSED = 0.009
SEED = 43  # of what is made for `try`
CALLED = (Kind.COLOUR, Kind.GREY, Kind.TONED, Kind.TEXT, Kind.LINE_ART, Kind.BLANK)


def choose(options) -> None:
    choosing.choose(options.folder, options.photographs, MISSED, options.kept)


def _judged(job):
    """Of each page made of a photograph its truth, kind and what it is taken for."""
    number, where, model = job
    rng, found = np.random.default_rng([SEED, number]), []
    for truth, kind, made in judged.variants(judged.read(*where), rng):
        found.append((truth, kind, _kind(made, model)))
    return where[1], found


def _judged_old(job):
    _, where, model = job
    return where[1], [("grey", "old prints, grey or toned", _kind(judged.read(*where), model))]


def _kind(picture, model):
    picture = np.ascontiguousarray(picture)
    return judge(picture, lambda: choosing.guess_of(picture, model)).kind


def try_(options) -> None:
    counts, wrong = defaultdict(Counter), []
    with choosing.processes() as pool:
        for judged_one, folder in ((_judged, options.folder), (_judged_old, options.old)):
            places = judged.listed(folder) if folder else []
            jobs = [(number, where, options.model) for number, where in enumerate(places)]
            for name, found in pool.map(judged_one, jobs, chunksize=4):
                for truth, kind, called in found:
                    counts[truth, kind.split(":")[0]][called] += 1
                    if (called is Kind.COLOUR) != (truth == "colour") or called not in CALLED[:3]:
                        wrong.append((truth, kind, os.path.basename(name), called.value))
    for _, kind, made in papers.pages(options.pages, 47):
        found = judge(np.ascontiguousarray(made)).kind
        counts["page", kind][found] += 1
    _print(counts)
    for each in wrong:
        print("wrong:", *each, file=sys.stderr)


def _print(counts) -> None:
    print("| what it is | pages |", " | ".join(kind.value for kind in CALLED), "|")
    print("|---|--:|" + "--:|" * len(CALLED))
    for (truth, kind), found in counts.items():
        cells = [str(found[call] or "") for call in CALLED]
        print(f"| {truth}: {kind} | {found.total()} |", " | ".join(cells), "|")
    for truth, good in (
        ("colour", {Kind.COLOUR}),
        ("grey", {Kind.GREY, Kind.TONED}),
        ("toned", {Kind.GREY, Kind.TONED}),
    ):
        whole = sum((found for (was, _), found in counts.items() if was == truth), Counter())
        bad = sum(count for call, count in whole.items() if call not in good)
        print(f"\n{truth}: {bad} of {whole.total()} wrong, {bad / max(1, whole.total()):.2%}")
    recoloured = sum(found[Kind.GREY] + found[Kind.TONED] for (was, _), found in counts.items() if was == "colour")
    print(f"\nphotographs in colour that are recoloured: {recoloured}")
    pages = sum((found for (was, _), found in counts.items() if was == "page"), Counter())
    coloured = pages[Kind.GREY] + pages[Kind.TONED]
    print(f"\npages that are coloured: {coloured} of {pages.total()}, {coloured / max(1, pages.total()):.2%}")


def split(options) -> None:
    found, seen = Counter(), []
    for name, picture in judged.photographs(options.folder, options.photographs, seed=3):
        prints = find(np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)))
        found[len(prints)] += 1
        seen += [(name, len(prints))] if len(prints) > 1 else []
    print(dict(found), *seen)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("what", choices=("choose", "try", "split"))
    reader.add_argument("folder")
    reader.add_argument("--photographs", type=int, default=5000)
    reader.add_argument("--kept", default="", metavar="FILE", help="where `choose` keeps what it measured")
    reader.add_argument("--model", default=choosing.MODEL, help="the net that `try` asks")
    reader.add_argument("--pages", type=int, default=40)
    reader.add_argument("--old", default="")
    chosen = reader.parse_args()
    {"choose": choose, "try": try_, "split": split}[chosen.what](chosen)
