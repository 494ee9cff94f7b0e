"""Convolutions along one axis with few multiplications: the Toom-Cook (Winograd) scheme as three small matrices.

An axis of a convolution is y = A ((G g) * (T d)): d the input line, g the taps, y the output line, `*` element by
element. `Scheme` holds T for the whole line at once, so that zero padding and dilation are nothing but rows and
columns of it, and A for one tile, as all tiles come back alike. A convolution in two dimensions uses one scheme along
the rows and one along the columns; the products then are one matrix product for each pair of points.

Source of the matrices: S. Winograd, "Arithmetic Complexity of Computations" (1980); the transposition of Toom-Cook as
in A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), arXiv:1509.09308. All in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# In the order in which they are taken: small numbers with small powers keep float32 exact to rounding.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


@dataclass(frozen=True)
class Scheme:
    """One axis: `points` products for each of `tiles` tiles; rows of `into` are (point, tile).

    into: (points * tiles, length of the input line). taps: (points, number of taps). length: of the output line.

    back: (outputs of a tile, points of a set). The points are (set, point of the set), and each of the `sets` makes
    outputs of its own by the same `back`; the tiles are (phase of the dilation, tile). Output `i` of tile `t` lies at
    `(t * outputs of a tile + i) * phases + phase`, the phase being that of the dilation or the number of the set. What
    lies beyond `length` is no output.
    """

    points: int
    tiles: int
    into: Matrix
    taps: Matrix
    back: Matrix
    length: int
    sets: int = 1
    dilation: int = 1


@dataclass(frozen=True)
class Blocks:
    """A scheme cut into blocks of neighbouring tiles, each with a window of the input line of its own.

    starts: where the windows begin; all have the length `window`. into: (blocks, points * tiles of a block, window).
    """

    starts: tuple[int, ...]
    window: int
    into: Matrix


def toom_cook(outputs: int, taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """A (outputs, n), G (n, taps) and T (n, n) with n = outputs + taps - 1, for y[i] = sum of g[k] d[i + k]."""
    n = outputs + taps - 1
    finite = np.array(POINTS[: n - 1])
    if len(finite) < n - 1:
        raise ValueError(f"no {n} points for {outputs} outputs and {taps} taps")

    def powers(width: int) -> Matrix:
        last = np.zeros(width)
        last[-1] = 1.0  # the point at infinity
        return np.vstack([finite[:, None] ** np.arange(width), last])

    return powers(outputs).T, powers(taps), np.asarray(np.linalg.inv(powers(n)).T, np.float64)


@dataclass(frozen=True)
class _Run:
    """Outputs `start`, `start + step`, ... of a line, and the taps that make them.

    Output number i of the run is the sum over k of taps[k] times input `origin + (i + k) * stride`.
    """

    start: int
    step: int
    taps: tuple[int, ...]
    origin: int
    stride: int


def _scheme(length: int, out_length: int, taps: int, tile: int, groups: Sequence[Sequence[_Run]]) -> Scheme:
    """The scheme in which each of `groups` is a set of points; the runs of one group lie side by side as tiles.

    All groups have the same number of taps and of tiles.
    """
    into: list[Matrix] = []
    evaluations: list[Matrix] = []
    tiles = sum(-(-_count(run, out_length) // tile) for run in groups[0])
    for group in groups:
        a, g, t = toom_cook(tile, len(group[0].taps))
        points = len(g)
        spread = np.zeros((points, taps))
        spread[:, list(group[0].taps)] = g
        evaluations.append(spread)
        first = np.zeros((points, tiles, length))
        number = 0
        for run in group:
            for begin in range(0, _count(run, out_length), tile):
                for k in range(points):
                    place = run.origin + (begin + k) * run.stride
                    if 0 <= place < length:
                        first[:, number, place] = t[:, k]
                number += 1
        into.append(first.reshape(-1, length))
    whole = np.vstack(evaluations)
    return Scheme(len(whole), tiles, np.vstack(into), whole, a, out_length, len(groups))


def _count(run: _Run, out_length: int) -> int:
    return -(-(out_length - run.start) // run.step)


def same(length: int, tile: int, dilation: int = 1) -> Scheme:
    """Three taps, stride 1, padded to the same length; with a dilation each phase of the line has tiles of its own."""
    runs = [_Run(phase, dilation, (0, 1, 2), phase - dilation, dilation) for phase in range(dilation)]
    return replace(_scheme(length, length, 3, tile, [runs]), dilation=dilation)


def double(length: int, tile: int) -> Scheme:
    """A deconvolution with four taps, stride 2, padding 1: output o takes input i by tap o + 1 - 2 i."""
    even, odd = _Run(0, 2, (3, 1), -1, 1), _Run(1, 2, (2, 0), 0, 1)
    return _scheme(length, 2 * length, 4, tile, [[even], [odd]])


def blocks(scheme: Scheme, tiles: int) -> Blocks:
    """`scheme` in blocks of `tiles` tiles; in one block where they do not fill it without rest."""
    full = scheme.tiles * len(scheme.back) * scheme.sets == scheme.length
    count = scheme.tiles // tiles if scheme.tiles % tiles == 0 and full else 1
    tiles = scheme.tiles // count
    length = scheme.into.shape[1]
    into = scheme.into.reshape(scheme.points, count, tiles, length).swapaxes(0, 1).reshape(count, -1, length)
    used = np.abs(into).max(1) > 0
    first, last = used.argmax(1), length - np.flip(used, 1).argmax(1)
    window = int((last - first).max())
    starts = np.minimum(first, length - window)
    cut = np.stack([block[:, start : start + window] for block, start in zip(into, starts, strict=True)])
    return Blocks(tuple(starts.tolist()), window, cut)


def kernels(rows: Scheme, columns: Scheme, kernel: Matrix) -> Matrix:
    """The kernel (outputs, inputs, taps, taps) at each pair of points: (column points, row points, inputs, outputs)."""
    half = np.tensordot(kernel, columns.taps, (3, 1))
    return np.tensordot(half, rows.taps, (2, 1)).transpose(2, 3, 1, 0)
