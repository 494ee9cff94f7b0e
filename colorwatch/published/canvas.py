"""The graph for OpenCV 4: nearly all of it 3x3 stride-1 convolutions, which `cv2.dnn` runs with Winograd.

What is rewritten, each step exact up to float rounding:

- A convolution of dilation 2 works on four phases of its input that never meet (even and odd rows and columns). Side by
  side in one canvas, with a line of zeros between, they are one undilated convolution. The canvas is laid once, before
  the first dilated layer; a mask makes the lines zero again after each.
- The 4x4 stride-2 deconvolution is one 3x3 convolution to four times the channels, one for each phase of the output.
- The first two layers are matrix products over windows of the input (see `first`): two thirds of the time of two
  convolutions, for Winograd gains nothing where the input has one channel, or where three of four results are dropped.
- A stride-2 convolution of many channels is done at stride 1, and every second result kept: Winograd gains more than
  the results thrown away cost.
- Batch-norm scales go into the convolution before, as ReLU commutes with positive factors. The shifts stay, because the
  next layer's zero padding comes after them.
- The constant before the softmax goes into the class layer, which is a matrix product here: twice as fast as a 1x1
  convolution in OpenCV 4.14.

Shuffles are written as transpositions of four axes, the only ones that OpenCV 4 has a fast path for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colorwatch.published.decoding import decode
from colorwatch.published.drawing import Drawing
from colorwatch.published.first import first_stage
from colorwatch.published.layers import Table, Weights


def canvas_graph(weights: Weights) -> list[bytes]:
    """`weights` as an ONNX model, `data_l` (1, 1, 224, 224) to `ab` (1, 2, 56, 56), for OpenCV 4 with Winograd."""
    net = weights.table
    drawing = Drawing(net.size)
    x = _front(drawing, weights)
    x = _up(drawing, weights, x)
    for conv in net.tail:
        kernel, bias, _ = weights.folded(conv)
        x = drawing.relu(drawing.conv(x, conv.name, kernel, bias))
    x = drawing.reshape(x, "pixels", [net.classes[1], (net.size // 4) ** 2])
    return drawing.onnx(decode(drawing, weights, x, turned=True))


def _front(drawing: Drawing, weights: Weights) -> str:
    net = weights.table
    first, second, *others = net.front
    side = net.size // 2
    x = drawing.reshape(first_stage(drawing, weights, first, second), "first.places", [1, 1, side**2, second.outputs])
    x = drawing.reshape(drawing.transpose(x, "first.planes", [0, 1, 3, 2]), "first", [1, second.outputs, side, side])
    laid = False
    for conv, following in zip(others, [*others[1:], None], strict=True):
        if conv.dilation > 1 and not laid:
            x, laid = _lay(drawing, net, x, conv.inputs), True
        elif conv.dilation == 1 and laid:
            x, laid = _lift(drawing, net, x, conv.inputs), False
        kernel, bias, shift = weights.folded(conv)
        x = drawing.relu(drawing.conv(x, conv.name, kernel, bias))
        if conv.stride > 1:
            x = drawing.node("MaxPool", [x], conv.name + ".kept", kernel_shape=[1, 1], strides=[conv.stride] * 2)
        if shift is not None:
            x = drawing.plus(x, conv.name + ".shifted", shift)
        if laid and following is not None and following.dilation > 1:
            x = drawing.node("Mul", [x, drawing.constant(_mask(net), x + ".mask")], conv.name + ".masked")
    return x


def _sizes(net: Table) -> tuple[int, int]:
    """Sides of the picture and of one phase of it, where the net is narrowest."""
    return net.size // 8, net.size // 16


def _mask(net: Table) -> NDArray[np.float32]:
    _, half = _sizes(net)
    mask = np.zeros((2, half + 1, 2, half + 1), np.float32)
    mask[:, :half, :, :half] = 1
    return mask.reshape(1, 1, 2 * half + 2, 2 * half + 2)


def _lay(drawing: Drawing, net: Table, x: str, channels: int) -> str:
    """(1, C, side, side) to the canvas of its four phases, (1, C, side + 2, side + 2)."""
    side, half = _sizes(net)
    x = drawing.reshape(x, "lay.rows", [channels, half, 2, side])
    x = drawing.transpose(x, "lay.by_row", [0, 2, 1, 3])
    x = drawing.reshape(x, "lay.columns", [1, channels * side, half, 2])
    x = drawing.transpose(x, "lay.by_column", [0, 1, 3, 2])
    x = drawing.reshape(x, "lay.phases", [channels, 2, half, 2, half])
    margins = drawing.constant(np.array([0, 0, 0, 0, 0, 0, 0, 1, 0, 1]), "lay.margins")
    x = drawing.node("Pad", [x, margins], "lay.apart")
    return drawing.reshape(x, "lay", [1, channels, side + 2, side + 2])


def _lift(drawing: Drawing, net: Table, x: str, channels: int) -> str:
    """Undo `_lay`."""
    side, half = _sizes(net)
    x = drawing.reshape(x, "lift.apart", [channels, 2, half + 1, 2, half + 1])
    cut = {"starts": [0, 0], "ends": [half, half], "axes": [2, 4]}
    x = drawing.node(
        "Slice", [x, *(drawing.constant(np.array(where), f"lift.{name}") for name, where in cut.items())], "lift.phases"
    )
    x = drawing.reshape(x, "lift.columns", [1, channels * side, 2, half])
    x = drawing.transpose(x, "lift.by_column", [0, 1, 3, 2])
    x = drawing.reshape(x, "lift.rows", [channels, 2, half, side])
    x = drawing.transpose(x, "lift.by_row", [0, 2, 1, 3])
    return drawing.reshape(x, "lift", [1, channels, side, side])


def _up(drawing: Drawing, weights: Weights, x: str) -> str:
    """The deconvolution as a 3x3 convolution to (output, row phase, column phase) channels, and their interleaving."""
    name, inputs, outputs = weights.table.up
    side, _ = _sizes(weights.table)
    phased = phase_kernels(weights.kernel(name).astype(np.float64))
    x = drawing.conv(x, name, phased.reshape(4 * outputs, inputs, 3, 3), np.repeat(weights.bias(name), 4))
    x = drawing.relu(x)
    x = drawing.reshape(x, "up.columns", [1, 2 * outputs, 2, side * side])
    x = drawing.transpose(x, "up.by_column", [0, 1, 3, 2])
    x = drawing.reshape(x, "up.rows", [outputs, 2, side, 2 * side])
    x = drawing.transpose(x, "up.by_row", [0, 2, 1, 3])
    return drawing.reshape(x, "up", [1, outputs, 2 * side, 2 * side])


def phase_kernels(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The deconvolution kernel (inputs, outputs, 4, 4), stride 2 and padding 1, as 3x3 convolution kernels.

    Output row 2 y + p takes input row y + d by tap p + 1 - 2 d. Returns (outputs, 2, 2, inputs, 3, 3).
    """
    inputs, outputs = kernel.shape[:2]
    phased = np.zeros((outputs, 2, 2, inputs, 3, 3))
    for p, q, d, e in np.ndindex(2, 2, 3, 3):
        row, column = p + 1 - 2 * (d - 1), q + 1 - 2 * (e - 1)
        if 0 <= row < 4 and 0 <= column < 4:
            phased[:, p, q, :, d, e] = kernel[:, :, row, column].T
    return phased
