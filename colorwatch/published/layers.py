"""The published net's layers, and whether a caffemodel has them.

The table is that of `colorization_deploy_v2.prototxt` (R. Zhang, P. Isola, A. A. Efros, "Colorful Image Colorization",
ECCV 2016): every normalised stage is Convolution, ReLU, then BatchNorm without affine part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorwatch.caffemodel import Blob, Layer
from colorwatch.errors import ModelError
from colorwatch.scan import printable

Floats64 = NDArray[np.float64]

EPSILON = 1e-5  # Caffe's BatchNorm, where the prototxt gives none
SHARPNESS = 2.606  # 1/T of the annealed mean: the constant scale between conv8_313 and the softmax
CLASSES = 313
ENDING = "norm"  # a batch norm is named for the convolution before it


@dataclass(frozen=True)
class Conv:
    """One 3x3 convolution with a ReLU behind it; `normalised` says that a batch norm follows the ReLU."""

    name: str
    inputs: int
    outputs: int
    stride: int = 1
    dilation: int = 1
    normalised: bool = False


@dataclass(frozen=True)
class Table:
    """The whole net: `front` in order, then a 4x4 stride-2 deconvolution, `tail`, and a 1x1 convolution to classes."""

    front: tuple[Conv, ...]
    up: tuple[str, int, int]  # name, inputs, outputs
    tail: tuple[Conv, ...]
    classes: tuple[str, int, int]  # name, inputs, classes
    size: int  # of the square input; the output has a quarter of it

    def shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """The blobs of every layer that has some: name to shapes."""
        found: dict[str, tuple[tuple[int, ...], ...]] = {}
        for conv in (*self.front, *self.tail):
            found[conv.name] = ((conv.outputs, conv.inputs, 3, 3), (conv.outputs,))
            if conv.normalised:
                found[conv.name + ENDING] = ((conv.outputs,), (conv.outputs,), (1,))
        name, inputs, outputs = self.up
        found[name] = ((inputs, outputs, 4, 4), (outputs,))
        name, inputs, outputs = self.classes
        found[name] = ((outputs, inputs, 1, 1), (outputs,))
        return found


def table(widths: tuple[int, int, int, int] = (64, 128, 256, 512), size: int = 224, classes: int = CLASSES) -> Table:
    """The published net; other `widths` or another `size` (a multiple of 32) give a net of the same structure."""
    one, two, three, four = widths
    front = [
        Conv("bw_conv1_1", 1, one),
        Conv("conv1_2", one, one, stride=2, normalised=True),
        Conv("conv2_1", one, two),
        Conv("conv2_2", two, two, stride=2, normalised=True),
        Conv("conv3_1", two, three),
        Conv("conv3_2", three, three),
        Conv("conv3_3", three, three, stride=2, normalised=True),
    ]
    inputs = three
    for stage, dilation in ((4, 1), (5, 2), (6, 2), (7, 1)):
        for step in (1, 2, 3):
            front.append(Conv(f"conv{stage}_{step}", inputs, four, dilation=dilation, normalised=step == 3))
            inputs = four
    tail = (Conv("conv8_2", three, three), Conv("conv8_3", three, three))
    return Table(tuple(front), ("conv8_1", four, three), tail, ("conv8_313", three, classes), size)


PUBLISHED = table()


@dataclass(frozen=True)
class Weights:
    """The blobs of a checked caffemodel, in the table's shapes."""

    table: Table
    blobs: Mapping[str, tuple[Blob, ...]]

    def kernel(self, name: str) -> Blob:
        return self.blobs[name][0]

    def bias(self, name: str) -> Blob:
        return self.blobs[name][1]

    def moments(self, name: str) -> tuple[Floats64, Floats64]:
        """Mean and variance of the batch norm behind the convolution `name`, as Caffe reads its three blobs."""
        mean, variance, factor = (blob.astype(np.float64) for blob in self.blobs[name + ENDING])
        divisor = 0.0 if factor[0] == 0 else 1 / factor[0]
        return mean * divisor, variance * divisor

    def norm(self, name: str) -> tuple[Floats64, Floats64]:
        """The same batch norm as y = x * scale + shift; `scale` is positive."""
        mean, variance = self.moments(name)
        scale = 1 / np.sqrt(variance + EPSILON)
        return scale, -mean * scale

    def folded(self, conv: Conv) -> tuple[Floats64, Floats64, Floats64 | None]:
        """Kernel and bias with the scale of the batch norm behind folded in, and its shift (None where there is none).

        As the scale is positive, relu(x) * scale + shift is relu(x * scale) + shift.
        """
        kernel, bias = self.kernel(conv.name).astype(np.float64), self.bias(conv.name).astype(np.float64)
        if not conv.normalised:
            return kernel, bias, None
        scale, shift = self.norm(conv.name)
        return kernel * scale[:, None, None, None], bias * scale, shift


def check(layers: Mapping[str, Layer], wanted: Table = PUBLISHED, shown: str = "The file") -> Weights:
    """The weights of the net `wanted`, from the layers that `caffemodel.read` found.

    Layers beyond those wanted are left aside. Raises ModelError that names every layer that is missing, of another
    shape, or holds values that are no finite numbers; `shown` names the file in it.
    """
    faults = []
    blobs: dict[str, tuple[Blob, ...]] = {}
    for name, shapes in wanted.shapes().items():
        layer = layers.get(name)
        if layer is None:
            faults.append(f"{name} is missing")
            continue
        fitted = tuple(_fit(blob, shape) for blob, shape in zip(layer.blobs, shapes, strict=False))
        whole = [blob for blob in fitted if blob is not None]
        if len(layer.blobs) != len(shapes) or len(whole) != len(shapes):
            faults.append(f"{name} has {_list(blob.shape for blob in layer.blobs)} instead of {_list(shapes)}")
        elif not all(np.isfinite(blob).all() for blob in whole) or (name.endswith(ENDING) and (whole[1] < 0).any()):
            faults.append(f"{name} holds values that no trained net has")
        else:
            blobs[name] = tuple(whole)
    if faults:
        found = ", ".join(printable(name) for name in list(layers)[:4]) or "none"
        raise ModelError(
            f"{shown} is not the published colorization net (release v2). Of its layers, {'; '.join(faults)}. "
            f"The file begins with these layers: {found}."
        )
    return Weights(wanted, blobs)


def _fit(blob: Blob, shape: tuple[int, ...]) -> Blob | None:
    """`blob` in `shape`, or None. Old files give every blob four axes, the missing ones in front as 1."""
    extra = blob.ndim - len(shape)
    if extra < 0 or blob.shape[extra:] != shape or any(axis != 1 for axis in blob.shape[:extra]):
        return None
    return blob.reshape(shape)


def _list(shapes: Iterable[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "one value" for shape in shapes) or "nothing"
