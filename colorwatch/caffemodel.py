"""Read the layers and blobs of a `.caffemodel` file: the protobuf wire format by hand, no schema, no code run.

Field numbers are those of Caffe's `caffe.proto` (BSD-2-Clause): NetParameter, LayerParameter, V1LayerParameter,
BlobProto and BlobShape. The wire format is https://protobuf.dev/programming-guides/encoding/.

A file is read once; a blob is a read-only view of that one buffer wherever the file stores it as float32 in one piece.
Nothing is ever allocated by a length or a shape that the file merely claims.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from colorwatch.errors import ModelError, explain_os_error
from colorwatch.scan import printable

Blob: TypeAlias = NDArray[np.float32]

MAX_FILE_BYTES = 1 << 30  # the published file has 129 MB; what is larger by far is no model for this program
MAX_FIELDS = 200_000  # each costs a few Python steps: a bound on the time that a hostile file can take
MAX_NAME_BYTES = 1_024
MAX_AXES = 32  # Caffe's own limit (kMaxBlobAxes in blob.hpp)

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED_BYTES = {FIXED64: 8, FIXED32: 4}

NET_V1_LAYERS, NET_LAYER = 2, 100
LAYER_NAME, LAYER_TYPE, LAYER_BLOBS = 1, 2, 7
V1_NAME, V1_TYPE, V1_BLOBS = 4, 5, 6
BLOB_LEGACY_AXES = (1, 2, 3, 4)  # num, channels, height, width
BLOB_FLOATS, BLOB_SHAPE, BLOB_DOUBLES = 5, 7, 8
SHAPE_DIM = 1
FLOATS_UNPACKED = BLOB_FLOATS << 3 | FIXED32
DOUBLES_UNPACKED = BLOB_DOUBLES << 3 | FIXED64


@dataclass(frozen=True)
class Layer:
    """One layer that carries blobs. `kind` is Caffe's type name, or `V1:<number>` in files of the old layout."""

    name: str
    kind: str
    blobs: tuple[Blob, ...]


class _Broken(Exception):  # noqa: N818 - never leaves this module: `parse` turns it into a ModelError
    """The bytes do not follow the format; the message says in which way."""


def read(path: str) -> dict[str, Layer]:
    """The layers of the caffemodel `path` that carry blobs, by name, in the file's order.

    Blobs are float32, in the shape that the file gives them (old files give four axes, the missing ones as 1).
    The file's content stays in memory as long as one of the blobs does.

    Raises ModelError, with a sentence for a person, for a file that cannot be read, is cut, damaged or foreign.
    """
    return parse(_content(path), printable(path))


def parse(content: bytes | bytearray | memoryview, shown: str = "the file") -> dict[str, Layer]:
    """As `read`, from bytes. `shown` names the file in messages.

    Raises ModelError.
    """
    buffer = memoryview(content).toreadonly()
    try:
        layers = _read_net(_Wire(buffer))
    except _Broken as fault:
        reason = _foreign(bytes(buffer[:512])) or str(fault)
        raise ModelError(
            f"{shown} is no whole caffemodel: {reason}. Fetch it again, and compare its size and checksum."
        ) from None
    if not layers:
        raise ModelError(f"{shown} is no caffemodel with weights: none of its layers has any.")
    return layers


