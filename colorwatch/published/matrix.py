"""The graph for OpenCV 5: nearly everything as matrix products, which its new engine runs near the machine's peak.

OpenCV 5's new engine has no Winograd convolutions (and the classic engine, which has them, is on its way out), but its
matrix products are several times faster than its convolutions and than those of OpenCV 4. So the Winograd scheme is
written out: transform along the columns, then the rows, one matrix product for each pair of points, and back.
`winograd.Scheme` makes zero padding, stride 2, dilation 2 and the deconvolution all the same six steps.

A picture is (rows, columns, channels), so that transforms and shuffles move whole runs of channels. Transforms are
products with a constant matrix too; as these grow with the square of the line, long lines are cut into blocks. Large
pictures are worked off in stripes of lines, so that what lies between the steps of one stripe stays in the cache.

The first stage has too few channels for transforms. It is two plain products, over the windows of the input.
"""

from __future__ import annotations

import numpy as np

from colorwatch.published import winograd
from colorwatch.published.decoding import decode
from colorwatch.published.drawing import Drawing
from colorwatch.published.layers import Conv, Floats64, Weights
from colorwatch.published.winograd import Scheme

WINDOW = 5  # inputs across that one output of the first two layers sees
PARTS = 8  # of the first stage's places, worked off in turn: what lies between its two layers then stays in the cache
OUTSIDE = -1e9  # a bias that makes the ReLU zero, as padding is
TILE = 4  # outputs of one tile: 6 points, well conditioned, and a quarter of the multiplications
STRIPE = 7  # tiles of as many lines as are worked off together, so that what they need stays in the cache
BLOCK = 7  # tiles of a line that are transformed together: the transforms grow with the square of it
DILATED_TILE = 5  # 14 = 5 + 5 + 4: the phases of the dilated layers waste less than with tiles of 4


def matrix_graph(weights: Weights) -> list[bytes]:
    """`weights` as an ONNX model, `data_l` (1, 1, 224, 224) to `ab` (1, 2, 56, 56), for OpenCV 5's new engine."""
    net = weights.table
    drawing = Drawing(net.size)
    first, second = net.front[:2]
    x, shift = _first_stage(drawing, weights, first, second)
    length = net.size // 2
    for conv in net.front[2:]:
        kernel, bias, after = weights.folded(conv)
        x, length = _product(drawing, x, conv.name, _scheme(length, conv.stride, conv.dilation), kernel, bias, shift)
        shift = after
    name, _, _ = net.up
    kernel = weights.kernel(name).astype(np.float64).transpose(1, 0, 2, 3)
    bias = weights.bias(name).astype(np.float64)
    x, length = _product(drawing, x, name, winograd.double(length, TILE), kernel, bias, shift)
    for conv in net.tail:
        kernel, bias, _ = weights.folded(conv)
        x, length = _product(drawing, x, conv.name, _scheme(length), kernel, bias)
    x = drawing.reshape(x, "pixels", [length * length, net.classes[1]])
    return drawing.onnx(decode(drawing, weights, x, turned=False))


