"""The published net at its full size: against OpenCV 4's Caffe route on real photographs, and cut in fifty places.

Weights of the published size are made by the test data's own script; the published ones are not needed.
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch import caffemodel, published
from colorwatch.errors import ModelError

Floats = NDArray[np.float32]

TOLERANCE = 0.01  # of ab, which goes from -110 to 110
PHOTOGRAPHS = 3


@pytest.fixture(scope="module")
def zhang(testdata: str) -> str:
    return os.path.join(testdata, "zhang2016")


@pytest.fixture(scope="module", params=["random", "real"])
def model(request: pytest.FixtureRequest, testdata: str, zhang: str, tmp_path_factory: Any) -> Iterator[str]:
    """A caffemodel of the published size; "real" has the published layers that are known."""
    path = str(tmp_path_factory.mktemp("model") / f"{request.param}.caffemodel")
    script = os.path.join(testdata, "tools", "make_caffemodel.py")
    real = ["--real", os.path.join(zhang, "front_tail.npz")] if request.param == "real" else []
    subprocess.run([sys.executable, script, path, *real], check=True)
    yield path
    os.unlink(path)


@pytest.fixture(scope="module")
def lightnesses(testdata: str) -> list[Floats]:
    """L - 50 of photographs, (1, 1, 224, 224) each."""
    names = sorted(glob.glob(os.path.join(testdata, "photos", "eval", "*.jpg")))
    assert len(names) > 24
    return [lightness(name) for name in names[:: len(names) // 24]][:24]


def lightness(path: str) -> Floats:
    colour = cv2.imread(path).astype(np.float32) / 255
    light = cv2.cvtColor(colour, cv2.COLOR_BGR2LAB)[:, :, 0]
    return np.asarray(cv2.resize(light, (224, 224), interpolation=cv2.INTER_AREA) - 50, np.float32)[None, None]


def caffe_route(model: str, zhang: str) -> Any:
    """The net as the original script loads it."""
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip(f"OpenCV {cv2.__version__} has no Caffe importer")
    net = cv2.dnn.readNetFromCaffe(os.path.join(zhang, "colorization_deploy_v2.prototxt"), model)
    points = np.load(os.path.join(zhang, "pts_in_hull.npy")).T.reshape(2, 313, 1, 1).astype(np.float32)
    net.getLayer(net.getLayerId("class8_ab")).blobs = [points]
    net.getLayer(net.getLayerId("conv8_313_rh")).blobs = [np.full([1, 313], 2.606, np.float32)]
    return net


def load(onnx: list[bytes], folder: Path) -> Any:
    path = folder / "net.onnx"
    path.write_bytes(b"".join(onnx))
    engine = getattr(cv2.dnn, "ENGINE_NEW", getattr(cv2.dnn, "ENGINE_OPENCV", None))
    return cv2.dnn.readNetFromONNX(str(path), *([] if engine is None else [engine]))


def run(net: Any, x: Floats) -> Floats:
    net.setInput(x)
    return np.array(net.forward())


@pytest.mark.parametrize("graph", ["plain", "fast"])
def test_ab_is_that_of_the_caffe_route(
    graph: str, model: str, zhang: str, lightnesses: list[Floats], tmp_path: Path
) -> None:
    route = caffe_route(model, zhang)
    weights = published.check(caffemodel.read(model), shown=model)
    drawn = published.plain_graph(weights) if graph == "plain" else published.fast_graph(weights, cv2.__version__)
    net = load(drawn, tmp_path)
    for x in lightnesses[:PHOTOGRAPHS]:
        wanted = run(route, x)
        assert np.ptp(wanted) > 0.5
        assert np.abs(run(net, x) - wanted).max() <= TOLERANCE


def test_the_fast_graph_gives_the_ab_of_the_plain_one(model: str, lightnesses: list[Floats], tmp_path: Path) -> None:
    weights = published.check(caffemodel.read(model), shown=model)
    plain = load(published.plain_graph(weights), tmp_path)
    fast = load(published.fast_graph(weights, cv2.__version__), tmp_path)
    for x in lightnesses[:PHOTOGRAPHS]:
        assert np.abs(run(fast, x) - run(plain, x)).max() <= TOLERANCE


def test_a_file_cut_in_fifty_places_is_refused(model: str) -> None:
    content = Path(model).read_bytes()
    view = memoryview(content)
    for end in np.linspace(0, len(content) - 1, 50, dtype=np.int64).tolist():
        with pytest.raises(ModelError):
            published.check(caffemodel.parse(view[:end]))


def test_the_preprocessing_gives_the_activations_that_the_net_was_trained_on(
    zhang: str, lightnesses: list[Floats], tmp_path: Path
) -> None:
    """Mean activations after conv1 to conv3 against the means that the published batch norms hold."""
    known = np.load(os.path.join(zhang, "front_tail.npz"))
    for stage, (last, bound) in enumerate((("conv1_2", 0.98), ("conv2_2", 0.97), ("conv3_3", 0.98)), 1):
        front = _front(known, last)
        net = load([front], tmp_path)
        seen = np.mean([run(net, x).mean((0, 2, 3)) for x in lightnesses], 0)
        stored = known[f"{last}norm_0"] / known[f"{last}norm_2"]
        assert np.corrcoef(seen, stored)[0, 1] > bound, f"stage {stage}"


def _front(known: Any, last: str) -> bytes:
    """The published layers up to `last` and its ReLU, before its batch norm."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, constants, x = [], [], "x"
    channels = 0
    for conv in published.PUBLISHED.front:
        name, channels = conv.name, conv.outputs
        parts = [f"{name}.weight", f"{name}.bias"]
        constants += [numpy_helper.from_array(known[part].astype(np.float32), part) for part in parts]
        nodes.append(helper.make_node("Conv", [x, *parts], [name], strides=[conv.stride] * 2, pads=[1] * 4))
        x = f"{name}.relu"
        nodes.append(helper.make_node("Relu", [name], [x]))
        if name == last:
            break
        if conv.normalised:
            mean, variance, factor = (known[f"{name}norm_{i}"] for i in range(3))
            values = [np.ones(channels), np.zeros(channels), mean / factor, variance / factor]
            names = [f"{name}.{i}" for i in range(4)]
            constants += [numpy_helper.from_array(v.astype(np.float32), n) for v, n in zip(values, names, strict=True)]
            nodes.append(helper.make_node("BatchNormalization", [x, *names], [f"{name}.norm"], epsilon=1e-5))
            x = f"{name}.norm"
    ends = [
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shape)
        for n, shape in (("x", [1, 1, 224, 224]), (x, [1, channels, "height", "width"]))
    ]
    graph = helper.make_graph(nodes, "front", ends[:1], ends[1:], constants)
    opset = [helper.make_opsetid("", 13)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
