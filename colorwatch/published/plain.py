"""The plain graph: the published layers one by one, as any ONNX engine understands them."""

from __future__ import annotations

import numpy as np

from colorwatch.published.bins import bins
from colorwatch.published.drawing import Drawing
from colorwatch.published.layers import ENDING, EPSILON, SHARPNESS, Conv, Weights


def plain_graph(weights: Weights) -> list[bytes]:
    """`weights` as an ONNX model without any rewriting, `data_l` (1, 1, 224, 224) to `ab` (1, 2, 56, 56).

    For comparison and for other engines; `fast_graph` gives the same ab sooner.
    """
    net = weights.table
    drawing = Drawing(net.size)
    x = Drawing.INPUT
    for conv in net.front:
        x = _stage(drawing, weights, conv, x)
    name, _, _ = net.up
    inputs = [x, *(drawing.constant(blob, f"{name}.{i}") for i, blob in enumerate(weights.blobs[name]))]
    x = drawing.node("ConvTranspose", inputs, name, kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])
    x = drawing.relu(x)
    for conv in net.tail:
        x = _stage(drawing, weights, conv, x)
    name, _, _ = net.classes
    x = drawing.conv(x, name, weights.kernel(name), weights.bias(name))
    x = drawing.node("Mul", [x, drawing.constant(np.array([SHARPNESS]), "sharpness")], "conv8_313_rh")
    x = drawing.node("Softmax", [x], "class8_313_rh", axis=1)
    x = drawing.conv(x, "class8_ab", bins()[: net.classes[2]].T[:, :, None, None])
    return drawing.onnx(x)


def _stage(drawing: Drawing, weights: Weights, conv: Conv, x: str) -> str:
    how = {"strides": [conv.stride] * 2, "dilations": [conv.dilation] * 2, "pads": [conv.dilation] * 4}
    x = drawing.relu(drawing.conv(x, conv.name, weights.kernel(conv.name), weights.bias(conv.name), **how))
    if not conv.normalised:
        return x
    mean, variance = weights.moments(conv.name)
    name = conv.name + ENDING
    affine = [np.ones_like(mean), np.zeros_like(mean), mean, variance]
    inputs = [drawing.constant(values, f"{name}.{i}") for i, values in enumerate(affine)]
    return drawing.node("BatchNormalization", [x, *inputs], name, epsilon=EPSILON)
