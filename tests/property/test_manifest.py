"""Any text gives a manifest that can be used, or a list of faults, and never anything else."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from colorwatch.manifest import INPUT_CHANNELS, MAX_SIDE, MIN_SIDE, OUTPUT_CHANNELS, ManifestError, read

KEYS = ["name", "licence", "source", "input", "output", "kind", "size", "scale", "offset", "layout", "<<"]
WORDS = ["L", "grey_rgb", "lab", "ab", "rgb", "NCHW", "224", "1", "-50", "0", "1e400", ".inf", "[224, 224]", "a"]

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=8))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS) | scalars, inner, max_size=6)
    ),
    max_leaves=20,
)
numbers = st.floats(-1e7, 1e7) | st.lists(st.floats(-1e7, 1e7), max_size=4) | scalars
near = st.fixed_dictionaries(
    {
        "name": st.just("net") | scalars,
        "licence": st.just("MIT"),
        "source": st.just("here"),
        "input": st.fixed_dictionaries(
            {"kind": st.sampled_from(["L", "grey_rgb", "lab"]), "size": st.lists(st.integers(0, 3000), max_size=3)},
            optional={"scale": numbers, "offset": numbers, "layout": st.just("NCHW") | scalars},
        ),
        "output": st.fixed_dictionaries(
            {"kind": st.sampled_from(["ab", "rgb"])}, optional={"scale": numbers, "offset": numbers}
        ),
    }
)


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, "net.yaml")


def check(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
    faults: list[str] = []
    try:
        found = read(path)
    except ManifestError as error:
        faults = error.faults
    assert all(fault.isprintable() and len(fault) < 1000 for fault in faults)
    if faults:
        return
    channels = INPUT_CHANNELS[found.input.kind]
    assert len(found.input.scale) == len(found.input.offset) == channels
    assert len(found.output.scale) == len(found.output.offset) == OUTPUT_CHANNELS[found.output.kind]
    assert all(MIN_SIDE <= side <= MAX_SIDE for side in found.input.size)
    for each in (found.input, found.output):
        assert all(math.isfinite(number) for number in (*each.scale, *each.offset))
        assert 0 not in each.scale


@given(st.binary(max_size=200))
def test_bytes(path: str, content: bytes) -> None:
    check(path, content)


@given(near | trees)
@settings(max_examples=300)
def test_yaml(path: str, tree: object) -> None:
    check(path, yaml.safe_dump(tree).encode())
