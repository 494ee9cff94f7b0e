"""Chooses the numbers of the judge's two nets on photographs whose kind is known; `judging.py choose` calls it.

First all pages are measured, and the first net is fitted. Then the embedded net is asked about each page that the first
leaves in doubt, told by a fit that saw no page of its photograph, and the second net is fitted on these. Each net is
the mean of several fits. Of the grey pages that are never mistaken one in five is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields

import cv2
import fitting
import judged
import numpy as np

from colorwatch.colour.lab import NET_SIDE, lightness
from colorwatch.colour.net import load
from colorwatch.judge import deciding, judge, weights, weights_asked
from colorwatch.judge.agreement import agreement
from colorwatch.judge.colours import measure
from colorwatch.protocol import WorkerSetup

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(TOP, "models", "compact.onnx")
SEED = 21
EASY, KEPT = ("grey, JPEG", "grey, coarse noise and JPEG", "grey, a cast of the scanner", "grey, stamp or pen"), 0.2
FIRST = fitting.How(hidden=24, epochs=40, shaken=0.15, fits=3)
ASKED = fitting.How(hidden=12, epochs=40, shaken=0.5, fits=3)
SURE = 30.0  # the score of a page that the first net is sure of, either way
_nets: dict[str, Callable] = {}


@dataclass(frozen=True)
class Pages:
    """Of each page its figures, whether it is in colour, its kind, the number of its photograph and its place there."""

    figures: np.ndarray
    is_colour: np.ndarray
    kinds: np.ndarray
    photograph: np.ndarray
    place: np.ndarray


def processes() -> ProcessPoolExecutor:
    """As many as there are processors, each with one thread."""
    return ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,))


def guess_of(picture: np.ndarray, model: str) -> np.ndarray:
    """ab that the net of that file gives an RGB page, seen as in use."""
    if model not in _nets:
        _nets[model] = load(WorkerSetup(0, model))
    light = lightness(np.ascontiguousarray(picture))
    how = cv2.INTER_AREA if min(light.shape) >= NET_SIDE else cv2.INTER_LINEAR
    return _nets[model](cv2.resize(light, (NET_SIDE, NET_SIDE), interpolation=how))


def _made(number: int, where: tuple[str, str]) -> Iterator[tuple[int, str, str, np.ndarray]]:
    """Place, truth, kind and picture of the pages of one photograph: always the same ones."""
    rng = np.random.default_rng([SEED, number])
    kept = np.random.default_rng([SEED, number, 1])
    picture = judged.enlarged(judged.read(*where), rng)
    for place, (truth, kind, made) in enumerate(judged.variants(picture, rng, loose=True)):
        if kind not in EASY or kept.random() < KEPT:
            yield place, truth, kind.split(":")[0], np.ascontiguousarray(made)


def _measured(job: tuple[int, tuple[str, str]]) -> list[tuple]:
    found = []
    for place, truth, kind, made in _made(*job):
        colours = judge(made).colours if place == 0 else measure(made)
        if colours is not None:
            found.append((deciding.figures_of(colours), truth == "colour", f"{truth}: {kind}", job[0], place))
    return found


def _asked(job: tuple[int, tuple[str, str], dict[int, float]]) -> list[tuple[int, int, np.ndarray]]:
    number, where, own = job
    found = []
    for place, _, _, made in _made(number, where):
        if place in own:
            colours = measure(made)
            agreed = agreement(colours, guess_of(made, MODEL))
            found.append((number, place, deciding.figures_asked(colours, own[place], agreed)))
    return found


def choose(folder: str, count: int, missed: float, kept: str) -> None:
    """Fit both nets and write them down; `missed` of what is in colour is then taken for grey or toned.

    Tells how well held-out pages are told apart. What was measured is kept in `kept`, if named, or taken from it.
    """
    photographs = judged.listed(folder, count, SEED)
    with processes() as pool:
        pages = _measured_or_kept(pool, photographs, kept)
        print(len(pages.kinds), "pages of", len(set(pages.photograph.tolist())), "photographs", flush=True)
        share = fitting.shares(pages.kinds, pages.is_colour)
        scores = fitting.held_out(pages.figures, pages.is_colour, share, pages.photograph, FIRST)
        bound = fitting.bound_of(scores, pages.is_colour, share, missed)
        scores -= bound
        _tell("by itself", scores, pages, share)
        doubt = np.flatnonzero((scores > deciding.DOUBT[0]) & (scores < deciding.DOUBT[1]))
        columns = _asked_of(pool, photographs, pages, scores, doubt)
    print(len(doubt), "in doubt", flush=True)
    first = _lowered(fitting.fit(pages.figures, pages.is_colour, share, FIRST), bound)
    inner = share[doubt] / share[doubt].mean()
    scores = np.where(scores > 0, SURE, -SURE)
    scores[doubt] = fitting.held_out(columns, pages.is_colour[doubt], inner, pages.photograph[doubt], ASKED)
    bound = fitting.bound_of(scores, pages.is_colour, share, missed)
    _tell("asked", scores - bound, pages, share)
    second = _lowered(fitting.fit(columns, pages.is_colour[doubt], inner, ASKED), bound)
    seen = measure(judged.read(*photographs[0]))
    names = list(seen.figures)
    _write(weights.__file__, first, names)
    _write(weights_asked.__file__, second, ["own", *agreement(seen, np.zeros((1, 1, 2), np.float32)), *names])


def _asked_of(
    pool: ProcessPoolExecutor, photographs: list[tuple[str, str]], pages: Pages, scores: np.ndarray, doubt: np.ndarray
) -> np.ndarray:
    """What the second net is given of each page in `doubt`."""
    own: dict[int, dict[int, float]] = {}
    for at in doubt:
        own.setdefault(int(pages.photograph[at]), {})[int(pages.place[at])] = float(scores[at])
    jobs = [(number, photographs[number], places) for number, places in own.items()]
    found = {(number, place): row for rows in pool.map(_asked, jobs, chunksize=8) for number, place, row in rows}
    return np.array([found[int(pages.photograph[at]), int(pages.place[at])] for at in doubt])


def _lowered(net: list[np.ndarray], bound: float) -> list[np.ndarray]:
    """The net whose bound is 0."""
    return [*net[:-1], net[-1] - bound]


def _measured_or_kept(pool: ProcessPoolExecutor, photographs: list[tuple[str, str]], kept: str) -> Pages:
    if kept and os.path.exists(kept):
        with np.load(kept) as file:
            return Pages(**{each.name: file[each.name] for each in fields(Pages)})
    rows = [row for rows in pool.map(_measured, enumerate(photographs), chunksize=8) for row in rows]
    pages = Pages(*(np.array(each) for each in zip(*rows, strict=True)))
    if kept:
        np.savez(kept, **{each.name: getattr(pages, each.name) for each in fields(Pages)})
    return pages


def _tell(how: str, scores: np.ndarray, pages: Pages, share: np.ndarray) -> None:
    print(f"held out, {how}:")
    for kind in sorted(set(pages.kinds)):
        here = pages.kinds == kind
        print(f"  {kind}: {((scores > 0) != pages.is_colour)[here].mean():.2%} of {here.sum()} wrong")
    wrong = fitting.wrongs(scores, pages.is_colour, share, 0)
    print("  in colour and not: {:.2%}, {:.2%} wrong".format(*wrong), flush=True)


def _write(path: str, net: list[np.ndarray], names: list[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(fitting.written(net, names))
