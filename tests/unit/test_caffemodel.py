"""The reader of caffemodels: every way to write one is read, everything else is refused with a reason."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from caffemodels import blob, caffemodel, field, layer, random_blobs, varint
from colorwatch import caffemodel as reader
from colorwatch.errors import ModelError
from colorwatch.published import table

TINY = table(widths=(2, 3, 4, 5), size=32, classes=7)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("shape", ["packed", "unpacked", "legacy"])
def test_every_way_to_write_a_blob_is_read_alike(packed: bool, double: bool, shape: str) -> None:
    blobs = random_blobs(TINY)
    layers = reader.parse(caffemodel(blobs, packed=packed, double=double, shape=shape))
    assert list(layers) == list(blobs)
    for name, wanted in blobs.items():
        for found, expected in zip(layers[name].blobs, wanted, strict=True):
            assert found.dtype == np.float32
            assert np.array_equal(found.reshape(expected.shape), expected)


def test_old_layers_are_read() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = reader.parse(layer("old", "", [blob(values)], old=True))
    assert found["old"].kind == "V1:4"
    assert np.array_equal(found["old"].blobs[0], values)


def test_numbers_in_several_pieces_are_joined() -> None:
    first, second, third = (np.full(n, float(n), np.float32) for n in (3, 2, 4))
    mixed = blob(first, shape="none") + blob(second, packed=False, shape="none") + blob(third, shape="none")
    content = layer("a", "A", [mixed + field(7, field(1, varint(9)))])
    assert reader.parse(content)["a"].blobs[0].tolist() == [3, 3, 3, 2, 2, 4, 4, 4, 4]


def test_unknown_fields_and_layers_without_blobs_are_passed_over() -> None:
    extra = (
        field(55, b"more")
        + varint(56 << 3)
        + varint(7)
        + varint(57 << 3 | 5)
        + b"1234"
        + varint(58 << 3 | 1)
        + b"1" * 8
    )
    content = (
        extra
        + layer("data", "Data", [])
        + layer("data", "Data", [])
        + layer("a", "A", [extra + blob(np.ones(2, np.float32))])
    )
    assert list(reader.parse(content)) == ["a"]


def test_packed_floats_are_views_of_the_one_read() -> None:
    found = reader.parse(layer("a", "A", [blob(np.ones(5, np.float32))]))["a"].blobs[0]
    assert not found.flags.owndata
    assert not found.flags.writeable


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b'name: "LtoAB"\n', "text file"),
        (field(1, b"net"), "none of its layers"),
        (layer("a", "A", [blob(np.ones(3, np.float32))])[:-1], "asks for"),
        (layer("a", "A", [blob(np.ones(3, np.float32))]) * 2, "twice"),
        (
            layer("a", "A", [field(7, field(1, varint(4))) + blob(np.ones(3, np.float32), shape="none")]),
            "asks for 4 values",
        ),
        (layer("a", "A", [field(7, field(1, varint(2**62) * 3))]), "asks for"),
        (layer("a", "A", [field(7, field(1, varint(0) + varint(2**63)))]), "no"),
        (layer("a", "A", [field(7, field(1, varint(1) * 33))]), "axes"),
        (layer("a", "A", [field(5, b"12345")]), "middle"),
        (layer("a", "A", [b"\x2d\x00\x00"]), "cut"),
        (field(100, field(1, b"\xff\xfe")), "no text"),
        (field(100, field(1, b"n" * 2000)), "longer"),
        (b"\x00\x00", "begins"),
        (b"\x0b", "begins"),
        (b"\xff" * 12, "cut"),
        (varint(100 << 3 | 2) + varint(1 << 40), "asks for"),
    ],
)
def test_what_is_no_caffemodel_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        reader.parse(content)


def test_a_file_of_endless_tiny_fields_is_refused_soon() -> None:
    with pytest.raises(ModelError, match="more than"):
        reader.parse(b"\x08\x01" * 10_000_000)


def test_a_file_cut_anywhere_is_refused() -> None:
    content = caffemodel(random_blobs(TINY))
    whole = reader.parse(content)
    for end in range(len(content)):
        try:
            found = reader.parse(content[:end])
        except ModelError:
            continue
        assert len(found) < len(whole)  # a cut between two layers: the published table misses the rest


def test_a_claimed_length_allocates_nothing() -> None:
    shape = field(7, field(1, varint(1 << 34)))
    claims = [layer("a", "A", [shape + blob(np.ones(3, np.float32), shape="none")]), varint(802) + varint(1 << 50)]
    tracemalloc.start()
    try:
        for claim in claims:
            with pytest.raises(ModelError):
                reader.parse(claim)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_read_names_the_file_that_is_missing_or_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no model .*absent\.caffemodel"):
        reader.read(str(tmp_path / "absent.caffemodel"))
    with pytest.raises(ModelError, match="is no file"):
        reader.read(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ModelError, match="is no file"):
        reader.read(str(tmp_path / "fifo"))


def test_read_refuses_a_file_larger_than_any_model(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(reader.MAX_FILE_BYTES + 1)
    with pytest.raises(ModelError, match="far more"):
        reader.read(str(path))


def test_read_escapes_a_name_with_a_newline(tmp_path: Path) -> None:
    path = tmp_path / "a\nb"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"a\\nb is no whole caffemodel: it is empty"):
        reader.read(str(path))


def test_read_gives_what_parse_gives(tmp_path: Path) -> None:
    content = caffemodel(random_blobs(TINY))
    (tmp_path / "tiny").write_bytes(content)
    assert list(reader.read(str(tmp_path / "tiny"))) == list(reader.parse(content))
