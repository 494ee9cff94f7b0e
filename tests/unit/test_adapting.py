"""A net with a manifest is given what it asks for, and what it gives becomes ab."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.colour.adapting import adapt
from colorwatch.colour.lab import LIGHTNESS_OF_GREY
from colorwatch.colour.onepage import wanted_side
from colorwatch.errors import ModelError
from colorwatch.manifest import CONTRACT, Input, Manifest, Output
from onnxnets import mixing_net

Floats = NDArray[np.float32]

AB = Output("ab", (1.0, 1.0), (0.0, 0.0))


def described(into: Input, out: Output = AB) -> Manifest:
    return Manifest("test", "", "", into, out)


def forward_of(content: bytes) -> Callable[[Floats], Floats]:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))

    def forward(blob: Floats) -> Floats:
        net.setInput(blob)
        return np.asarray(net.forward(), np.float32)

    return forward


def seen(into: Input, lightness: Floats) -> Floats:
    """What the net is handed."""
    blobs = []

    def forward(blob: Floats) -> Floats:
        blobs.append(blob)
        return np.zeros((1, 2, 8, 8), np.float32)

    adapt(described(into), forward)(lightness)
    assert blobs[0].dtype == np.float32
    assert blobs[0].shape == into.shape
    return blobs[0][0]


ramp = np.linspace(0, 100, 64 * 64, dtype=np.float32).reshape(64, 64)


class TestInput:
    def test_lightness_is_scaled_and_shifted(self) -> None:
        blob = seen(Input("L", (64, 64), (0.02,), (-1.0,)), ramp)
        assert np.allclose(blob[0], ramp / 50 - 1, atol=1e-6)

    def test_grey_has_the_level_of_the_lightness_in_all_channels(self) -> None:
        levels = np.arange(256, dtype=np.float32)
        lightness = np.resize(LIGHTNESS_OF_GREY, (16, 16)).astype(np.float32)
        blob = seen(Input("grey_rgb", (16, 16), (255.0,) * 3, (0.0,) * 3), lightness)
        assert np.abs(blob - levels.reshape(1, 16, 16)).max() < 0.1

    def test_each_channel_may_have_a_line_of_its_own(self) -> None:
        plain = seen(Input("grey_rgb", (64, 64), (1.0,) * 3, (0.0,) * 3), ramp)
        blob = seen(Input("grey_rgb", (64, 64), (2.0, 3.0, 4.0), (5.0, 6.0, 7.0)), ramp)
        for channel in range(3):
            assert np.allclose(blob[channel], plain[channel] * (2 + channel) + 5 + channel, atol=1e-5)

    def test_lab_is_lightness_without_colour(self) -> None:
        blob = seen(Input("lab", (64, 64), (1.0,) * 3, (0.0,) * 3), ramp)
        assert np.array_equal(blob[0], ramp)
        assert not blob[1:].any()

    @pytest.mark.parametrize("size", [(32, 32), (32, 96), (128, 128), (50, 30)])
    def test_lightness_of_another_size_is_brought_to_the_nets(self, size: tuple[int, int]) -> None:
        blob = seen(Input("L", size, (1.0,), (0.0,)), ramp)
        assert blob.shape == (1, *size)
        assert blob.min() >= 0
        assert blob.max() <= 100
        assert abs(float(blob.mean()) - 50) < 0.5


class TestOutput:
    def test_ab_is_scaled_and_shifted(self) -> None:
        net = forward_of(mixing_net(np.array([[1.0], [-1.0]]), (64, 64), shrink=4))
        predict = adapt(described(Input("L", (64, 64), (0.01,), (0.0,)), Output("ab", (50.0, 20.0), (1.0, 2.0))), net)
        ab = predict(ramp)
        assert ab.shape == (16, 16, 2)
        assert ab.dtype == np.float32
        assert np.allclose(ab[..., 0], ramp[::4, ::4] / 2 + 1, atol=1e-4)
        assert np.allclose(ab[..., 1], ramp[::4, ::4] / -5 + 2, atol=1e-4)

    def test_rgb_becomes_its_ab(self) -> None:
        # Red is brighter than the grey by a tenth, blue darker.
        shift = np.array([0.1, 0.0, -0.1], np.float32)
        net = forward_of(mixing_net(np.eye(3), (64, 64), bias=shift * 255))
        into = Input("grey_rgb", (64, 64), (255.0,) * 3, (0.0,) * 3)
        ab = adapt(described(into, Output("rgb", (1 / 255,) * 3, (0.0,) * 3)), net)(ramp)
        lab = np.zeros((64, 64, 3), np.float32)
        lab[..., 0] = ramp
        rgb = (cv2.cvtColor(lab, cv2.COLOR_Lab2RGB) + shift).clip(0, 1)
        assert np.abs(ab - cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[..., 1:]).max() < 0.01

    def test_grey_out_is_no_colour(self) -> None:
        into = Input("grey_rgb", (64, 64), (1.0,) * 3, (0.0,) * 3)
        net = forward_of(mixing_net(np.eye(3), (64, 64)))
        ab = adapt(described(into, Output("rgb", (1.0,) * 3, (0.0,) * 3)), net)(ramp)
        assert np.abs(ab).max() < 0.2  # OpenCV looks up Lab in tables

    def test_colours_beyond_all_colours_are_cut(self) -> None:
        predict = adapt(CONTRACT, lambda _: np.full((1, 2, 56, 56), 1e30, np.float32))
        assert predict(np.zeros((224, 224), np.float32)).max() == 128

    @pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 2, 8, 8), (2, 8, 8), (1, 2, 0, 8)])
    def test_another_shape_than_said_is_refused(self, shape: tuple[int, ...]) -> None:
        predict = adapt(CONTRACT, lambda _: np.zeros(shape, np.float32))
        with pytest.raises(ModelError, match=r"The net the colorwatch contract gives an array \("):
            predict(np.zeros((224, 224), np.float32))

    def test_numbers_that_are_not_finite_are_refused(self) -> None:
        predict = adapt(CONTRACT, lambda _: np.full((1, 2, 56, 56), np.nan, np.float32))
        with pytest.raises(ModelError, match="not finite"):
            predict(np.zeros((224, 224), np.float32))


def test_the_side_that_is_wanted_is_known() -> None:
    assert wanted_side(adapt(described(Input("L", (256, 320), (1.0,), (0.0,))), np.zeros_like)) == 320
    assert wanted_side(lambda lightness: lightness) == 224
