"""Write the trained net as ONNX: python -m training.export --run DIR --out NET.onnx [--temperature T] [--rare R] ...

Input `data_l`: L - 50, float32 (1, 1, 224, 224). Output `ab`: float32 (1, 2, 56, 56), in Lab units. Batch normalisation
is folded into the convolutions, temperature and bias into the head; large weights are stored as float16 behind Cast
nodes. Then OpenCV reads the file, and must give the ab that torch gives.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.architecture import BESIDE, SCALE, Conv, Net, decode
from training.bins import BINS

INPUT_SIDE = 224
OPSET = 13
LARGEST_DIFFERENCE = 0.25
"""In Lab units, between OpenCV with float16 weights and torch: a ninth of what an eye can tell apart.

Rounding to float16 took 0.09 to 0.20, by net and decoding; the same graph in float32 lay within 0.0002.
"""

_SMALL = 10_000
"""Arrays of fewer weights stay float32: in the early and the depthwise layers halves would be felt, and are few."""
_ZERO, _SIX = np.array(0, np.float32), np.array(6, np.float32)


class _Graph:
    """The nodes and weights of an ONNX graph that grows from the input on."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._kept: set[str] = set()

    def add(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node with one output, `name`."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def keep(self, name: str, array: NDArray[Any]) -> str:
        """Store weights: as float16 behind a Cast if they are many."""
        if name in self._kept:
            return name
        self._kept.add(name)
        if array.size < _SMALL or array.dtype != np.float32:
            self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
            return name
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array.astype(np.float16)), name + ".half"))
        return self.add("Cast", [name + ".half"], name, to=TensorProto.FLOAT)

    def conv(
        self,
        x: str,
        name: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        stride: int = 1,
        groups: int = 1,
    ) -> str:
        """A convolution that keeps the size, or halves it with a stride of 2."""
        side = weight.shape[-1]
        inputs = [x, self.keep(name + ".weight", weight), self.keep(name + ".bias", bias)]
        shape = {"kernel_shape": [side, side], "strides": [stride, stride], "pads": [side // 2] * 4}
        return self.add("Conv", inputs, name, group=groups, **shape)

    def layer(self, x: str, name: str, conv: Conv, scale: float = 1.0) -> str:
        """A convolution, of `x` over `scale`, with its normalisation folded in, and what it ends with."""
        weight, bias = folded(conv)
        x = self.conv(x, name, weight / np.float32(scale), bias, conv.conv.stride[0], conv.conv.groups)
        if conv.act == "relu6":
            return self.add("Clip", [x, self.keep("zero", _ZERO), self.keep("six", _SIX)], name + ".clip")
        return self.add("Relu", [x], name + ".relu") if conv.act else x


def folded(conv: Conv) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of the one convolution that does what `conv` and its batch normalisation do in use."""
    norm = conv.norm
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = conv.conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return _array(weight), _array(bias)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().numpy(), np.float32)


def model(net: Net, temperature: float, bias: NDArray[np.float32], chroma: float = 1.0) -> onnx.ModelProto:
    """The ONNX model of `net`, its logits plus `bias` (313,) decoded at `temperature`, and ab times `chroma`."""
    graph = _Graph()
    x, seen = graph.layer("data_l", "stem", net.stem, SCALE), []
    for number, stage in enumerate(net.stages):
        for place, block in enumerate(stage):
            name = f"stage{number}.block{place}"
            y = x
            for step, conv in enumerate(block.steps):
                y = graph.layer(y, f"{name}.{step}", conv)
            x = graph.add("Add", [x, y], name + ".sum") if block.past else y
        seen.append(x)
    context = _context(graph, x, net)
    scales = graph.keep("twice", np.array([1, 1, 2, 2], np.float32))
    for number, (step, beside) in enumerate(zip(net.up, BESIDE, strict=True)):
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        x = graph.add("Resize", [x, "", scales], f"up{number}.twice", **how)
        x = graph.layer(graph.add("Concat", [x, seen[beside]], f"up{number}.beside", axis=1), f"up{number}", step)
        if number == 0:
            x = graph.add("Add", [x, context], "context.sum")
    x = graph.layer(x, "last", net.last)
    x = graph.conv(x, "head", _array(net.head.weight / temperature), (_array(net.head.bias) + bias) / temperature)
    x = graph.add("Softmax", [x], "shares", axis=1)
    # The centres stay float32: rounding them would shift every colour.
    centres = np.ascontiguousarray(BINS.T[:, :, None, None]) * np.float32(chroma)
    graph.weights.append(numpy_helper.from_array(centres, "centres"))
    graph.add("Conv", [x, "centres"], "ab", kernel_shape=[1, 1], strides=[1, 1], pads=[0] * 4, group=1)
    side, quarter = INPUT_SIDE, INPUT_SIDE // 4
    inputs = [helper.make_tensor_value_info("data_l", TensorProto.FLOAT, [1, 1, side, side])]
    outputs = [helper.make_tensor_value_info("ab", TensorProto.FLOAT, [1, 2, quarter, quarter])]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "compact", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=7,
        producer_name="colorwatch",
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def _context(graph: _Graph, x: str, net: Net) -> str:
    x = graph.layer(x, "summary", net.summary)
    side = INPUT_SIDE // 32
    mean = graph.add("AveragePool", [x], "context.mean", kernel_shape=[side, side], strides=[side, side])
    told = graph.conv(mean, "context", _array(net.context.weight), _array(net.context.bias))
    return graph.add("Relu", [told], "context.relu")


def difference(path: str, net: Net, temperature: float, bias: NDArray[np.float32], chroma: float = 1.0) -> float:
    """The largest difference in ab, in Lab units, between OpenCV with the file `path` and torch with `net`."""
    rng = np.random.default_rng(0)
    graph = cv2.dnn.readNetFromONNX(path)
    net.eval()
    worst = 0.0
    for _ in range(4):
        coarse = rng.uniform(-50, 50, (9, 9)).astype(np.float32)
        light = cv2.resize(coarse, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_CUBIC)[None, None]
        light = np.clip(light + rng.standard_normal(light.shape, np.float32) * 3, -50, 50)
        graph.setInput(light)
        with torch.no_grad():
            own = decode(net(torch.from_numpy(light)), temperature, torch.from_numpy(bias)).numpy() * np.float32(chroma)
        worst = max(worst, float(np.abs(np.asarray(graph.forward()) - own).max()))
    return worst


def averaged(run: str) -> tuple[Net, NDArray[np.float64]]:
    """The averaged net of the training in the folder `run`, and the prior of the bins that it learned with."""
    kept: dict[str, Any] = torch.load(os.path.join(run, "checkpoint.pt"), map_location="cpu", weights_only=True)
    net = Net()
    net.load_state_dict(kept["average"])
    return net.eval(), np.asarray(kept["prior"], np.float64)


def rarer(prior: NDArray[np.float64], much: float) -> NDArray[np.float32]:
    """A bias (313,) for the logits that moves the answer towards rare colours: `much` times -log of the prior.

    The prior is mixed with a twentieth of a flat one, so that colours never seen gain no more than rare ones.
    """
    return np.asarray(-much * np.log(0.95 * prior + 0.05 / len(prior)), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, metavar="DIR", help="the --out of training.train")
    parser.add_argument("--out", required=True, metavar="NET")
    parser.add_argument("--temperature", type=float, default=1.0, help="lower gives stronger colours (default: 1)")
    parser.add_argument("--rare", type=float, default=0.0, help="how far to lean towards rare colours (default: 0)")
    parser.add_argument("--chroma", type=float, default=1.0, help="all chroma is multiplied by it (default: 1)")
    told = parser.parse_args()
    net, prior = averaged(told.run)
    bias = rarer(prior, told.rare)
    onnx.save(model(net, told.temperature, bias, told.chroma), told.out)
    worst = difference(told.out, net, told.temperature, bias, told.chroma)
    print(f"{told.out}: {os.path.getsize(told.out):,} bytes; OpenCV and torch differ by {worst:.4f} in ab at most")
    if worst > LARGEST_DIFFERENCE:
        sys.exit(f"export: that is more than {LARGEST_DIFFERENCE}; {told.out} must not be used.")


if __name__ == "__main__":
    main()