def _first_stage(drawing: Drawing, weights: Weights, first: Conv, second: Conv) -> tuple[str, Floats64 | None]:
    """The two layers before everything is halved for the first time: (places, channels), and the shift after them.

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
    biased = drawing.constant(bias, second.name + ".bias")
    made = []
    for number, part in enumerate(drawing.split(_fives(drawing, side), "windows.part", PARTS)):
        x = drawing.relu(drawing.node("MatMul", [part, nine], f"{first.name}.made{number}"))
        made.append(drawing.node("Gemm", [x, weight, biased], f"{second.name}.made{number}"))
    return drawing.relu(drawing.node("Concat", made, second.name, axis=0)), shift


def _fives(drawing: Drawing, side: int) -> str:
    """(side * side, 25 + 3): five by five of the input around each second place, then 1 at the upper and the left edge.

    Then 1 everywhere, for the bias.
    """
    seen = np.zeros((WINDOW, side, 2 * side))
    for tap, place in np.ndindex(WINDOW, side):
        if 0 <= 2 * place + tap - 2 < 2 * side:
            seen[tap, place, 2 * place + tap - 2] = 1
    pick = seen.reshape(-1, 2 * side)
    x = drawing.reshape(Drawing.INPUT, "lightness", [2 * side, 2 * side])
    x = drawing.node("MatMul", [x, drawing.constant(pick.T, "windows.by_column")], "windows.columns")
    x = drawing.node("MatMul", [drawing.constant(pick, "windows.by_row"), x], "windows.rows")
    x = drawing.reshape(x, "windows.apart", [WINDOW, side, WINDOW, side])
    x = drawing.transpose(x, "windows.together", [1, 3, 0, 2])
    x = drawing.reshape(x, "windows.flat", [side * side, WINDOW * WINDOW])
    edges = np.ones((side, side, 3))
    edges[1:, :, 0] = edges[:, 1:, 1] = 0
    edge = drawing.constant(edges.reshape(-1, 3), "windows.edges")
    return drawing.node("Concat", [x, edge], "windows", axis=1)


def _scheme(length: int, stride: int = 1, dilation: int = 1) -> Scheme:
    if stride == 2:
        return winograd.halve(length, TILE)
    return winograd.same(length, TILE if dilation == 1 else DILATED_TILE, dilation)


def _product(
    drawing: Drawing,
    x: str,
    name: str,
    scheme: Scheme,
    kernel: Floats64,
    bias: Floats64,
    shift: Floats64 | None = None,
) -> tuple[str, int]:
    """One layer and its ReLU, (side, side, inputs) to (new side, new side, outputs); the new side is returned too.

    `shift` is what the batch norm before adds to the input: as the padding stays zero, it becomes part of the bias,
    one for each place.
    """
    outputs, inputs = kernel.shape[:2]
    side, new_side = scheme.into.shape[1], len(scheme.reach)
    kernels = winograd.kernels(scheme, scheme, kernel)
    weights = [drawing.constant(one, f"{name}.weight{i}") for i, one in enumerate(kernels.reshape(-1, inputs, outputs))]
    place_bias = np.broadcast_to(bias, (1, 1, outputs))
    if shift is not None:
        place_bias = place_bias + winograd.lift(scheme, scheme, kernel, shift)
    cut = winograd.blocks(scheme, STRIPE if scheme.dilation == 1 else scheme.tiles)
    x = drawing.reshape(x, name + ".picture", [side, side, inputs])
    made = []
    for number, (start, into) in enumerate(zip(cut.starts, cut.into, strict=True)):
        label = name if len(cut.starts) == 1 else f"{name}.stripe{number}"
        part = x
        if len(cut.starts) > 1:
            part = drawing.cut(x, label + ".lines_taken", 0, start, start + cut.window)
        part = _stripe(drawing, part, label, scheme, into, cut.back, weights, (inputs, outputs))
        lines = len(cut.back)
        added = place_bias if len(place_bias) == 1 else place_bias[number * lines : (number + 1) * lines]
        part = drawing.node("Add", [part, drawing.constant(added, label + ".bias")], label + ".biased")
        made.append(drawing.relu(part))
    x = made[0] if len(made) == 1 else drawing.node("Concat", made, name, axis=0)
    return x, new_side


def _stripe(
    drawing: Drawing,
    x: str,
    name: str,
    scheme: Scheme,
    into: Floats64,
    back: Floats64,
    weights: list[str],
    channels: tuple[int, int],
) -> str:
    """Some whole lines of a layer, before its bias: (lines, side, inputs) to (new lines, new side, outputs).

    `into` and `back` are what the scheme has for these lines; `channels` are inputs and outputs.
    """
    points, tiles = scheme.points, scheme.tiles
    inputs, outputs = channels
    lines, new_side = into.shape[1], len(scheme.reach)
    cut = winograd.blocks(scheme, BLOCK if scheme.dilation == 1 else tiles)
    count, part = len(cut.starts), tiles // len(cut.starts)
    rows = len(into) // points

    def transform(x: str, step: str, matrix: Floats64) -> str:
        label = f"{name}.{step}"
        return drawing.node("MatMul", [drawing.constant(matrix, label + ".by"), x], label)

    if count > 1:
        pieces = [drawing.cut(x, f"{name}.windows{start}", 1, start, start + cut.window) for start in cut.starts]
        x = drawing.node("Concat", pieces, name + ".windows", axis=1)
    x = drawing.reshape(x, name + ".apart", [lines, count, cut.window, inputs])
    x = transform(x, "columns", cut.into)
    x = drawing.reshape(x, name + ".column_points", [lines, count, points, part * inputs])
    x = drawing.transpose(x, name + ".by_point", [2, 0, 1, 3])
    x = drawing.reshape(x, name + ".lines", [points, lines, tiles * inputs])
    x = transform(x, "rows", into)
    x = drawing.reshape(x, name + ".points", [points * points, rows * tiles, inputs])
    x = _multiply(drawing, x, name, weights, [rows * tiles, inputs])
    x = drawing.reshape(x, name + ".products", [points, points * rows, tiles * outputs])
    x = transform(x, "back_rows", back)
    x = drawing.reshape(x, name + ".new_rows", [points, len(back), count, part * outputs])
    x = drawing.transpose(x, name + ".by_row", [1, 2, 0, 3])
    x = drawing.reshape(x, name + ".new_lines", [len(back) * count, points * part, outputs])
    x = transform(x, "back_columns", cut.back)
    return drawing.reshape(x, name + ".new_picture", [len(back), new_side, outputs])


def _multiply(drawing: Drawing, x: str, name: str, weights: list[str], shape: list[int]) -> str:
    """For each pair of points: `shape` (rows, inputs) times (inputs, outputs).

    As one node each: only two-dimensional products with a constant are packed beforehand.
    """
    made = []
    for number, (part, weight) in enumerate(zip(drawing.split(x, name + ".part", len(weights)), weights, strict=True)):
        flat = drawing.reshape(part, f"{name}.flat{number}", shape)
        made.append(drawing.node("Gemm", [flat, weight], f"{name}.made{number}"))
    return drawing.node("Concat", made, name + ".joined", axis=0)
