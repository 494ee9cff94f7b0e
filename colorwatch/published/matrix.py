"""The graph for OpenCV 5: nearly everything as matrix products, which its new engine runs near the machine's peak.

OpenCV 5's new engine has no Winograd convolutions (and the classic engine, which has them, is on its way out), but its
matrix products are several times faster than its convolutions and than those of OpenCV 4. So the Winograd scheme is
written out: transform along the columns, then the rows, one matrix product for each pair of points, and back.
`winograd.Scheme` makes zero padding, stride 2, dilation 2 and the deconvolution all the same six steps.

From the second stage on a picture is (rows, columns, channels), so that transforms and shuffles move whole runs of
channels. Transforms are products with a constant matrix too; as these grow with the square of the line, long lines are
cut into blocks. The first stage stays two convolutions: with so few channels its transforms cost more than they save.
"""

from __future__ import annotations

import numpy as np

from colorwatch.published import winograd
from colorwatch.published.decoding import decode
from colorwatch.published.drawing import Drawing
from colorwatch.published.layers import Floats64, Weights
from colorwatch.published.winograd import Scheme

CONVOLVED = 2  # layers at the front that stay convolutions
TILE = 4  # outputs of one tile: 6 points, well conditioned, and a quarter of the multiplications
BLOCK = 7  # tiles of a line that are transformed together: the transforms grow with the square of it
DILATED_TILE = 5  # 14 = 5 + 5 + 4: the phases of the dilated layers waste less than with tiles of 4


def matrix_graph(weights: Weights) -> list[bytes]:
    """`weights` as an ONNX model, `data_l` (1, 1, 224, 224) to `ab` (1, 2, 56, 56), for OpenCV 5's new engine."""
    net = weights.table
    drawing = Drawing(net.size)
    x = Drawing.INPUT
    length = net.size
    shift: Floats64 | None = None
    for number, conv in enumerate(net.front):
        kernel, bias, after = weights.folded(conv)
        if number < CONVOLVED:
            if shift is not None:
                x = drawing.plus(x, conv.name + ".shifted", shift)
            x = drawing.relu(drawing.conv(x, conv.name, kernel, bias, strides=[conv.stride] * 2))
            length //= conv.stride
        else:
            if number == CONVOLVED:
                x = drawing.reshape(x, "planes.flat", [conv.inputs, length * length])
                x = drawing.transpose(x, "channels.last", [1, 0])
            x, length = _product(
                drawing, x, conv.name, _scheme(length, conv.stride, conv.dilation), kernel, bias, shift
            )
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
    side, new_side, points, tiles = scheme.into.shape[1], len(scheme.reach), scheme.points, scheme.tiles
    cut = winograd.blocks(scheme, BLOCK if scheme.dilation == 1 else tiles)
    count, part = len(cut.starts), tiles // len(cut.starts)

    def transform(x: str, step: str, matrix: Floats64) -> str:
        label = f"{name}.{step}"
        return drawing.node("MatMul", [drawing.constant(matrix, label + ".by"), x], label)

    def windows(x: str, step: str, lead: int, run: int) -> str:
        """(lead, side, run) to (lead, blocks, window, run): the inputs of each block, which overlap."""
        if count == 1:
            return drawing.reshape(x, f"{name}.{step}", [lead, 1, side, run])
        pieces = [drawing.cut(x, f"{name}.{step}{start}", 1, start, start + cut.window) for start in cut.starts]
        x = drawing.node("Concat", pieces, f"{name}.{step}.joined", axis=1)
        return drawing.reshape(x, f"{name}.{step}", [lead, count, cut.window, run])

    x = drawing.reshape(x, name + ".picture", [side, side, inputs])
    x = windows(x, "column_windows", side, inputs)
    x = transform(x, "columns", cut.into)
    x = drawing.reshape(x, name + ".column_points", [side, count, points, part * inputs])
    x = drawing.transpose(x, name + ".by_point", [2, 0, 1, 3])
    x = drawing.reshape(x, name + ".lines", [points, side, tiles * inputs])
    x = windows(x, "row_windows", points, tiles * inputs)
    x = transform(x, "rows", cut.into)
    x = drawing.reshape(x, name + ".points", [points * count * points, part * tiles, inputs])
    x = _multiply(drawing, x, name, winograd.kernels(scheme, scheme, kernel), part * tiles, count)
    x = drawing.reshape(x, name + ".products", [points * count, points * part, tiles * outputs])
    x = transform(x, "back_rows", cut.back)
    x = drawing.reshape(x, name + ".new_rows", [points, new_side, count, part * outputs])
    x = drawing.transpose(x, name + ".by_row", [1, 2, 0, 3])
    x = drawing.reshape(x, name + ".new_lines", [new_side * count, points * part, outputs])
    x = transform(x, "back_columns", cut.back)
    x = drawing.reshape(x, name + ".new_picture", [new_side, new_side, outputs])
    place_bias = bias.reshape(1, 1, outputs)
    if shift is not None:
        place_bias = place_bias + winograd.lift(scheme, scheme, kernel, shift)
    x = drawing.node("Add", [x, drawing.constant(place_bias, name + ".bias")], name)
    return drawing.relu(x), new_side


def _multiply(drawing: Drawing, x: str, name: str, kernels: Floats64, rows: int, blocks: int) -> str:
    """For each column point, block of rows and row point: (rows, inputs) times (inputs, outputs).

    As one node each: only two-dimensional products with a constant are packed beforehand.
    """
    points, _, inputs, outputs = kernels.shape
    parts = drawing.split(x, name + ".part", points * blocks * points)
    weights = [drawing.constant(one, f"{name}.weight{i}") for i, one in enumerate(kernels.reshape(-1, inputs, outputs))]
    made = []
    for number, part in enumerate(parts):
        column, row = number // (blocks * points), number % points
        flat = drawing.reshape(part, f"{name}.flat{number}", [rows, inputs])
        made.append(drawing.node("Gemm", [flat, weights[column * points + row]], f"{name}.made{number}"))
    return drawing.node("Concat", made, name + ".joined", axis=0)
