"""The end of the rewritten graphs: classes, softmax over them, and the mean of the bins weighted by it."""

from __future__ import annotations

import numpy as np

from colorwatch.published.bins import bins
from colorwatch.published.drawing import Drawing
from colorwatch.published.layers import SHARPNESS, Weights


def decode(drawing: Drawing, weights: Weights, x: str, *, turned: bool) -> str:
    """(pixels, channels), or `turned` (channels, pixels), to `ab`. The constant before the softmax is folded in."""
    name, _, classes = weights.table.classes
    small = weights.table.size // 4
    kernel = weights.kernel(name).astype(np.float64)[:, :, 0, 0].T * SHARPNESS
    bias = weights.bias(name).astype(np.float64) * SHARPNESS
    inputs = [x, drawing.constant(kernel, name + ".weight"), drawing.constant(bias, name + ".bias")]
    x = drawing.node("Gemm", inputs, name, transA=int(turned))
    x = drawing.node("Softmax", [x], "class8_313_rh", axis=1)
    x = drawing.node("MatMul", [x, drawing.constant(bins()[:classes], "bins")], "class8_ab")
    x = drawing.transpose(x, "planes", [1, 0])
    return drawing.reshape(x, "picture", [1, 2, small, small])