def _content(path: str) -> bytes:
    shown = printable(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a fifo must not hold us up
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelError(f"{shown} is no file: a caffemodel was expected there.")
            if status.st_size > MAX_FILE_BYTES:
                raise ModelError(f"{shown} has {status.st_size:,} bytes, far more than any caffemodel known here.")
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                return file.readall()
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ModelError(f"There is no model {shown}.") from None
    except OSError as error:
        raise ModelError(f"The model {shown} cannot be read: {explain_os_error(error)}.") from None


def _foreign(head: bytes) -> str | None:
    """What a file that often stands under a model's name really is, or None."""
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, saved under the model's name"
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file it points to"
    if head.startswith(b"PK\x03\x04"):
        return "it is a zip archive (PyTorch and Keras models are such)"
    if head.startswith(b"\x89HDF\r\n"):
        return "it is an HDF5 file"
    if text.startswith((b"name:", b"layer {", b"#")):
        return "it is a text file, such as the prototxt that comes with a caffemodel"
    return None


# --- messages ---------------------------------------------------------------------------------------------


def _read_net(wire: _Wire) -> dict[str, Layer]:
    if wire.size == 0:
        raise _Broken("it is empty")
    layers: dict[str, Layer] = {}
    for part in wire.fields(0, wire.size):
        if part.kind != BYTES or part.number not in (NET_LAYER, NET_V1_LAYERS):
            continue
        layer = _read_layer(wire, part, old=part.number == NET_V1_LAYERS)
        if not layer.blobs:
            continue  # data, loss and activation layers: Caffe writes them too, sometimes two of one name
        if layer.name in layers:
            raise _Broken(f"the layer {printable(layer.name)} is in it twice")
        layers[layer.name] = layer
    return layers


def _read_layer(wire: _Wire, message: _Field, *, old: bool) -> Layer:
    name = kind = ""
    blobs: list[Blob] = []
    name_field, type_field, blobs_field = (V1_NAME, V1_TYPE, V1_BLOBS) if old else (LAYER_NAME, LAYER_TYPE, LAYER_BLOBS)
    for part in wire.fields(message.start, message.end):
        if part.number == name_field and part.kind == BYTES:
            name = wire.text(part)
        elif part.number == type_field and part.kind == BYTES:
            kind = wire.text(part)
        elif part.number == type_field and part.kind == VARINT:
            kind = f"V1:{part.value}"
        elif part.number == blobs_field and part.kind == BYTES:
            try:
                blobs.append(_read_blob(wire, part))
            except _Broken as fault:
                raise _Broken(f"in the layer {printable(name) or '?'}, blob {len(blobs) + 1}, {fault}") from None
    return Layer(name, kind, tuple(blobs))


def _read_blob(wire: _Wire, message: _Field) -> Blob:
    floats: list[Blob] = []
    doubles: list[NDArray[np.float64]] = []
    legacy: dict[int, int] = {}
    dims: list[int] | None = None
    position = message.start
    while position < message.end:
        if wire.starts_run(position, FLOATS_UNPACKED):
            values, position = wire.run(position, message.end, FLOATS_UNPACKED, np.dtype("<f4"))
            floats.append(values)
            continue
        if wire.starts_run(position, DOUBLES_UNPACKED):
            values, position = wire.run(position, message.end, DOUBLES_UNPACKED, np.dtype("<f8"))
            doubles.append(values)
            continue
        part = wire.field(position, message.end)
        position = part.end
        if part.number == BLOB_FLOATS and part.kind == BYTES:
            floats.append(wire.numbers(part, np.dtype("<f4")))
        elif part.number == BLOB_DOUBLES and part.kind == BYTES:
            doubles.append(wire.numbers(part, np.dtype("<f8")))
        elif part.number == BLOB_SHAPE and part.kind == BYTES:
            dims = (dims or []) + _read_shape(wire, part)
        elif part.number in BLOB_LEGACY_AXES and part.kind == VARINT:
            legacy[part.number] = part.value
    if dims is None and legacy:
        dims = [legacy.get(number, 1) for number in BLOB_LEGACY_AXES]
    # As Caffe's Blob::FromProto: doubles, where there are any, count.
    return _shaped(doubles or floats, dims)


def _read_shape(wire: _Wire, message: _Field) -> list[int]:
    dims: list[int] = []
    for part in wire.fields(message.start, message.end):
        if part.number != SHAPE_DIM:
            continue
        if part.kind == VARINT:
            dims.append(part.value)
        elif part.kind == BYTES:
            position = part.start
            while position < part.end and len(dims) <= MAX_AXES:
                value, position = wire.varint(position, part.end)
                dims.append(value)
        if len(dims) > MAX_AXES:
            raise _Broken(f"more than {MAX_AXES} axes are claimed")
    return dims


def _shaped(pieces: Sequence[NDArray[Any]], dims: list[int] | None) -> Blob:
    count = sum(piece.size for piece in pieces)
    claimed = math.prod(dims) if dims is not None else count
    if claimed != count:
        raise _Broken(
            f"the shape {'x'.join(map(str, dims or []))} asks for {claimed:,} values, and {count:,} are there"
        )
    whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [np.zeros(0, np.float32)])
    try:
        blob = whole.astype(np.float32, copy=False).reshape([count] if dims is None else dims)
    except ValueError:  # an axis of 0 beside axes that overflow
        raise _Broken("its shape is none that an array can have") from None
    blob.flags.writeable = False
    return blob


