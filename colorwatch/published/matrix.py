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
from colorwatch.published.first import first_stage, rectified
from colorwatch.published.layers import Floats64, Weights
from colorwatch.published.winograd import Scheme

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
    x = first_stage(drawing, weights, *net.front[:2])
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
    lines = HALVED_LINES if half % HALVED_LINES == 0 else half
    made = []
    for start in range(0, half, lines):
        label = f"{name}.stripe{start}"
        # The picture is never laid out anew, or padded, as a whole: in a worker that memory would stay its own.
        above = min(start, 1)
        part = drawing.window(x, label + ".lines_taken", [start - above], [start + lines])
        part = drawing.transpose(part, label + ".fours", [0, 2, 1, 3])
        part = drawing.reshape(part, label + ".places", [lines + above, half, 4 * inputs])
        margins = drawing.constant(np.array([1 - above, 1, 0, 0, 0, 0]), label + ".margins")
        part = drawing.node("Pad", [part, margins], label + ".padded")
        seen = []
        for number, (row, column, first, end) in enumerate(SEEN):
            starts, ends = [row, column, first * inputs], [row + lines, column + half, end * inputs]
            seen.append(drawing.window(part, f"{label}.seen{number}", starts, ends))
        part = drawing.node("Concat", seen, label + ".together", axis=2)
        part = drawing.reshape(part, label + ".flat", [lines * half, 9 * inputs])
        part = drawing.node("Gemm", [part, weight, biased], label + ".made")
        made.append(rectified(drawing, part, shift))
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
        made.append(rectified(drawing, part, shift))
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
    points, tiles, sets = scheme.points, scheme.tiles, scheme.sets
    of_set = points // sets
    inputs, outputs = channels
    x = _columns(drawing, x, name, scheme, (into.shape[1], inputs))
    made = []
    for number in range(sets):
        # One set of lines after the other: both at once would need twice the memory.
        label = name if sets == 1 else f"{name}.set{number}"
        by = into[number * len(into) // sets : (number + 1) * len(into) // sets]
        rows = len(by) // of_set
        part = drawing.node("MatMul", [drawing.constant(by, label + ".rows.by"), x], label + ".rows")
        part = drawing.reshape(part, label + ".points", [points * of_set, rows * tiles, inputs])
        own = [weight for at, weight in enumerate(weights[:-1]) if at % points // of_set == number]
        part = _multiply(drawing, part, label, scheme, [*own, weights[-1]], [rows * tiles, inputs])
        made.append(_bring_back(drawing, part, label, scheme, rows, outputs))
    return made[0] if sets == 1 else _alternated(drawing, made, name, scheme.length, outputs)


def _columns(drawing: Drawing, x: str, name: str, scheme: Scheme, shape: tuple[int, int]) -> str:
    """`shape` (lines, inputs) of the picture, transformed along the columns: (points, lines, tiles * inputs)."""
    lines, inputs = shape
    cut = winograd.blocks(scheme, BLOCK if scheme.dilation == 1 else scheme.tiles)
    count = len(cut.starts)
    if count > 1:
        pieces = [
            drawing.window(x, f"{name}.windows{start}", [0, start], [lines, start + cut.window]) for start in cut.starts
        ]
        x = drawing.node("Concat", pieces, name + ".windows", axis=1)
    x = drawing.reshape(x, name + ".apart", [lines, count, cut.window, inputs])
    x = drawing.node("MatMul", [drawing.constant(cut.into, name + ".columns.by"), x], name + ".columns")
    x = drawing.reshape(x, name + ".column_points", [lines, count, scheme.points, scheme.tiles // count * inputs])
    x = drawing.transpose(x, name + ".by_point", [2, 0, 1, 3])
    return drawing.reshape(x, name + ".lines", [scheme.points, lines, scheme.tiles * inputs])


def _alternated(drawing: Drawing, sets: list[str], name: str, length: int, outputs: int) -> str:
    """Pictures of which each has every so-many-th line of the whole, as (length, length, outputs)."""
    lines = [drawing.reshape(x, x + ".lines", [length // len(sets), 1, length * outputs]) for x in sets]
    return drawing.reshape(drawing.node("Concat", lines, name, axis=1), name + ".whole", [length, length, outputs])


def _multiply(drawing: Drawing, x: str, name: str, scheme: Scheme, weights: list[str], shape: list[int]) -> str:
    """For each pair of points: `shape` (rows, inputs) times (inputs, outputs).

    As one node each: only two-dimensional products with a constant are packed beforehand. The bias goes into the
    products at the point 1, from where it comes back to every output of a tile, as all powers of 1 are 1.

    The engine gives each result the buffer that was freed last, whatever its size. So the part and the product that are
    joined first are made last: then large buffers stay with large results, and a pass needs half the memory.
    """
    of_set = scheme.points // scheme.sets
    joined = list(range(len(weights) - 1))
    biased = {column * of_set + ONE for column in range(ONE, scheme.points, of_set)}
    made = {}
    for number in [*joined[1:], joined[0]]:
        part = drawing.window(x, f"{name}.part{number}", [number], [number + 1])
        flat = drawing.reshape(part, f"{name}.flat{number}", shape)
        inputs = [flat, weights[number], *([weights[-1]] if number in biased else [])]
        made[number] = drawing.node("Gemm", inputs, f"{name}.made{number}")
    return drawing.node("Concat", [made[number] for number in joined], name + ".joined", axis=0)


def _bring_back(drawing: Drawing, x: str, name: str, scheme: Scheme, rows: int, outputs: int) -> str:
    """The products (column set, column point, row point, tiles, outputs) to (lines, side, outputs).

    Both axes at once: a tile's `back` along the columns and the rows is one small matrix, the same for all tiles.
    """
    sets, tile, of_set = scheme.sets, *scheme.back.shape
    x = drawing.reshape(x, name + ".products", [sets, of_set * of_set, rows * scheme.tiles * outputs])
    both = drawing.constant(np.kron(scheme.back, scheme.back), name + ".back.by")
    x = drawing.node("MatMul", [both, x], name + ".back")
    phases = scheme.dilation
    row, column = rows // phases, scheme.tiles // phases
    found = [sets, tile, tile, phases, row, phases, column, outputs]
    wanted = [4, 2, 3, 6, 1, 5, 0, 7]
    kept = [axis for axis, length in enumerate(found) if length > 1]
    x = drawing.reshape(x, name + ".places", [found[axis] for axis in kept])
    x = drawing.transpose(x, name + ".in_place", [kept.index(axis) for axis in wanted if axis in kept])
    sides = [row * tile * phases, column * tile * phases * sets]
    x = drawing.reshape(x, name + ".new_picture", [*sides, outputs])
    if max(sides) > scheme.length:
        x = drawing.window(x, name + ".within", [0, 0], [min(side, scheme.length) for side in sides])
    return x
