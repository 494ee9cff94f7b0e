"""What pages are judged to be, against what they are: chosen on some photographs, tried on others.

    python tests/trials/judging.py choose FOLDER_OF_TARS [--photographs 2000]
    python tests/trials/judging.py try FOLDER_OF_PHOTOGRAPHS [--old FOLDER] [--pages 40]
    python tests/trials/judging.py split FOLDER_OF_TARS [--photographs 3000]

`choose` fits the net of `judge.deciding` and writes `judge/weights.py`; its bound is where MISSED of what is in colour
is taken for grey or toned, told by photographs that were left out of a fit. `try` prints the confusion matrix;
photographs in FOLDER are in colour, those of `--old` are not. `split` counts photographs of which margins, or several
prints, are found.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import cv2
import fitting
import judged
import numpy as np
import papers

from colorwatch.judge import Kind, deciding, judge, weights
from colorwatch.judge.prints import find

MISSED = 0.015  # more than of the rest is taken for coloured: a print that stays grey is the worse mistake
CALLED = (Kind.COLOUR, Kind.GREY, Kind.TONED, Kind.TEXT, Kind.LINE_ART, Kind.BLANK)


def variants(picture, rng, loose=False):
    """Truth, kind and picture of everything that is made of one photograph; see `judged.in_tones` for `loose`."""
    if judged.chroma_of(picture) >= judged.LEAST_CHROMA:
        yield from (("colour", *each) for each in judged.in_colour(picture, rng))
    yield from (("grey", *each) for each in judged.in_grey(picture, rng))
    yield from (("toned", *each) for each in judged.in_tones(picture, rng, loose))


def choose(options) -> None:
    rng, rows, seen, papers_seen = np.random.default_rng(21), [], [], []
    for number, (name, picture) in enumerate(judged.photographs(options.folder, options.photographs, seed=21)):
        for truth, kind, made in variants(judged.enlarged(picture, rng), rng, loose=True):
            found = judge(np.ascontiguousarray(made))
            papers_seen.append((found.figures["paper"], truth, kind, name, found.kind.value))
            if found.colours is not None:
                rows.append(deciding.figures_of(found.colours))
                seen.append((truth == "colour", f"{truth}: {kind.split(':')[0]}", number))
    names = list(found.colours.figures)
    is_colour, kinds, photograph = (np.array(each) for each in zip(*seen, strict=True))
    net = chosen_net(np.array(rows), is_colour, kinds, photograph)
    with open(weights.__file__, "w", encoding="utf-8") as file:
        file.write(fitting.written(net, names))
    papers_seen.sort(reverse=True)
    print("most paper in photographs:", *papers_seen[:8], sep="\n  ")


def chosen_net(columns, is_colour, kinds, photograph):
    """The net, its bound chosen on photographs that were held out; tells how well those were told apart."""
    share = fitting.shares(kinds, is_colour)
    scores = fitting.held_out(columns, is_colour, share, photograph)
    bound = fitting.bound_of(scores, is_colour, share, MISSED)
    for kind in sorted(set(kinds)):
        here = kinds == kind
        print(f"  {kind}: {((scores > bound) != is_colour)[here].mean():.2%} of {here.sum()} wrong")
    print("held out, in colour and not: {:.2%}, {:.2%} wrong".format(*fitting.wrongs(scores, is_colour, share, bound)))
    net = fitting.fit(columns, is_colour, share)
    net[-1] = net[-1] - bound
    return net


def try_(options) -> None:
    rng, counts, wrong = np.random.default_rng(41), defaultdict(Counter), []
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
    reader.add_argument("--photographs", type=int, default=2000)
    reader.add_argument("--pages", type=int, default=40)
    reader.add_argument("--old", default="")
    chosen = reader.parse_args()
    {"choose": choose, "try": try_, "split": split}[chosen.what](chosen)
