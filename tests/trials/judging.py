"""What pages are judged to be, against what they are: thresholds chosen on some photographs, tried on others.

    python tests/trials/judging.py choose FOLDER_OF_TARS [--photographs 500]
    python tests/trials/judging.py try FOLDER_OF_PHOTOGRAPHS [--old FOLDER] [--pages 40]
    python tests/trials/judging.py split FOLDER_OF_TARS [--photographs 3000]

`choose` prints the weights and the bias of `judge.index` that leave a hundredth of the grey and toned photographs grey,
and what else the thresholds hang on. `try` prints the confusion matrix; photographs in FOLDER are in colour, those of
`--old` are not. `split` counts photographs of which margins, or several prints, are found.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter, defaultdict

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import cv2
import judged
import numpy as np
import papers

from colorwatch.judge import Kind, judge
from colorwatch.judge.prints import find

LEFT_GREY = 0.01  # of photographs that are not in colour
FIGURES = ("chroma", "tone", "own", "typical", "detail", "field")
CALLED = (Kind.COLOUR, Kind.GREY, Kind.TONED, Kind.TEXT, Kind.LINE_ART, Kind.BLANK)


def variants(picture, rng):
    """Truth, kind and picture of everything that is made of one photograph."""
    if judged.chroma_of(picture) >= judged.LEAST_CHROMA:
        yield from (("colour", *each) for each in judged.in_colour(picture, rng))
    yield from (("grey", *each) for each in judged.in_grey(picture, rng))
    yield from (("toned", *each) for each in judged.in_tones(picture, rng))


def choose(options) -> None:
    rng, rows, truths, names, papers_seen = np.random.default_rng(7), [], [], [], []
    for name, picture in judged.photographs(options.folder, options.photographs):
        for truth, kind, made in variants(picture, rng):
            found = judge(np.ascontiguousarray(made))
            papers_seen.append((found.figures["paper"], truth, kind, name, found.kind.value))
            if found.colours is not None:
                rows.append([math.log(getattr(found.colours, figure) + 0.3) for figure in FIGURES])
                truths.append(truth == "colour")
                names.append(f"{truth}, {kind.split(':')[0]}")
    columns, is_colour, kinds = np.array(rows), np.array(truths), np.array(names)
    weights = _fit(np.column_stack((np.ones(len(columns)), columns)), is_colour)
    score = columns @ weights[1:]
    # Greys without any colour were never measured, and count as told apart.
    others = sum(1 for seen in papers_seen if seen[1] != "colour")
    allowed = int(LEFT_GREY * others)
    bias = -np.sort(score[~is_colour])[-allowed - 1]
    print("WEIGHTS =", tuple(round(float(weight), 2) for weight in weights[1:]), "BIAS =", round(float(bias), 2))
    print(f"recoloured: {(score + bias <= 0)[is_colour].mean():.2%} of all that is in colour")
    for kind in dict.fromkeys(kinds):
        wrong = (score + bias > 0)[kinds == kind] != kind.startswith("colour")
        print(f"  {kind}: {wrong.mean():.2%} of {len(wrong)} wrong")
    papers_seen.sort(reverse=True)
    print("most paper in photographs:", *papers_seen[:8], sep="\n  ")


def _fit(columns, is_colour, ridge=1e-3):
    """Logistic regression, both classes of the same weight."""
    found = np.zeros(columns.shape[1])
    share = np.where(is_colour, 0.5 / is_colour.sum(), 0.5 / (~is_colour).sum())
    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
        slope = columns.T @ (share * (chance - is_colour)) + ridge * found
        curvature = (columns * (share * chance * (1 - chance))[:, None]).T @ columns + ridge * np.eye(len(found))
        found -= np.linalg.solve(curvature, slope)
    return found


def try_(options) -> None:
    rng, counts, wrong = np.random.default_rng(11), defaultdict(Counter), []
    for name, picture in judged.photographs(options.folder):
        for truth, kind, made in variants(picture, rng):
            found = judge(np.ascontiguousarray(made)).kind
            counts[truth, kind.split(":")[0]][found] += 1
            if (found is Kind.COLOUR) != (truth == "colour") or found not in CALLED[:3]:
                wrong.append((truth, kind, name, found.value))
    if options.old:
        for name, picture in judged.photographs(options.old):
            found = judge(np.ascontiguousarray(picture)).kind
            counts["grey", "old prints, grey or toned"][found] += 1
            if found not in (Kind.GREY, Kind.TONED):
                wrong.append(("old", "", name, found.value))
    for _, kind, made in papers.pages(options.pages, 17):
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
    reader.add_argument("--photographs", type=int, default=500)
    reader.add_argument("--pages", type=int, default=40)
    reader.add_argument("--old", default="")
    chosen = reader.parse_args()
    {"choose": choose, "try": try_, "split": split}[chosen.what](chosen)
