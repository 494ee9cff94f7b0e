"""The first two layers in both rewritten graphs: two matrix products over windows of the input.

The first layer has one input channel, and the second halves the picture: neither gains from Winograd's scheme.
"""

from __future__ import annotations

import numpy as np

from colorwatch.published.drawing import Drawing
from colorwatch.published.layers import Conv, Floats64, Weights

WINDOW = 5  # inputs across that one output of the first two layers sees
PARTS = 8  # of the places, worked off in turn: what lies between the two layers then stays in the cache
OUTSIDE = -1e9  # a bias that makes the ReLU zero, as padding is


def first_stage(drawing: Drawing, weights: Weights, first: Conv, second: Conv) -> str:
    """The two layers before everything is halved for the first time: (places, channels).

    For each place that the second layer makes, the first makes all nine that the second takes, from a window of five by
    five: twice the work on one channel, but one product, and the input of the next one.
    """
    side = weights.table.size // 2
    kernel, bias, _ = weights.folded(first)
    by = np.zeros((3, 3, WINDOW * WINDOW + 3, first.outputs))
    for row, column in np.ndindex(3, 3):
        window = np.zeros((WINDOW, WINDOW, first.outputs))
        window[row : row + 3, column : column + 3] = kernel[:, 0].transpose(1, 2, 0)
        edges = [np.full(first.outputs, OUTSIDE * edge) for edge in (row == 0, column == 0)]
        by[row, column] = np.vstack([window.reshape(-1, first.outputs), *edges, bias])
    nine = drawing.constant(by.transpose(2, 0, 1, 3).reshape(len(by[0, 0]), -1), first.name + ".weight")
    kernel, bias, shift = weights.folded(second)
    weight = drawing.constant(kernel.transpose(2, 3, 1, 0).reshape(-1, second.outputs), second.name + ".weight")
    biased = drawing.constant(bias if shift is None else bias + shift, second.name + ".bias")
    made = []
    for number, part in enumerate(drawing.split(_fives(drawing, side), "windows.part", PARTS, axis=1)):
        x = drawing.node("Gemm", [part, nine], f"{first.name}.made{number}", transA=1)
        # As one plane: OpenCV 4 rectifies plane by plane, and takes 3.7 ms for a hundred thousand of a single number.
        x = drawing.relu(drawing.reshape(x, f"{first.name}.plane{number}", [1, 1, side * side // PARTS, -1]))
        x = drawing.reshape(x, f"{first.name}.flat{number}", [side * side // PARTS, -1])
        made.append(drawing.node("Gemm", [x, weight, biased], f"{second.name}.made{number}"))
    return rectified(drawing, drawing.node("Concat", made, second.name, axis=0), shift)


def rectified(drawing: Drawing, x: str, shift: Floats64 | None) -> str:
    """ReLU, and what the batch norm adds after it, of `x` that has this added already: relu(x) + s is max(x + s, s)."""
    if shift is None:
        return drawing.relu(x)
    return drawing.node("Max", [x, drawing.constant(shift, x + ".shift")], x + ".rectified")


def _fives(drawing: Drawing, side: int) -> str:
    """(25 + 3, side * side): five by five of the input around each second place, then 1 at the upper and the left edge.

    Then 1 everywhere, for the bias.
    """
    x = drawing.reshape(Drawing.INPUT, "lightness", [side, 2, side, 2])
    x = drawing.transpose(x, "windows.phases", [1, 3, 0, 2])
    margins = drawing.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "windows.margins")
    x = drawing.node("Pad", [x, margins], "windows.padded")
    seen = []
    for row, column in np.ndindex(WINDOW, WINDOW):
        starts = [row % 2, column % 2, row // 2, column // 2]
        ends = [start + length for start, length in zip(starts, (1, 1, side, side), strict=True)]
        seen.append(drawing.window(x, f"windows.{row}.{column}", starts, ends))
    x = drawing.node("Concat", seen, "windows.together", axis=0)
    x = drawing.reshape(x, "windows.flat", [WINDOW * WINDOW, side * side])
    edges = np.ones((3, side, side))
    edges[0, 1:] = edges[1, :, 1:] = 0
    return drawing.node("Concat", [x, drawing.constant(edges.reshape(3, -1), "windows.edges")], "windows", axis=0)
