import os

import cv2
import numpy as np
import pytest

from colorwatch.colour.net import Net, load
from colorwatch.errors import ModelError
from colorwatch.protocol import WorkerSetup

MODEL = os.path.join(os.path.dirname(__file__), "..", "..", "models", "compact.onnx")


@pytest.fixture(scope="module")
def net():
    if not os.path.exists(MODEL):
        pytest.skip("the embedded net is not in models/")
    return Net.load(MODEL)


def test_lightness_becomes_ab(net):
    lightness = np.random.default_rng(0).uniform(0, 100, (224, 224)).astype(np.float32)
    ab = net.predict_ab(lightness)
    assert ab.shape == (56, 56, 2)
    assert ab.dtype == np.float32
    assert np.abs(ab).max() <= 111
    assert (net.predict_ab(lightness) == ab).all()


def test_the_result_is_not_overwritten_by_the_next(net):
    first = net.predict_ab(np.full((224, 224), 20, np.float32))
    kept = first.copy()
    net.predict_ab(np.full((224, 224), 80, np.float32))
    assert (first == kept).all()


def test_the_net_runs_on_one_thread(net):
    assert cv2.getNumThreads() == 1


def test_the_setup_of_a_worker_loads_a_warm_net(net):
    predict = load(WorkerSetup(0, MODEL, small=True))
    lightness = np.full((224, 224), 60, np.float32)
    assert np.abs(predict(lightness) - net.predict_ab(lightness)).max() < 0.1


def test_a_name_that_is_not_utf_8_is_no_obstacle(net, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"gr\xfcn.onnx")
    os.symlink(os.path.abspath(MODEL), path)
    assert Net.load(os.fsdecode(path)).predict_ab(np.zeros((224, 224), np.float32)).shape == (56, 56, 2)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x07" * 500])
def test_a_foreign_model_is_refused_with_a_sentence(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^The model .*\.$"):
        load(WorkerSetup(0, str(path)))


def test_a_cut_model_is_refused(net, tmp_path):
    path = tmp_path / "model.onnx"
    with open(MODEL, "rb") as file:
        path.write_bytes(file.read()[:1_000_000])
    with pytest.raises(ModelError):
        Net.load(str(path))


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="not there"):
        Net.load(str(tmp_path / "gone.onnx"))


def test_a_net_of_another_shape_is_refused(net, monkeypatch):
    monkeypatch.setattr("colorwatch.colour.net.OUTPUT_SHAPE", (1, 2, 64, 64))
    with pytest.raises(ModelError, match="needs ab"):
        load(WorkerSetup(0, MODEL))


@pytest.mark.parametrize("missing", [(), ("ENGINE_CLASSIC",), ("ENGINE_NEW",), ("ENGINE_CLASSIC", "ENGINE_NEW")])
def test_engines_are_looked_up_not_assumed(net, monkeypatch, missing):
    for name in missing:
        monkeypatch.delattr(cv2.dnn, name, raising=False)
    lightness = np.linspace(0, 100, 224 * 224, dtype=np.float32).reshape(224, 224)
    assert np.abs(Net.load(MODEL).predict_ab(lightness) - net.predict_ab(lightness)).max() < 0.1