# --- the wire format --------------------------------------------------------------------------------------


class _Field(NamedTuple):
    """One field: its number, its wire type, where its payload lies, and its value where that is a varint."""

    number: int
    kind: int
    start: int
    end: int
    value: int = 0


class _Wire:
    """Reads fields out of one buffer, never past an end, and no more of them than MAX_FIELDS."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self._left = MAX_FIELDS
        self.size = len(buffer)

    def fields(self, position: int, end: int) -> Iterator[_Field]:
        """Every field of the message that fills the bytes from `position` up to `end`."""
        while position < end:
            found = self.field(position, end)
            yield found
            position = found.end

    def field(self, position: int, end: int) -> _Field:
        """The field that begins at `position`; its `end` is where the next one begins."""
        self._count()
        tag, start = self.varint(position, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise _Broken(f"no field of a caffemodel begins at byte {position:,}")
        if kind == VARINT:
            value, after = self.varint(start, end)
            return _Field(number, kind, start, after, value)
        if kind == BYTES:
            length, start = self.varint(start, end)
        elif kind in FIXED_BYTES:
            length = FIXED_BYTES[kind]
        else:
            raise _Broken(f"no field of a caffemodel begins at byte {position:,}")
        if length > end - start:
            raise _Broken(f"the field at byte {position:,} asks for {length:,} bytes, and {end - start:,} follow")
        return _Field(number, kind, start, start + length)

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """The variable-length number at `position`, and where it ends."""
        value = shift = 0
        while position < end and shift < 70:
            byte = self._buffer[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position
            shift += 7
        raise _Broken(f"it is cut, or no number stands at byte {position:,}")

    def text(self, part: _Field) -> str:
        if part.end - part.start > MAX_NAME_BYTES:
            raise _Broken(f"a name at byte {part.start:,} is longer than any layer's")
        try:
            return str(self._buffer[part.start : part.end], "utf-8")
        except UnicodeDecodeError:
            raise _Broken(f"the name at byte {part.start:,} is no text") from None

    def numbers(self, part: _Field, kind: np.dtype[Any]) -> NDArray[Any]:
        """A packed field as a view of the buffer."""
        if (part.end - part.start) % kind.itemsize:
            raise _Broken(f"the numbers at byte {part.start:,} end in the middle of one")
        return np.frombuffer(self._buffer[part.start : part.end], kind)

    def starts_run(self, position: int, tag: int) -> bool:
        return self._buffer[position] == tag

    def run(self, position: int, end: int, tag: int, kind: np.dtype[Any]) -> tuple[NDArray[Any], int]:
        """Unpacked numbers, each behind its one-byte `tag`, as a view that steps over the tags; and where they end.

        Looks ahead in steps that double, so that many short runs cost no more than their length.
        """
        self._count()
        record = np.dtype([("tag", np.uint8), ("value", kind)])
        whole = (end - position) // record.itemsize
        if whole == 0:
            raise _Broken(f"it is cut in the number at byte {position:,}")
        records = np.frombuffer(self._buffer[position : position + whole * record.itemsize], record)
        length, step = 0, 64
        while length < whole:
            strangers = np.flatnonzero(records["tag"][length : length + step] != tag)
            if strangers.size:
                length += int(strangers[0])
                break
            length, step = min(length + step, whole), step * 2
        return records["value"][:length], position + length * record.itemsize

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _Broken(f"it has more than {MAX_FIELDS:,} fields")
