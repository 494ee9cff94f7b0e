"""What a page is told to be, by pictures whose kind is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.judge import Kind, judge
from colorwatch.judge.colours import ab_of, measure
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
