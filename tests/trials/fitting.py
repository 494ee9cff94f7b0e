"""Fits a small net that decides whether a page is in colour, and writes it down as a module of the judge.

One hidden layer, Adam; numpy alone. What is told of it comes from photographs that it was not fitted on: `held_out`
leaves out a quarter of them, four times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colorwatch.judge.deciding import FARTHEST

BATCH, RATE, DECAY = 256, 1e-2, 5e-2
FOLDS = 4


@dataclass(frozen=True)
class How:
    """Neurons of a fit; turns over all pages; noise on each figure, in shares of its spread, for prints are never quite
    like pages that are made; and how many fits the net is the mean of."""

    hidden: int
    epochs: int
    shaken: float
    fits: int


HEAD = '''"""The numbers of a net that decides whether a page is in colour; see `deciding`.

`tests/trials/judging.py choose` wrote this down. A line for each figure: its middle, its spread, its weights.
"""

import numpy as np

_TABLE = """\\
{rows}
"""
BIAS = np.array([{bias}])  # fmt: skip
SECOND = np.array([{second}])  # fmt: skip
LAST = {last:.3f}

NAMES = tuple(line[:19].strip() for line in _TABLE.splitlines())
_NUMBERS = np.array([line[19:].split() for line in _TABLE.splitlines()], float)
MIDDLE, SPREAD, FIRST = _NUMBERS[:, 0], _NUMBERS[:, 1], _NUMBERS[:, 2:]
'''


def standard(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle and the spread of each figure, heedless of outliers."""
    low, middle, high = np.quantile(columns, (0.05, 0.5, 0.95), axis=0)
    return middle, np.maximum((high - low) / 3.3, 1e-3)


def shares(kinds: np.ndarray, is_colour: np.ndarray) -> np.ndarray:
    """The weight of each page: all kinds of a class weigh the same, and so do both classes."""
    found = np.zeros(len(kinds))
    for truth in (True, False):
        names = sorted(set(kinds[is_colour == truth]))
        for name in names:
            here = (kinds == name) & (is_colour == truth)
            found[here] = 0.5 / len(names) / here.sum()
    return found * len(kinds)


def fit(columns: np.ndarray, is_colour: np.ndarray, share: np.ndarray, how: How) -> list[np.ndarray]:
    """Middle and spread of the figures, then weights and biases of both layers."""
    middle, spread = standard(columns)
    inputs = np.clip((columns - middle) / spread, -FARTHEST, FARTHEST)
    first, bias, second, last = zip(
        *(_fitted(inputs, is_colour, share, how, seed) for seed in range(how.fits)), strict=True
    )
    mean = np.concatenate(second) / how.fits, np.mean(last, axis=0)
    return [middle, spread, np.concatenate(first, axis=1), np.concatenate(bias), *mean]


def _fitted(inputs: np.ndarray, is_colour: np.ndarray, share: np.ndarray, how: How, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    count, wide = inputs.shape
    found = [
        rng.normal(0, wide**-0.5, (wide, how.hidden)),
        np.zeros(how.hidden),
        rng.normal(0, how.hidden**-0.5, how.hidden),
        np.zeros(1),
    ]
    first, second = ([np.zeros_like(each) for each in found] for _ in range(2))
    step, steps = 0, how.epochs * -(-count // BATCH)
    for _ in range(how.epochs):
        order = rng.permutation(count)
        for start in range(0, count, BATCH):
            rows = order[start : start + BATCH]
            shaken = inputs[rows] + rng.normal(0, how.shaken, (len(rows), wide))
            slopes = _slopes(found, shaken, is_colour[rows], share[rows])
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for at, slope in enumerate(slopes):
                first[at] = 0.9 * first[at] + 0.1 * slope
                second[at] = 0.99 * second[at] + 0.01 * slope**2
                push = first[at] / (1 - 0.9**step) / (np.sqrt(second[at] / (1 - 0.99**step)) + 1e-8)
                found[at] -= rate * push + (rate * DECAY * found[at] if found[at].ndim == 2 else 0)
    return found


def _slopes(found: list[np.ndarray], inputs: np.ndarray, is_colour: np.ndarray, share: np.ndarray) -> list[np.ndarray]:
    first, bias, second, last = found
    hidden = np.tanh(inputs @ first + bias)
    chance = 1 / (1 + np.exp(-np.clip(hidden @ second + last[0], -30, 30)))
    off = share * (chance - is_colour) / len(inputs)
    back = off[:, None] * second * (1 - hidden**2)
    return [inputs.T @ back, back.sum(axis=0), hidden.T @ off, off.sum(keepdims=True)]


def score(net: list[np.ndarray], columns: np.ndarray) -> np.ndarray:
    middle, spread, first, bias, second, last = net
    return np.tanh(np.clip((columns - middle) / spread, -FARTHEST, FARTHEST) @ first + bias) @ second + last[0]


def held_out(
    columns: np.ndarray, is_colour: np.ndarray, share: np.ndarray, photograph: np.ndarray, how: How
) -> np.ndarray:
    """The score of each page, by a net that saw no page of its photograph."""
    found = np.zeros(len(columns))
    for fold in range(FOLDS):
        out = photograph % FOLDS == fold
        found[out] = score(fit(columns[~out], is_colour[~out], share[~out], how), columns[out])
    return found


def wrongs(scores: np.ndarray, is_colour: np.ndarray, share: np.ndarray, bound: float) -> tuple[float, float]:
    """Shares of what is in colour, and of what is not, that lie on the wrong side of `bound`."""
    wrong = (scores > bound) != is_colour
    return tuple(float((share * wrong)[is_colour == truth].sum() / share[is_colour == truth].sum()) for truth in (1, 0))


def bound_of(scores: np.ndarray, is_colour: np.ndarray, share: np.ndarray, missed: float) -> float:
    """The bound under which that share lies of what is in colour."""
    low, high = float(scores.min()), float(scores.max())
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if wrongs(scores, is_colour, share, middle)[0] < missed else (low, middle)
    return (low + high) / 2


def written(net: list[np.ndarray], names: list[str]) -> str:
    """The net as a module of the judge."""
    middle, spread, first, bias, second, last = net
    rows = [
        f"{name:19}{at:8.3f}{wide:8.3f}" + "".join(f"{weight:7.2f}" for weight in weights)
        for name, at, wide, weights in zip(names, middle, spread, first, strict=True)
    ]
    return HEAD.format(rows="\n".join(rows), bias=_row(bias), second=_row(second), last=float(last[0]))


def _row(weights: np.ndarray) -> str:
    return ", ".join(f"{weight:.3f}" for weight in weights)
