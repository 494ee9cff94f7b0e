"""What a page is told to be, by pictures whose kind is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.judge import Kind, judge, weights
from colorwatch.judge.colours import ab_of, measure
from colorwatch.judge.fits import Fits
from pictures import gradient, grey_of, scene, written_page

Bytes = NDArray[np.uint8]

SEPIA = np.stack(
    [np.interp(np.arange(256), (0, 128, 255), stops) for stops in ((28, 140, 248), (18, 108, 236), (12, 78, 214))], 1
)


def rgb(grey: Bytes) -> Bytes:
    return np.dstack([grey] * 3)


def toned(grey: Bytes) -> Bytes:
    return np.rint(SEPIA[grey]).astype(np.uint8)


def yellowed(picture: Bytes) -> Bytes:
    much = np.linspace(0, 1, picture.shape[1])[None, :, None]
    return np.rint(picture * (1 - much + much * np.array([1, 0.94, 0.72]))).astype(np.uint8)


def silvered(picture: Bytes) -> Bytes:
    """A bluish sheen on what is dark in the left third of the page, more of it the nearer to the rim."""
    dark = (1 - picture.mean(axis=2, keepdims=True) / 255) ** 2
    much = 0.6 * dark * np.clip(np.linspace(1, -2, picture.shape[1]), 0, 1)[None, :, None]
    return np.rint(picture * (1 - much) + np.array([90, 108, 140]) * much).astype(np.uint8)


def of_two_hues(picture: Bytes) -> Bytes:
    """On paper that is greenish above and brown below."""
    much = np.linspace(0, 1, picture.shape[0])[:, None, None]
    return np.rint(picture * (np.array([0.95, 1, 0.9]) * (1 - much) + np.array([1, 0.93, 0.8]) * much)).astype(np.uint8)


def as_jpeg(picture: Bytes, quality: int) -> Bytes:
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    written = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)


class TestColour:
    @pytest.mark.parametrize("seed", range(3))
    def test_a_picture_in_colour_is_known(self, seed: int) -> None:
        assert judge(scene(seed=seed)).kind is Kind.COLOUR

    @pytest.mark.parametrize("seed", range(3))
    def test_one_with_faint_colours_too(self, seed: int) -> None:
        lab = cv2.cvtColor(scene(seed=seed), cv2.COLOR_RGB2Lab).astype(np.float32)
        lab[..., 1:] = 128 + 0.5 * (lab[..., 1:] - 128)
        assert judge(cv2.cvtColor(lab.astype(np.uint8), cv2.COLOR_Lab2RGB)).kind is Kind.COLOUR

    def test_grey_is_grey_in_one_channel_or_three(self) -> None:
        grey = grey_of(scene())
        assert judge(grey).kind is judge(rgb(grey)).kind is Kind.GREY

    @pytest.mark.parametrize("quality", [30, 60, 90])
    def test_noise_of_scanner_and_jpeg_is_no_colour(self, quality: int) -> None:
        assert judge(as_jpeg(rgb(grey_of(scene())), quality)).kind is Kind.GREY

    def test_sepia_is_toned(self) -> None:
        assert judge(toned(grey_of(scene()))).kind is Kind.TONED

    def test_paper_that_yellowed_unevenly_is_toned(self) -> None:
        assert judge(as_jpeg(yellowed(toned(grey_of(scene()))), 80)).kind is Kind.TONED
        assert judge(as_jpeg(yellowed(rgb(grey_of(scene()))), 80)).kind is Kind.TONED

    @pytest.mark.parametrize("seed", range(3))
    def test_silver_on_the_surface_is_no_colour(self, seed: int) -> None:
        assert judge(as_jpeg(silvered(toned(grey_of(scene(seed=seed)))), 85)).kind is Kind.TONED

    @pytest.mark.parametrize("seed", range(3))
    def test_paper_of_two_hues_with_an_inscription_is_no_colour(self, seed: int) -> None:
        page = of_two_hues(rgb(grey_of(scene(seed=seed))))
        at = (20, page.shape[0] - 15)
        cv2.putText(page, "Wien, 4. Juni 1887", at, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1, (50, 60, 120), 2, cv2.LINE_AA)
        assert judge(as_jpeg(page, 85)).kind is Kind.TONED

    @pytest.mark.parametrize("card", [(236, 228, 206), (150, 146, 132)])
    def test_nor_is_a_card_of_another_tone_around_the_print(self, card: tuple[int, int, int]) -> None:
        page = cv2.copyMakeBorder(toned(grey_of(scene())), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=card)
        assert judge(np.asarray(as_jpeg(np.asarray(page, np.uint8), 85))).kind is Kind.TONED

    @pytest.mark.parametrize("degrees", range(0, 360, 45))
    def test_nor_is_a_tone_of_whatever_hue(self, degrees: int) -> None:
        lab = np.zeros((*scene().shape[:2], 3), np.float32)
        lab[..., 0] = 10 + grey_of(scene()) * np.float32(85 / 255)
        much = 14 * (1 - np.abs(lab[..., 0] / 50 - 1))
        lab[..., 1], lab[..., 2] = much * np.cos(np.radians(degrees)), much * np.sin(np.radians(degrees))
        page = np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1) * 255).astype(np.uint8)
        assert judge(as_jpeg(page, 85)).kind is Kind.TONED

    def test_chroma_that_is_hardly_there_is_no_colour_whatever_it_follows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lab = cv2.cvtColor(scene().astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        lab[..., 1:] *= np.float32(2 / np.hypot(lab[..., 1], lab[..., 2]).mean())
        page = np.rint(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB) * 255).astype(np.uint8)
        monkeypatch.setattr("colorwatch.judge.index", lambda colours: 5.0)
        assert judge(page).kind is Kind.GREY

    def test_a_red_stamp_on_a_grey_print_does_not_make_it_one_in_colour(self) -> None:
        stamped = rgb(grey_of(scene()))
        cv2.circle(stamped, (380, 280), 36, (190, 30, 40), 4, cv2.LINE_AA)
        assert judge(stamped).kind is Kind.GREY

    def test_what_toning_explains_is_the_tone_itself(self) -> None:
        picture = toned(grey_of(scene()))
        tone = ab_of(measure(picture))
        small = cv2.resize(picture, tone.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        wanted = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)[..., 1:]
        assert np.abs(tone - wanted).mean() < 1


def test_what_changes_in_the_dark_alone_is_explained_by_silver_and_not_by_paper() -> None:
    rng = np.random.default_rng(0)
    light = rng.uniform(0.05, 0.95, (64, 48)).astype(np.float32)
    across = np.linspace(-1, 1, 48, dtype=np.float32)[None, :]
    ratios = np.dstack([-0.2 * (1 - light) * across, 0.3 * (1 - light) * across])
    fits = Fits(light, ratios, np.full((64, 48, 1), 80, np.float32))
    over = [float(np.abs(ratios - explained).mean()) for explained in (fits.by_tone, fits.by_paper, fits.by_silver)]
    assert over[2] < over[1] / 4 < over[0] / 4


def test_the_net_takes_the_figures_in_the_order_in_which_they_are_measured() -> None:
    assert tuple(measure(scene()).figures) == weights.NAMES
    assert weights.FIRST.shape == (len(weights.NAMES), len(weights.BIAS))


class TestStrokes:
    def test_a_page_of_text_is_text_on_paper_of_any_colour(self) -> None:
        page = written_page()
        assert judge(page).kind is Kind.TEXT
        yellow = np.rint(rgb(page) * np.array([1, 0.93, 0.75])).astype(np.uint8)
        assert judge(yellow).kind is Kind.TEXT

    def test_a_photograph_in_a_page_of_text_makes_it_a_picture(self) -> None:
        page = written_page()
        page[200:560, 60:540] = grey_of(scene(480, 360))
        assert judge(page).is_picture

    def test_a_drawing_is_line_art(self) -> None:
        page = np.full((700, 500), 250, np.uint8)
        cv2.ellipse(page, (250, 330), (180, 240), 20, 0, 360, 20, 2, cv2.LINE_AA)
        cv2.line(page, (40, 60), (460, 640), 20, 2, cv2.LINE_AA)
        cv2.rectangle(page, (90, 150), (420, 520), 20, 2, cv2.LINE_AA)
        assert judge(page).kind is Kind.LINE_ART

    def test_an_empty_page_is_blank_with_noise_and_holes(self) -> None:
        page = np.random.default_rng(0).normal(240, 3, (850, 600))
        cv2.circle(page, (30, 250), 8, 90, -1)
        assert judge(np.clip(page, 0, 255).astype(np.uint8)).kind is Kind.BLANK

    def test_light_that_falls_off_from_white_to_black_is_no_paper(self) -> None:
        assert judge(gradient(1200, 800)).is_picture

    def test_a_black_picture_is_no_page(self) -> None:
        assert judge(np.zeros((300, 300), np.uint8)).is_picture


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (3, 2, 3), (64, 64, 3), (900, 70)])
@pytest.mark.parametrize("level", [0, 255])
def test_pictures_of_any_size_are_judged(shape: tuple[int, ...], level: int) -> None:
    assert judge(np.full(shape, level, np.uint8)).kind in Kind
