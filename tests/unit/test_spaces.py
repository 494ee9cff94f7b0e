"""Colours of all kinds to sRGB, against LittleCMS by another road and against the formulas."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

import colorwatch.codecs.decoding
from colorwatch.codecs.spaces import conversion, grey_of_lightness, whole_numbers
from fidelity import grey_of, grey_of_light
from fidelity import grey_of_lightness as by_formula
from profiles import ADOBE_RGB, DOT_GAIN, GAMMA_18, PROPHOTO, power

pyvips = colorwatch.codecs.decoding.pyvips

RNG = np.random.default_rng(8)


def image_of(array: NDArray[Any], interpretation: str, profile: bytes = b"") -> Any:
    height, width, bands = array.shape
    name = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[str(array.dtype)]
    image = pyvips.Image.new_from_memory(array.tobytes(), width, height, bands, name).copy(
        interpretation=interpretation
    )
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def through(array: NDArray[Any], interpretation: str, colours: int, profile: bytes = b"") -> NDArray[Any]:
    image = image_of(array, interpretation, profile)
    bits = array.dtype.itemsize * 8
    found = conversion(image, colours, bits)
    pixels = found.apply(image).numpy()
    pixels = pixels.reshape(*array.shape[:2], -1)
    return np.asarray(pixels if found.finish is None else found.finish(pixels))


@pytest.mark.parametrize("profile", [ADOBE_RGB, PROPHOTO], ids=["Adobe RGB", "ProPhoto"])
@pytest.mark.parametrize("alpha", [False, True])
def test_wide_rgb_becomes_the_grey_of_its_luminance(profile: bytes, alpha: bool) -> None:
    array = RNG.integers(0, 256, (20, 30, 3 + alpha), dtype=np.uint8)
    found = through(array, "srgb", 3, profile)
    assert found.shape == (20, 30, 1 + alpha)
    # Y of the connection space: LittleCMS' own Lab, 8 bits of it.
    source, lab = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("LAB", 5003)
    turned = ImageCms.buildTransform(source, lab, "RGB", "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    wanted = ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(array[..., :3])), turned)
    assert wanted is not None
    lightness = np.asarray(wanted)[..., 0] / 255 * 100
    assert np.abs(found[..., 0] / 255 - by_formula(lightness)).max() * 255 < 2.5
    if alpha:
        assert (found[..., 1] == array[..., 3]).all()


@pytest.mark.parametrize("profile", [GAMMA_18, DOT_GAIN], ids=["gamma", "dot gain"])
def test_grey_and_its_alpha_go_through_the_curve(profile: bytes) -> None:
    array = RNG.integers(0, 65536, (20, 30, 2), dtype=np.uint16)
    found = through(array, "grey16", 1, profile)
    assert (found[..., 1] == array[..., 1]).all()
    if profile is GAMMA_18:
        wanted = grey_of_light(power(array[..., 0] / 65535, 1.8))
        assert np.abs(found[..., 0] / 65535 - wanted).max() * 65535 <= 0.5001


def test_cmyk_goes_through_a_profile_for_printing() -> None:
    inks = np.zeros((4, 4, 4), np.uint8)
    inks[0], inks[1, :, 3] = 0, 255
    found = through(inks, "cmyk", 4)
    assert found[0].min() >= 250, "no ink is paper"
    assert found[1].max() <= 60, "black ink is dark"
    assert conversion(image_of(inks, "cmyk"), 4, 8).profile is not None


def test_without_a_profile_numbers_stay() -> None:
    array = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert (through(array, "srgb", 3) == array).all()
    assert conversion(image_of(array, "srgb"), 3, 8).profile is None


@pytest.mark.parametrize(("kind", "largest"), [(np.uint8, 255), (np.uint16, 65535), (np.uint16, 0xFF00)])
def test_of_lab_the_lightness_stays(kind: Any, largest: int) -> None:
    top = np.iinfo(kind).max
    array = RNG.integers(0, top + 1, (20, 30, 3), dtype=kind)
    found = grey_of_lightness(image_of(array, "srgb" if top == 255 else "rgb16"), largest).numpy()
    lightness = np.minimum(array[..., 0] / largest, 1) * 100
    assert np.abs(grey_of(found / top) - by_formula(lightness)).max() * top <= 0.5001


@pytest.mark.parametrize("wrong", [-0.001, 1.001, np.nan, np.inf, -np.inf])
def test_numbers_beyond_0_to_1_are_marked(wrong: float) -> None:
    array = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)
    assert (whole_numbers(image_of(array, "b-w"), False).numpy()[..., 1] == 255).all()
    assert np.abs(whole_numbers(image_of(array, "b-w"), False).numpy()[..., 0] - array[..., 0] * 65535.0).max() <= 0.51
    assert (
        np.abs(whole_numbers(image_of(array, "b-w"), True).numpy()[..., 0] - (1 - array[..., 0]) * 65535).max() <= 0.51
    )
    array[3, 4] = wrong
    flags = whole_numbers(image_of(array, "b-w"), False).numpy()[..., 1]
    assert (flags == 0).sum() == 1
    assert flags[3, 4] == 0
