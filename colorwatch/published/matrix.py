"""The graph for OpenCV 5: nearly everything as matrix products, which its new engine runs near the machine's peak.

OpenCV 5's new engine has no Winograd convolutions (and the classic engine, which has them, is on its way out), but its
matrix products are several times faster than its convolutions and than those of OpenCV 4. So the Winograd scheme is
written out: transform along the columns, then the rows, one matrix product for each pair of points, and both axes back
at once. `winograd.Scheme` makes zero padding, dilation 2 and the deconvolution all the same steps.

A picture is (rows, columns, channels), so that transforms and shuffles move whole runs of channels. Transforms are
products with a constant matrix too; as those into the scheme grow with the square of the line, long lines are cut into
blocks. Large pictures are worked off in stripes of lines, so that what lies between the steps of one stripe stays in
the cache. Bias and batch-norm shift ride in a product, so that only the ReLU passes over a finished picture.

Stride-2 layers gain too little from transforms, and the first has too few channels: these are plain products over
windows of their inputs.
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
ONE = 1  # the point 1 is the second of every set of points, after 0
HALVED_LINES = 14  # of a stride-2 layer, worked off together

# Of a stride-2 layer, with 2x2 inputs as the channels of one: the nine inputs of an output, as (row, column, first
# channel, end), the row and column being 0 for the place before and 1 for the output's own.
SEEN = ((1, 1, 0, 4), (0, 1, 2, 4), (1, 0, 1, 2), (1, 0, 3, 4), (0, 0, 3, 4))


def matrix_graph(weights: Weights) -> list[bytes]:
    """`weights` as an ONNX model, `data_l` (1, 1, 224, 224) to `ab` (1, 2, 56, 56), for OpenCV 5's new engine."""
    net = weights.table
    drawing = Drawing(net.size)
    x = _first_stage(drawing, weights, *net.front[:2])
    length = net.size // 2
    for conv in net.front[2:]:
        if conv.stride == 2:
            x, length = _halved(drawing, x, conv.name, length, *weights.folded(conv))
        else:
            scheme = winograd.same(length, TILE if conv.dilation == 1 else DILATED_TILE, conv.dilation)
            x, length = _product(drawing, x, conv.name, scheme, *weights.folded(conv))
    name, _, _ = net.up
    kernel = weights.kernel(name).astype(np.float64).transpose(1, 0, 2, 3)
    x, length = _product(drawing, x, name, winograd.double(length, TILE), kernel, weights.bias(name).astype(np.float64))
    for conv in net.tail:
        x, length = _product(drawing, x, conv.name, winograd.same(length, TILE), *weights.folded(conv))
    x = drawing.reshape(x, "pixels", [length * length, net.classes[1]])
    return drawing.onnx(decode(drawing, weights, x, turned=False))


def _first_stage(drawing: Drawing, weights: Weights, first: Conv, second: Conv) -> str:
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
        x = drawing.relu(drawing.node("Gemm", [part, nine], f"{first.name}.made{number}", transA=1))
        made.append(drawing.node("Gemm", [x, weight, biased], f"{second.name}.made{number}"))
    return _rectified(drawing, drawing.node("Concat", made, second.name, axis=0), shift)


def _rectified(drawing: Drawing, x: str, shift: Floats64 | None) -> str:
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


