"""Curves of ICC profiles, from profiles made by hand and by LittleCMS."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from colorwatch.codecs.icc import curves_of
from profiles import ADOBE_RGB, DOT_GAIN, GAMMA_18, dot_gain, power, profile

VALUES = np.linspace(0, 1, 65536)


def para(kind: int, *numbers: float) -> bytes:
    return b"para" + struct.pack(">IHH", 0, kind, 0) + b"".join(struct.pack(">i", round(n * 65536)) for n in numbers)


def grey(curve: bytes, meeting: bytes = b"XYZ ") -> bytes:
    made = profile(b"GRAY", {b"kTRC": curve})
    return made[:20] + meeting + made[24:]


def test_a_gamma_and_a_table_are_read() -> None:
    for made, light in ((GAMMA_18, power(VALUES, 1.8)), (DOT_GAIN, dot_gain(VALUES))):
        found = curves_of(made, 16)
        assert found is not None
        assert np.abs(found.light[0] - light).max() < 1e-9


def test_three_curves_and_a_matrix_give_luminance() -> None:
    found = curves_of(ADOBE_RGB, 8)
    assert found is not None
    assert sum(found.weights) == pytest.approx(1)
    assert found.weights == pytest.approx((0.3111, 0.6257, 0.0632), abs=1e-3)


def test_littlecms_own_srgb_has_srgbs_curve() -> None:
    found = curves_of(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), 16)
    assert found is not None
    wanted = np.where(VALUES <= 0.04045, VALUES / 12.92, ((VALUES + 0.055) / 1.055) ** 2.4)
    assert np.abs(found.light[1] - wanted).max() < 1e-4


SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@pytest.mark.parametrize(
    ("curve", "light"),
    [
        (para(0, 2.2), VALUES ** (round(2.2 * 65536) / 65536)),
        (para(1, 2.0, 1.25, -0.25), np.maximum(1.25 * VALUES - 0.25, 0) ** 2),
        (para(2, 2.0, 0.8, 0.0, 0.36), (0.8 * VALUES) ** 2 + 0.36),
        (para(3, *SRGB), np.where(VALUES <= 0.04045, VALUES / 12.92, ((VALUES + 0.055) / 1.055) ** 2.4)),
        (para(4, *SRGB, 0.0, 0.0), np.where(VALUES <= 0.04045, VALUES / 12.92, ((VALUES + 0.055) / 1.055) ** 2.4)),
        (b"curv" + bytes(8), VALUES),
    ],
)
def test_every_kind_of_curve_is_read_and_black_is_black(curve: bytes, light: np.ndarray) -> None:
    found = curves_of(grey(curve), 16)
    assert found is not None
    black = light[0]
    assert np.abs(found.light[0] - (light - black) / (1 - black)).max() < 1e-4


def test_a_curve_that_meets_in_lab_is_one_of_lightness() -> None:
    found = curves_of(grey(b"curv" + bytes(8), b"Lab "), 8)
    assert found is not None
    assert found.light[0][128] == pytest.approx(((100 * 128 / 255 + 16) / 116) ** 3)


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"junk" * 100,
        GAMMA_18[:200],
        profile(b"GRAY", {}),
        profile(b"CMYK", {b"A2B0": b"mft2"}),
        profile(b"RGB ", {b"A2B0": b"mft2"}),
        grey(b"curv" + struct.pack(">II", 0, 4) + bytes(8)),
        grey(b"curv" + struct.pack(">II", 0, 3) + struct.pack(">3H", 65535, 9, 65535)),
        grey(b"curv" + struct.pack(">II", 0, 1 << 31)),
        grey(para(9)),
        grey(para(1, 2.2, 0.0, 0.0)),
    ],
)
def test_what_has_no_sound_curve_has_none(made: bytes) -> None:
    assert curves_of(made, 8) is None


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=8), at=st.sampled_from([0, 1, 2]))
def test_no_damage_raises(changes: list[tuple[int, int]], at: int) -> None:
    content = bytearray((GAMMA_18, DOT_GAIN, ADOBE_RGB)[at])
    for place, value in changes:
        content[place % len(content)] = value
    found = curves_of(bytes(content), 8)
    assert found is None or all(np.isfinite(light).all() for light in found.light)
