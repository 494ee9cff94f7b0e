"""A small pen for ONNX graphs: nodes and constants in order, names by count, bytes at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 13  # read by every OpenCV from 4.5 on, by ONNX Runtime and by OpenVINO
IR_VERSION = 8


class Drawing:
    """One graph from `data_l` to `ab`. Methods take and return names of values."""

    INPUT = "data_l"
    OUTPUT = "ab"

    def __init__(self, size: int) -> None:
        import onnx

        self._size = size
        self._model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="colorwatch")
        self._model.opset_import.add(version=OPSET)
        self._graph = onnx.GraphProto(name="colorization")
        # Kept as bytes from the start: the library's own messages hold the weights three times before they are written.
        self._constants: list[bytes] = []

    def constant(self, values: NDArray[Any], name: str) -> str:
        """`values` as float32, or as int64 where they are integers."""
        import onnx

        whole = np.issubdtype(values.dtype, np.integer)
        tensor = onnx.TensorProto(name=name, dims=values.shape)
        tensor.data_type = onnx.TensorProto.INT64 if whole else onnx.TensorProto.FLOAT
        tensor.raw_data = values.astype("<i8" if whole else "<f4").tobytes()
        self._constants.append(tensor.SerializeToString())
        return name

    def node(self, operation: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """One node; its output is called `name`, and so is the node."""
        import onnx.helper

        self._graph.node.append(onnx.helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x: str, name: str, kernel: NDArray[Any], bias: NDArray[Any] | None = None, **how: Any) -> str:
        """A convolution; `how` holds ONNX's `strides`, `dilations` and `pads`; by default it keeps the size."""
        how.setdefault("pads", [kernel.shape[-2] // 2, kernel.shape[-1] // 2] * 2)
        inputs = [x, self.constant(kernel, name + ".weight")]
        if bias is not None:
            inputs.append(self.constant(bias, name + ".bias"))
        return self.node("Conv", inputs, name, kernel_shape=list(kernel.shape[2:]), **how)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x], x + ".relu")

    def reshape(self, x: str, name: str, shape: list[int]) -> str:
        return self.node("Reshape", [x, self.constant(np.array(shape), name + ".shape")], name)

    def transpose(self, x: str, name: str, order: list[int]) -> str:
        return self.node("Transpose", [x], name, perm=order)

    def plus(self, x: str, name: str, values: NDArray[Any]) -> str:
        """Adds `values`, one a channel, to (1, channels, height, width)."""
        return self.node("Add", [x, self.constant(values.reshape(1, -1, 1, 1), name + ".by")], name)

    def split(self, x: str, name: str, parts: int, axis: int = 0) -> list[str]:
        """`parts` equal parts of `x` along `axis`."""
        import onnx.helper

        names = [f"{name}{number}" for number in range(parts)]
        self._graph.node.append(onnx.helper.make_node("Split", [x], names, name=name, axis=axis))
        return names

    def window(self, x: str, name: str, starts: list[int], ends: list[int]) -> str:
        """`x` from `starts` up to `ends` along its first axes; the others whole."""
        where = {"starts": starts, "ends": ends, "axes": list(range(len(starts)))}
        limits = [self.constant(np.array(values), f"{name}.{limit}") for limit, values in where.items()]
        return self.node("Slice", [x, *limits], name)

    def onnx(self, outcome: str) -> list[bytes]:
        """The finished graph, `outcome` the value that becomes `ab`: an ONNX file in parts.

        Half a gigabyte of weights is not joined here: that would hold it twice.
        """
        import onnx.helper

        last = self._graph.node[-1]
        if last.name != outcome:
            raise ValueError(f"{outcome} is not what the last node gives")
        last.output[0] = self.OUTPUT
        small = self._size // 4
        kind = onnx.TensorProto.FLOAT
        self._graph.input.append(onnx.helper.make_tensor_value_info(self.INPUT, kind, [1, 1, self._size, self._size]))
        self._graph.output.append(onnx.helper.make_tensor_value_info(self.OUTPUT, kind, [1, 2, small, small]))
        parts = [self._graph.SerializeToString()]
        for constant in self._constants:
            parts += [_header(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(constant)), constant]
        whole = sum(map(len, parts))
        return [self._model.SerializeToString(), _header(onnx.ModelProto.GRAPH_FIELD_NUMBER, whole), *parts]


def _header(number: int, length: int) -> bytes:
    """What stands before an embedded protobuf message: field number and wire type, then the length."""
    return _varint(number << 3 | 2) + _varint(length)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
