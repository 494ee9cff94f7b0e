"""Small ONNX nets for tests: one 1x1 convolution each, so that what comes out is known."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
from numpy.typing import NDArray


def mixing_net(
    weights: NDArray[np.float32], size: tuple[int, int], bias: NDArray[np.float32] | None = None, shrink: int = 1
) -> bytes:
    """Output channel o is the sum of `weights[o, i]` times input channel i; every `shrink`th pixel of it."""
    outputs, inputs = weights.shape
    kernel = onnx.numpy_helper.from_array(weights.reshape(outputs, inputs, 1, 1).astype(np.float32), "kernel")
    constants = [kernel]
    if bias is not None:
        constants.append(onnx.numpy_helper.from_array(bias.astype(np.float32), "bias"))
    node = onnx.helper.make_node(
        "Conv", ["in", *(each.name for each in constants)], ["out"], kernel_shape=[1, 1], strides=[shrink] * 2
    )
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (
            ("in", [1, inputs, *size]),
            ("out", [1, outputs, *(side // shrink for side in size)]),
        )
    ]
    graph = onnx.helper.make_graph([node], "mixing", ends[:1], ends[1:], constants)
    opset = [onnx.helper.make_opsetid("", 13)]
    return bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
