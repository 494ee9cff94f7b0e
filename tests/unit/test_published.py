"""The published net: its table, its bins, and every graph against a plain reckoning of each layer in numpy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from caffemodels import Blobs, caffemodel, random_blobs
from colorwatch import caffemodel as reader
from colorwatch import published
from colorwatch.errors import ModelError
from colorwatch.published import matrix, winograd

Array = NDArray[np.float64]

SMALL = published.table(widths=(4, 6, 8, 10), size=64, classes=40)
ENGINES = [name for name in ("ENGINE_CLASSIC", "ENGINE_NEW", "ENGINE_OPENCV") if hasattr(cv2.dnn, name)] or [""]


# --- the plain reckoning ----------------------------------------------------------------------------------


def convolve(x: Array, kernel: Array, bias: Array, stride: int = 1, dilation: int = 1) -> Array:
    pad = kernel.shape[2] // 2 * dilation
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    height, width = x.shape[1] // stride, x.shape[2] // stride
    out = np.zeros((len(kernel), height, width)) + bias[:, None, None]
    for row in range(kernel.shape[2]):
        for column in range(kernel.shape[3]):
            seen = padded[:, row * dilation :: stride, column * dilation :: stride][:, :height, :width]
            out += np.tensordot(kernel[:, :, row, column], seen, 1)
    return out


def deconvolve(x: Array, kernel: Array, bias: Array) -> Array:
    side = x.shape[1]
    out = np.zeros((kernel.shape[1], 2 * side + 2, 2 * side + 2))
    for row in range(4):
        for column in range(4):
            spread = np.tensordot(kernel[:, :, row, column], x, (0, 0))
            out[:, row : row + 2 * side : 2, column : column + 2 * side : 2] += spread
    return out[:, 1:-1, 1:-1] + bias[:, None, None]


def reckon(blobs: Blobs, x: Array) -> Array:
    """ab (2, size / 4, size / 4) of the net `SMALL`, as the published prototxt says it."""
    exact = {name: [one.astype(np.float64) for one in ones] for name, ones in blobs.items()}
    for conv in SMALL.front:
        x = np.maximum(convolve(x, *exact[conv.name], conv.stride, conv.dilation), 0)
        if conv.name + "norm" in exact:
            mean, variance, factor = exact[conv.name + "norm"]
            deviation = np.sqrt(variance / factor + 1e-5)
            x = (x - (mean / factor)[:, None, None]) / deviation[:, None, None]
    x = np.maximum(deconvolve(x, *exact["conv8_1"]), 0)
    for name in ("conv8_2", "conv8_3"):
        x = np.maximum(convolve(x, *exact[name]), 0)
    x = convolve(x, *exact["conv8_313"]) * 2.606
    chances = np.exp(x - x.max(0))
    return np.tensordot(published.bins()[:40].T.astype(np.float64), chances / chances.sum(0), 1)


def run(model: bytes, x: Array, engine: str, folder: Path) -> NDArray[np.float32]:
    # OpenCV 5.0 heeds the engine for a path only, not for bytes.
    path = folder / "net.onnx"
    path.write_bytes(model)
    net = cv2.dnn.readNetFromONNX(str(path), *([getattr(cv2.dnn, engine)] if engine else []))
    net.setInput(x[None].astype(np.float32))
    return np.asarray(net.forward())


@pytest.fixture(scope="module")
def blobs() -> Blobs:
    return random_blobs(SMALL, seed=3)


@pytest.fixture(scope="module")
def weights(blobs: Blobs) -> published.Weights:
    return published.check(reader.parse(caffemodel(blobs)), SMALL)


GRAPHS: dict[str, Callable[[published.Weights], bytes]] = {
    "plain": published.plain_graph,
    "canvas": published.canvas_graph,
    "matrix": published.matrix_graph,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_graph_gives_the_ab_of_the_published_layers(
    graph: str, engine: str, blobs: Blobs, weights: published.Weights, tmp_path: Path
) -> None:
    x = np.random.default_rng(1).uniform(-50, 50, (1, 64, 64))
    wanted = reckon(blobs, x)
    assert np.ptp(wanted) > 5  # else any graph would pass
    found = run(b"".join(GRAPHS[graph](weights)), x, engine, tmp_path)
    assert found.shape == (1, 2, 16, 16)
    assert np.abs(found[0] - wanted).max() < 0.002


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_in_blocks_and_stripes_gives_the_same_ab(
    engine: str, blobs: Blobs, weights: published.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "BLOCK", 2)
    monkeypatch.setattr(matrix, "STRIPE", 2)
    monkeypatch.setattr(matrix, "HALVED_LINES", 4)
    x = np.random.default_rng(1).uniform(-50, 50, (1, 64, 64))
    found = run(b"".join(published.matrix_graph(weights)), x, engine, tmp_path)
    assert np.abs(found[0] - reckon(blobs, x)).max() < 0.002


def test_a_scale_factor_of_zero_means_no_statistics_as_in_caffe(blobs: Blobs, tmp_path: Path) -> None:
    zeroed = {**blobs, "conv1_2norm": [*blobs["conv1_2norm"][:2], np.zeros(1, np.float32)]}
    mean, variance = published.check(reader.parse(caffemodel(zeroed)), SMALL).moments("conv1_2")
    assert not mean.any()
    assert not variance.any()


def test_the_graph_follows_from_the_version() -> None:
    assert [published.graph_name(v) for v in ("4.12.0", "4.14.0", "5.0.0", "5.1.0-dev")] == [
        "canvas",
        "canvas",
        "matrix",
        "matrix",
    ]


def test_the_same_weights_give_the_same_bytes(weights: published.Weights) -> None:
    for graph in GRAPHS.values():
        assert graph(weights) == graph(weights)


# --- the table and its bins -------------------------------------------------------------------------------


def test_the_table_has_the_published_parameters() -> None:
    shapes = published.PUBLISHED.shapes()
    assert len(shapes) == 19 + 7 + 1 + 2 + 1
    assert sum(int(np.prod(shape)) for blobs in shapes.values() for shape in blobs) == 32_235_392
    assert shapes["conv8_1"] == ((512, 256, 4, 4), (256,))
    assert shapes["conv8_313"] == ((313, 256, 1, 1), (313,))


def test_there_are_313_bins_within_reach() -> None:
    found = published.bins()
    assert found.shape == (313, 2)
    assert found.dtype == np.float32
    assert len({tuple(one) for one in found.tolist()}) == 313
    assert found[0].tolist() == [-90, 50]
    assert found[-1].tolist() == [100, 0]


def test_the_bins_are_the_published_ones(testdata: str) -> None:
    wanted = np.load(os.path.join(testdata, "zhang2016", "pts_in_hull.npy"))
    assert np.array_equal(published.bins(), wanted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b.pop("conv4_2"), "conv4_2 is missing"),
        (lambda b: b.update(conv8_1=b["conv8_2"]), "conv8_1 has .* instead of 10x8x4x4, 8"),
        (lambda b: b.update(conv8_2=b["conv8_2"][:1]), "conv8_2 has 8x8x3x3 instead of 8x8x3x3, 8"),
        (lambda b: b.update(conv8_3=[b["conv8_3"][0], b["conv8_3"][1] * np.nan]), "conv8_3 holds values"),
        (lambda b: b.update(conv5_3norm=[-one for one in b["conv5_3norm"]]), "conv5_3norm holds values"),
    ],
)
def test_a_net_that_differs_is_refused_with_what_differs(
    change: Callable[[Blobs], None], reason: str, blobs: Blobs
) -> None:
    changed = dict(blobs)
    change(changed)
    with pytest.raises(ModelError, match=reason):
        published.check(reader.parse(caffemodel(changed)), SMALL, "some.caffemodel")


def test_another_net_is_refused_with_every_layer_that_is_missing() -> None:
    other = caffemodel({"fc6": [np.ones((2, 2), np.float32)], "fc\n7": [np.ones(2, np.float32)]})
    with pytest.raises(ModelError, match=r"bw_conv1_1 is missing; .*conv8_313 is missing.*fc6, fc\\n7"):
        published.check(reader.parse(other))


def test_layers_beyond_the_table_are_left_aside(blobs: Blobs) -> None:
    more = {**blobs, "class8_ab": [np.zeros((2, 40, 1, 1), np.float32)]}
    published.check(reader.parse(caffemodel(more)), SMALL)


def test_onnx_is_loaded_only_to_draw() -> None:
    code = "import sys, colorwatch.published; assert 'onnx' not in sys.modules and 'cv2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the schemes ------------------------------------------------------------------------------------------


def apply(scheme: winograd.Scheme, line: Array, taps: Array) -> Array:
    products = np.repeat(scheme.taps @ taps, scheme.tiles) * (scheme.into @ line)
    return bring_back(scheme, products, scheme.tiles)[: scheme.length]


def bring_back(scheme: winograd.Scheme, products: Array, tiles: int) -> Array:
    """(set, point, phase, tile) to (tile, output of the tile, phase or set)."""
    made = np.einsum(
        "ik,skpt->tips", scheme.back, products.reshape(scheme.sets, -1, scheme.dilation, tiles // scheme.dilation)
    )
    return np.asarray(made.reshape(-1))


@given(st.integers(2, 20), st.integers(2, 5), st.sampled_from([1, 2]), st.integers(0, 99))
def test_a_line_padded_to_the_same_length_is_convolved(length: int, tile: int, dilation: int, seed: int) -> None:
    length *= dilation
    rng = np.random.default_rng(seed)
    line, taps = rng.normal(size=length), rng.normal(size=3)
    padded = np.pad(line, dilation)
    wanted = sum(taps[k] * padded[k * dilation : k * dilation + length] for k in range(3))
    assert np.allclose(apply(winograd.same(length, tile, dilation), line, taps), wanted)


@given(st.integers(1, 20), st.integers(2, 5), st.integers(0, 99))
def test_a_line_is_deconvolved_to_twice_its_length(length: int, tile: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    line, taps = rng.normal(size=length), rng.normal(size=4)
    wanted = np.zeros(2 * length + 2)
    for k in range(4):
        wanted[k : k + 2 * length : 2] += taps[k] * line
    assert np.allclose(apply(winograd.double(length, tile), line, taps), wanted[1:-1])


@given(st.sampled_from(["same", "double"]), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_blocks_of_a_line_give_what_the_line_gives(kind: str, count: int, tiles: int, seed: int) -> None:
    length = 4 * count * tiles
    scheme = getattr(winograd, kind)(length, 4)
    cut = winograd.blocks(scheme, tiles)
    assert len(cut.starts) == count
    rng = np.random.default_rng(seed)
    line, taps = rng.normal(size=length), rng.normal(size=scheme.taps.shape[1])
    seen = [line[start : start + cut.window] for start in cut.starts]
    products = [np.repeat(scheme.taps @ taps, tiles) * (into @ part) for into, part in zip(cut.into, seen, strict=True)]
    found = np.concatenate([bring_back(scheme, one, tiles) for one in products])
    assert np.allclose(found, apply(scheme, line, taps))


def test_tiles_that_do_not_fill_the_blocks_stay_one_block() -> None:
    assert winograd.blocks(winograd.same(20, 4), 2).starts == (0,)


def test_too_many_points_are_refused() -> None:
    with pytest.raises(ValueError, match="no 10 points"):
        winograd.toom_cook(8, 3)
