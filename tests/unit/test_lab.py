import cv2
import numpy as np
import pytest

from colorwatch.colour.lab import (
    LARGEST_CHROMA,
    LIGHTNESS_OF_GREY,
    Chroma,
    Painter,
    lightness,
    net_lightness,
    strip_rows,
    toned,
)

D65 = np.array([0.950456, 1.0, 1.088754])
TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])


def reference_lightness(rgb):
    """L of sRGB (..., 3), 0..255, in double precision."""
    value = np.asarray(rgb, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    y = linear @ TO_XYZ[1]
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def reference_rgb(lab):
    """sRGB (..., 3), 0..255, of Lab in double precision; what sRGB does not have is mixed with the grey of its Y."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D65
    linear = xyz @ np.linalg.inv(TO_XYZ).T
    y = xyz[..., 1:2]
    share = np.ones_like(y)
    for limit, beyond in ((1, linear > 1), (0, linear < 0)):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.minimum(share, np.where(beyond, (limit - y) / (linear - y), 1).min(-1, keepdims=True))
    linear = y + np.maximum(share, 0) * (linear - y)
    return 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def grey_of(rgb, top):
    """The grey level, not rounded, that is as light as a colour."""
    value = rgb / top
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4) @ TO_XYZ[1]
    return top * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-12) ** (1 / 2.4) - 0.055)


def painted(pixels, ab):
    height, width = pixels.shape[:2]
    return Painter(pixels, Chroma(ab, width, height), height).paint(0, height)


def test_the_table_is_cie_lightness_of_grey():
    levels = np.arange(256)
    assert np.abs(LIGHTNESS_OF_GREY - reference_lightness(np.stack([levels] * 3, -1))).max() < 1e-3


@pytest.mark.parametrize("ab", [(0, 0), (12, 20), (-15, 8), (5, -25), (30, 30)])
def test_every_grey_level_is_painted_within_one_level_of_the_formula(ab):
    grey = np.tile(np.arange(256, dtype=np.uint8), (2, 1))
    lab = np.empty((2, 256, 3))
    lab[..., 0], lab[..., 1:] = LIGHTNESS_OF_GREY[grey], ab
    wanted = np.clip(reference_rgb(lab), 0, 255)
    result = painted(grey, np.full((56, 56, 2), ab, np.float32))
    assert np.abs(result - wanted).max() <= 1.0


@pytest.mark.parametrize("colours", [1, 3])
def test_lightness_stays_within_one_level_where_the_gamut_allows(colours):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (300, 200) if colours == 1 else (300, 200, 3), dtype=np.uint8)
    ab = rng.uniform(-30, 30, (56, 56, 2)).astype(np.float32)
    full = cv2.resize(ab, (200, 300), interpolation=cv2.INTER_CUBIC)
    own = reference_lightness(pixels if colours == 3 else np.dstack([pixels] * 3))
    within = reference_rgb(np.dstack([own, full]))
    inside = ((within >= 0) & (within <= 255)).all(-1)
    result = reference_lightness(painted(pixels, ab))
    # One level, at this lightness, as a step of L.
    level = np.interp(own, LIGHTNESS_OF_GREY[1:], np.diff(LIGHTNESS_OF_GREY))
    assert inside.mean() > 0.3
    assert (np.abs(result - own) / level)[inside].max() <= 1.0


def test_no_colour_leaves_grey_as_it_was():
    grey = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    result = painted(grey, np.zeros((56, 56, 2), np.float32))
    assert np.abs(result.astype(int) - grey[..., None]).max() <= 1


def test_positive_a_is_red_and_positive_b_is_yellow():
    grey = np.full((10, 10), 128, np.uint8)
    red = painted(grey, np.full((56, 56, 2), (40, 0), np.float32))[5, 5]
    yellow = painted(grey, np.full((56, 56, 2), (0, 40), np.float32))[5, 5]
    assert red[0] > red[1]
    assert yellow[0] > yellow[2] < yellow[1]


@pytest.mark.parametrize("size", [(1000, 700), (333, 57), (40, 30), (1, 1), (56, 56), (5, 2000), (3000, 4)])
def test_chroma_is_that_of_a_bicubic_resize_of_the_whole(size):
    width, height = size
    ab = np.random.default_rng(1).uniform(-60, 60, (56, 56, 2)).astype(np.float32)
    rows = np.empty((height, 2, width), np.float32)
    Chroma(ab, width, height).write_rows(0, rows)
    found = rows.transpose(0, 2, 1) * (500, -200)
    wanted = cv2.resize(ab, size, interpolation=cv2.INTER_CUBIC).reshape(height, width, 2)
    assert np.abs(found - wanted).max() < 2e-3


@pytest.mark.parametrize("shape", [(3000, 2111), (500, 224), (224, 224), (225, 5000), (100, 90), (1, 1), (300, 60, 3)])
def test_the_net_sees_area_averages(shape):
    pixels = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    wanted = cv2.resize(lightness(pixels), (224, 224), interpolation=cv2.INTER_AREA)
    found = net_lightness(pixels)
    assert found.dtype == np.float32
    assert found.shape == (224, 224)
    if min(shape[:2]) >= 224:
        assert np.abs(found - wanted).max() < 1e-3
    assert abs(found.mean() - lightness(pixels).mean()) < 1.5


def test_a_strip_has_at_least_one_row():
    assert strip_rows(1_000_000) == 1
    assert strip_rows(1) >= 1


@pytest.mark.parametrize("colours", [1, 3])
def test_tables_of_either_opencv_give_the_same_pixels(colours, monkeypatch):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (60, 90) if colours == 1 else (60, 90, 3), dtype=np.uint8)
    ab = rng.uniform(-110, 110, (56, 56, 2)).astype(np.float32)
    first = painted(pixels, ab).copy()
    monkeypatch.setattr("colorwatch.colour.lab._WIDE_TABLES", False)
    assert (painted(pixels, ab) == first).all()


@pytest.mark.parametrize("part", [1, 7, 30, 60])
def test_a_strip_that_is_painted_in_parts_is_the_same(part, monkeypatch):
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (60, 90), dtype=np.uint8)
    ab = rng.uniform(-60, 60, (56, 56, 2)).astype(np.float32)
    whole = painted(pixels, ab).copy()
    monkeypatch.setattr("colorwatch.colour.lab.STRIP_PIXELS", 90 * part)
    painter = Painter(pixels, Chroma(ab, 90, 60), 40)
    assert (painter.paint(0, 40) == whole[:40]).all()
    assert (painter.paint(40, 60) == whole[40:]).all()


def test_colours_beyond_the_gamut_lose_chroma_and_no_lightness():
    grey = np.tile(np.arange(256, dtype=np.uint8), (2, 1))
    for ab in [(200, 0), (-200, 0), (0, 200), (0, -200), (128, -128), (-128, 128)]:
        lab = np.empty((2, 256, 3))
        lab[..., 0], lab[..., 1:] = LIGHTNESS_OF_GREY[grey], ab
        wanted = np.clip(reference_rgb(lab), 0, 255)
        found = painted(grey, np.full((56, 56, 2), ab, np.float32))
        assert np.abs(found - wanted).max() <= 1.0
        assert np.abs(grey_of(found, 255) - grey).max() <= 1.0


def test_blue_first_is_the_same_picture_turned_round():
    grey = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    ab = np.random.default_rng(6).uniform(-40, 40, (56, 56, 2)).astype(np.float32)
    red_first = painted(grey, ab).copy()
    blue_first = Painter(grey, Chroma(ab, 256, 16), 16, blue_first=True).paint(0, 16)
    assert (blue_first[..., ::-1] == red_first).all()


def test_lightness_of_every_colour_is_that_of_the_formula():
    steps = np.linspace(0, 255, 18).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(18, -1, 3)
    assert np.abs(lightness(cube) - reference_lightness(cube)).max() < 0.02


def ab_fan(most=LARGEST_CHROMA):
    """ab (40, 60, 2): every hue, chroma rising from row to row."""
    chroma, hue = np.meshgrid(np.linspace(0, most, 40), np.linspace(0, 2 * np.pi, 60), indexing="ij")
    return np.stack([chroma * np.cos(hue), chroma * np.sin(hue)], -1).astype(np.float32)


def chroma_of(ab):
    return np.hypot(ab[..., 0].astype(float), ab[..., 1])


def test_settings_that_change_nothing_leave_the_nets_own_colours():
    ab = ab_fan()
    assert toned(ab, 1.0, 1.0) is ab


@pytest.mark.parametrize("strength", [0, 0.25, 1])
@pytest.mark.parametrize("saturation", [0, 0.5, 1, 1.2, 2])
def test_strength_and_saturation_keep_hue_and_order(strength, saturation):
    ab = ab_fan()
    found = toned(ab, strength, saturation)
    assert found.dtype == np.float32
    assert found[..., 0] * ab[..., 1] == pytest.approx(found[..., 1] * ab[..., 0], abs=0.02)
    assert (np.diff(chroma_of(found), axis=0) >= -1e-4).all()
    assert chroma_of(found).max() <= LARGEST_CHROMA * strength * min(saturation, 1) + 1e-3
    assert chroma_of(found)[1].mean() == pytest.approx(strength * saturation * chroma_of(ab)[1].mean(), rel=0.05)


def test_no_colour_beyond_the_largest_is_raised():
    ab = ab_fan(400)
    beyond = chroma_of(ab) > LARGEST_CHROMA
    assert chroma_of(toned(ab, 1, 2))[beyond] == pytest.approx(chroma_of(ab)[beyond], rel=1e-5)


@pytest.mark.parametrize(
    ("level", "ab"),
    [(70, (15, 18)), (45, (18, 22)), (80, (10, 15)), (65, (-4, -32)), (55, (2, -40)), (75, (-8, -22)), (50, (-35, 35))],
    ids=["skin", "dark skin", "fair skin", "sky", "deep sky", "pale sky", "grass"],
)
@pytest.mark.parametrize("saturation", [0.8, 1.2])
def test_skin_sky_and_grass_keep_their_hue_and_lightness_when_they_are_made_stronger(level, ab, saturation):
    grey = np.full((20, 20), np.searchsorted(LIGHTNESS_OF_GREY, level), np.uint8)
    wanted = toned(np.full((56, 56, 2), ab, np.float32), 1, saturation)
    assert chroma_of(wanted)[0, 0] / np.hypot(*ab) == pytest.approx(1 + (saturation - 1) * 0.8, abs=0.06)
    rgb = painted(grey, wanted)
    assert reference_lightness(rgb) == pytest.approx(LIGHTNESS_OF_GREY[grey], abs=0.5)
    seen = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 1:]
    assert seen == pytest.approx(wanted[:20, :20], abs=1.0)


def test_a_picture_without_strength_is_the_grey_scan():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ab = np.random.default_rng(5).uniform(-90, 90, (56, 56, 2)).astype(np.float32)
    assert np.abs(painted(grey, toned(ab, 0, 2)).astype(int) - grey[..., None]).max() <= 1