def _halved(
    drawing: Drawing, x: str, name: str, side: int, kernel: Floats64, bias: Floats64, shift: Floats64 | None
) -> tuple[str, int]:
    """A stride-2 layer and its ReLU as `_product` has them, by one product over the nine inputs of each output."""
    inputs = kernel.shape[1]
    half = side // 2
    by_tap = kernel.transpose(2, 3, 1, 0)
    taps = [
        by_tap[four // 2 + 1 if row else 0, four % 2 + 1 if column else 0]
        for row, column, first, end in SEEN
        for four in range(first, end)
    ]
    weight = drawing.constant(np.concatenate(taps), name + ".weight")
    biased = drawing.constant(bias if shift is None else bias + shift, name + ".bias")
    x = drawing.reshape(x, name + ".twos", [half, 2, half, 2 * inputs])
    x = drawing.transpose(x, name + ".fours", [0, 2, 1, 3])
    x = drawing.reshape(x, name + ".places", [half, half, 4 * inputs])
    margins = drawing.constant(np.array([1, 1, 0, 0, 0, 0]), name + ".margins")
    x = drawing.node("Pad", [x, margins], name + ".padded")
    lines = HALVED_LINES if half % HALVED_LINES == 0 else half
    made = []
    for start in range(0, half, lines):
        label = f"{name}.stripe{start}"
        seen = []
        for number, (row, column, first, end) in enumerate(SEEN):
            starts = [row + start, column, first * inputs]
            ends = [row + start + lines, column + half, end * inputs]
            seen.append(drawing.window(x, f"{label}.seen{number}", starts, ends))
        part = drawing.node("Concat", seen, label + ".together", axis=2)
        part = drawing.reshape(part, label + ".flat", [lines * half, 9 * inputs])
        part = drawing.node("Gemm", [part, weight, biased], label + ".made")
        made.append(_rectified(drawing, part, shift))
    return drawing.node("Concat", made, name, axis=0), half


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

    `shift` is what the batch norm adds after the ReLU.
    """
    outputs, inputs = kernel.shape[:2]
    side = scheme.into.shape[1]
    kernels = winograd.kernels(scheme, scheme, kernel)
    weights = [drawing.constant(one, f"{name}.weight{i}") for i, one in enumerate(kernels.reshape(-1, inputs, outputs))]
    weights.append(drawing.constant(bias if shift is None else bias + shift, name + ".bias"))
    cut = winograd.blocks(scheme, STRIPE if scheme.dilation == 1 else scheme.tiles)
    x = drawing.reshape(x, name + ".picture", [side, side, inputs])
    made = []
    for number, (start, into) in enumerate(zip(cut.starts, cut.into, strict=True)):
        label = name if len(cut.starts) == 1 else f"{name}.stripe{number}"
        part = x
        if len(cut.starts) > 1:
            part = drawing.window(x, label + ".lines_taken", [start], [start + cut.window])
        part = _stripe(drawing, part, label, scheme, into, weights, (inputs, outputs))
        made.append(_rectified(drawing, part, shift))
    x = made[0] if len(made) == 1 else drawing.node("Concat", made, name, axis=0)
    return x, scheme.length


def _stripe(
    drawing: Drawing,
    x: str,
    name: str,
    scheme: Scheme,
    into: Floats64,
    weights: list[str],
    channels: tuple[int, int],
) -> str:
    """Some whole lines of a layer, before its ReLU: (lines, side, inputs) to (new lines, new side, outputs).

    `into` is what the scheme has for these lines; `channels` are inputs and outputs; `weights` end with the bias.
    """
    points, tiles = scheme.points, scheme.tiles
    inputs, outputs = channels
    lines = into.shape[1]
    cut = winograd.blocks(scheme, BLOCK if scheme.dilation == 1 else tiles)
    count, part = len(cut.starts), tiles // len(cut.starts)
    rows = len(into) // points

    def transform(x: str, step: str, matrix: Floats64) -> str:
        label = f"{name}.{step}"
        return drawing.node("MatMul", [drawing.constant(matrix, label + ".by"), x], label)

    if count > 1:
        pieces = [
            drawing.window(x, f"{name}.windows{start}", [0, start], [lines, start + cut.window]) for start in cut.starts
        ]
        x = drawing.node("Concat", pieces, name + ".windows", axis=1)
    x = drawing.reshape(x, name + ".apart", [lines, count, cut.window, inputs])
    x = transform(x, "columns", cut.into)
    x = drawing.reshape(x, name + ".column_points", [lines, count, points, part * inputs])
    x = drawing.transpose(x, name + ".by_point", [2, 0, 1, 3])
    x = drawing.reshape(x, name + ".lines", [points, lines, tiles * inputs])
    x = transform(x, "rows", into)
    x = drawing.reshape(x, name + ".points", [points * points, rows * tiles, inputs])
    x = _multiply(drawing, x, name, scheme, weights, [rows * tiles, inputs])
    return _bring_back(drawing, x, name, scheme, rows, outputs)


def _multiply(drawing: Drawing, x: str, name: str, scheme: Scheme, weights: list[str], shape: list[int]) -> str:
    """For each pair of points: `shape` (rows, inputs) times (inputs, outputs).

    As one node each: only two-dimensional products with a constant are packed beforehand. The bias goes into the
    products at the point 1, from where it comes back to every output of a tile, as all powers of 1 are 1.

    The engine gives each result the buffer that was freed last, whatever its size. So the part and the product that are
    joined first are made last: then large buffers stay with large results, and a pass needs half the memory.
    """
    of_set = scheme.points // scheme.sets
    order = np.arange(len(weights) - 1).reshape(scheme.sets, of_set, scheme.sets, of_set)
    biased = set(order[:, ONE, :, ONE].ravel().tolist())
    joined = order.transpose(0, 2, 1, 3).ravel().tolist()
    made = {}
    for number in [*joined[1:], joined[0]]:
        part = drawing.window(x, f"{name}.part{number}", [number], [number + 1])
        flat = drawing.reshape(part, f"{name}.flat{number}", shape)
        inputs = [flat, weights[number], *([weights[-1]] if number in biased else [])]
        made[number] = drawing.node("Gemm", inputs, f"{name}.made{number}")
    return drawing.node("Concat", [made[number] for number in joined], name + ".joined", axis=0)


def _bring_back(drawing: Drawing, x: str, name: str, scheme: Scheme, rows: int, outputs: int) -> str:
    """The products (column set, row set, column point, row point, tiles, outputs) to (lines, side, outputs).

    Both axes at once: a tile's `back` along the columns and the rows is one small matrix, the same for all tiles.
    """
    sets, tile, of_set = scheme.sets, *scheme.back.shape
    x = drawing.reshape(x, name + ".products", [sets * sets, of_set * of_set, rows * scheme.tiles * outputs])
    both = drawing.constant(np.kron(scheme.back, scheme.back), name + ".back.by")
    x = drawing.node("MatMul", [both, x], name + ".back")
    phases = scheme.dilation
    row, column = rows // phases, scheme.tiles // phases
    found = [sets, sets, tile, tile, phases, row, phases, column, outputs]
    wanted = [5, 3, 4, 1, 7, 2, 6, 0, 8]
    kept = [axis for axis, length in enumerate(found) if length > 1]
    x = drawing.reshape(x, name + ".places", [found[axis] for axis in kept])
    x = drawing.transpose(x, name + ".in_place", [kept.index(axis) for axis in wanted if axis in kept])
    sides = [count * tile * phases * sets for count in (row, column)]
    x = drawing.reshape(x, name + ".new_picture", [*sides, outputs])
    if max(sides) > scheme.length:
        x = drawing.window(x, name + ".within", [0, 0], [min(side, scheme.length) for side in sides])
    return x
