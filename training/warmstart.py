"""Weights of an exported net of the same shape, as the start of another training."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.architecture import SCALE, Conv, Net, layers


def weights(path: str) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weight and bias of each convolution in the ONNX file that has a bias, in the order in which they run.

    Raises ValueError where the file is not an ONNX net.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:
        raise ValueError(f"The net {path!r} to start from cannot be read as ONNX.") from error
    arrays = {one.name: onnx.numpy_helper.to_array(one).astype(np.float32) for one in graph.initializer}
    for node in graph.node:
        # Weights are stored as float16 behind a Cast.
        if node.op_type == "Cast" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    return [
        (arrays[node.input[1]], arrays[node.input[2]])
        for node in graph.node
        if node.op_type == "Conv" and len(node.input) == 3
    ]


def load(net: Net, path: str) -> None:
    """Take the weights of `path`; batch normalisation becomes the identity. Raises ValueError for another shape."""
    stored = weights(path)
    order = layers(net)
    shapes = [tuple((one.conv if isinstance(one, Conv) else one).weight.shape) for one in order]
    if [weight.shape for weight, _ in stored] != shapes:
        raise ValueError(f"The net {path!r} has another shape than the one trained here: nothing to start from.")
    with torch.no_grad():
        for module, (weight, bias) in zip(order, stored, strict=True):
            if isinstance(module, Conv):
                # The scale of the input is folded into the first weights.
                scale = SCALE if module is net.stem else 1.0
                module.conv.weight.copy_(torch.from_numpy(weight) * scale)
                module.norm.running_mean.zero_()
                module.norm.running_var.fill_(1 - module.norm.eps)
                module.norm.weight.fill_(1)
                module.norm.bias.copy_(torch.from_numpy(bias))
            else:
                module.weight.copy_(torch.from_numpy(weight))
                module.bias.copy_(torch.from_numpy(bias))


def revive(net: Net, batches: list[Tensor]) -> None:
    """Give batch normalisation the statistics of `batches`, each `L - 50` (n, 1, s, s), without changing the net.

    An exported net has its normalisation folded away; trained on as it is, it would drift. So each is given the mean
    and variance that it would have measured, and the scale and shift that undo them.
    """
    convs = [one for one in layers(net) if isinstance(one, Conv)]
    sums: dict[Conv, list[tuple[Tensor, Tensor]]] = {conv: [] for conv in convs}

    def watch(conv: Conv) -> torch.utils.hooks.RemovableHandle:
        def measure(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            sums[conv].append((output.mean((0, 2, 3)), (output**2).mean((0, 2, 3))))

        return conv.conv.register_forward_hook(measure)

    watching = [watch(conv) for conv in sums]
    net.eval()
    with torch.no_grad():
        for batch in batches:
            net.features(batch)
        for conv, seen in sums.items():
            mean = torch.stack([one for one, _ in seen]).mean(0)
            variance = (torch.stack([square for _, square in seen]).mean(0) - mean**2).clamp_min(1e-6)
            norm = conv.norm
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            norm.bias.add_(scale * (mean - norm.running_mean))
            norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
    for hook in watching:
        hook.remove()
