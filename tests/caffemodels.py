"""Write small caffemodels, byte by byte and in every way that the format allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colorwatch.published import Table

Blobs = dict[str, list[NDArray[np.float32]]]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def blob(values: NDArray[np.float32], *, packed: bool = True, double: bool = False, shape: str = "packed") -> bytes:
    """A BlobProto. `shape`: "packed" or "unpacked" dims, or "legacy" (num, channels, height, width), or "none"."""
    number, kind, wire = (8, "<f8", 1) if double else (5, "<f4", 5)
    numbers = [value.tobytes() for value in values.ravel().astype(kind)]
    content = field(number, b"".join(numbers)) if packed else b"".join(varint(number << 3 | wire) + n for n in numbers)
    if shape == "packed":
        return field(7, field(1, b"".join(map(varint, values.shape)))) + content
    if shape == "unpacked":
        return content + field(7, b"".join(b"\x08" + varint(size) for size in values.shape))
    if shape == "legacy":
        sizes = (1,) * (4 - values.ndim) + values.shape
        return b"".join(varint(number << 3) + varint(size) for number, size in enumerate(sizes, 1)) + content
    return content


def layer(name: str, kind: str, blobs: list[bytes], *, old: bool = False) -> bytes:
    """A LayerParameter of a NetParameter, or a V1LayerParameter."""
    if old:
        return field(2, field(4, name.encode()) + b"\x28\x04" + b"".join(field(6, one) for one in blobs))
    return field(100, field(1, name.encode()) + field(2, kind.encode()) + b"".join(field(7, one) for one in blobs))


def random_blobs(table: Table, seed: int = 0) -> Blobs:
    """Weights for every layer of `table`, scaled so that activations neither vanish nor explode."""
    rng = np.random.default_rng(seed)
    found: Blobs = {}
    for name, shapes in table.shapes().items():
        if name.endswith("norm"):
            values = [rng.uniform(0.2, 0.6, shapes[0]) * 3, rng.uniform(0.5, 1.5, shapes[1]) * 3, np.array([3.0])]
        else:
            fan_in = int(np.prod(shapes[0][1:])) if len(shapes[0]) == 4 else 1
            scale = (2 / fan_in) ** 0.5 / (50 if name == "bw_conv1_1" else 1)
            values = [rng.normal(0, scale, shapes[0]), rng.normal(0, 0.3, shapes[1])]
        found[name] = [value.astype(np.float32) for value in values]
    return found


def caffemodel(blobs: Blobs, **how: object) -> bytes:
    """A whole file; `how` goes to `blob`."""
    return field(1, b"net") + b"".join(
        layer(name, "Some", [blob(one, **how) for one in ones])  # type: ignore[arg-type]
        for name, ones in blobs.items()
    )
