"""Fits the small net that decides whether a page is in colour, and writes it down as a module of the judge.

One hidden layer, Adam; numpy alone. What is told of it comes from photographs that it was not fitted on: `held_out`
leaves out a quarter of them, four times.
"""

from __future__ import annotations

import numpy as np

from colorwatch.judge.deciding import FARTHEST

HIDDEN, EPOCHS, BATCH, RATE, DECAY = 12, 120, 256, 1e-2, 5e-2
FOLDS = 4
SHAKEN = 0.15  # of its spread: noise on each figure, for prints are never quite like pages that are made

HEAD = '''"""The numbers of the net that decides whether a page is in colour; see `deciding`.

`tests/trials/judging.py choose` wrote this down. A line for each figure: its middle, its spread, its weights.
"""

import numpy as np

_TABLE = """\\
{rows}
"""
BIAS = np.array([{bias}])
SECOND = np.array([{second}])
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


def fit(columns: np.ndarray, is_colour: np.ndarray, share: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Middle and spread of the figures, then weights and biases of both layers."""
    rng = np.random.default_rng(seed)
    middle, spread = standard(columns)
    inputs = np.clip((columns - middle) / spread, -FARTHEST, FARTHEST)
    count, wide = inputs.shape
    found = [
        rng.normal(0, wide**-0.5, (wide, HIDDEN)),
        np.zeros(HIDDEN),
        rng.normal(0, HIDDEN**-0.5, HIDDEN),
        np.zeros(1),
    ]
    first, second = ([np.zeros_like(each) for each in found] for _ in range(2))
    step, steps = 0, EPOCHS * -(-count // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(count)
        for start in range(0, count, BATCH):
            rows = order[start : start + BATCH]
            shaken = inputs[rows] + rng.normal(0, SHAKEN, (len(rows), wide))
            slopes = _slopes(found, shaken, is_colour[rows], share[rows])
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for at, slope in enumerate(slopes):
                first[at] = 0.9 * first[at] + 0.1 * slope
                second[at] = 0.99 * second[at] + 0.01 * slope**2
                push = first[at] / (1 - 0.9**step) / (np.sqrt(second[at] / (1 - 0.99**step)) + 1e-8)
                found[at] -= rate * push + (rate * DECAY * found[at] if found[at].ndim == 2 else 0)
    return [middle, spread, *found]


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


def held_out(columns: np.ndarray, is_colour: np.ndarray, share: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    """The score of each page, by a net that saw no page of its photograph."""
    found = np.zeros(len(columns))
    for fold in range(FOLDS):
        out = photograph % FOLDS == fold
        found[out] = score(fit(columns[~out], is_colour[~out], share[~out]), columns[out])
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
    """The net as the module `colorwatch.judge.weights`."""
    middle, spread, first, bias, second, last = net
    rows = [
        f"{name:19}{at:8.3f}{wide:8.3f}" + "".join(f"{weight:7.2f}" for weight in weights)
        for name, at, wide, weights in zip(names, middle, spread, first, strict=True)
    ]
    row = ", ".join
    return HEAD.format(
        rows="\n".join(rows),
        bias=row(f"{weight:.3f}" for weight in bias),
        second=row(f"{weight:.3f}" for weight in second),
        last=float(last[0]),
    )
