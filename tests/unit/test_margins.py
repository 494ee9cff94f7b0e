"""Where colour belongs: prints are found in what is around them, and nothing else keeps any."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.judge.margins import assembled, inside, rolled_off
from colorwatch.judge.prints import Print, find, reading_order
from pictures import gradient, grey_of, scene, written_page

Bytes = NDArray[np.uint8]

WHOLE = Print(0, 0, 1, 1, ((0, 0), (1, 0), (1, 1), (0, 1)))


def surrounded(grey: Bytes, level: int, top: int = 40, bottom: int = 60, left: int = 90, right: int = 30) -> Bytes:
    page = cv2.copyMakeBorder(grey, top, bottom, left, right, cv2.BORDER_CONSTANT, value=float(level))
    noise = np.random.default_rng(0).normal(0, 1, page.shape)
    return np.clip(np.rint(page + noise), 0, 255).astype(np.uint8)


def glass(level: int) -> Bytes:
    page = np.full((1000, 1240), level, np.uint8)
    for number, (top, left) in enumerate(((40, 60), (60, 680), (540, 50), (520, 700))):
        page[top : top + 360, left : left + 480] = grey_of(scene(480, 360, seed=number))
    return page


class TestPrints:
    @pytest.mark.parametrize("level", [255, 240, 6, 20, 128])
    def test_a_print_is_found_in_its_margin(self, level: int) -> None:
        (found,) = find(surrounded(grey_of(scene()), level))
        assert found.left == pytest.approx(90 / 600, abs=0.01)
        assert found.right == pytest.approx(570 / 600, abs=0.01)
        assert found.top == pytest.approx(40 / 460, abs=0.01)
        assert found.bottom == pytest.approx(400 / 460, abs=0.01)

    def test_one_on_two_sides_alone_too(self) -> None:
        assert len(find(surrounded(grey_of(scene()), 252, top=0, left=0))) == 1

    def test_a_white_border_on_black_glass_is_no_part_of_the_picture(self) -> None:
        (found,) = find(surrounded(surrounded(grey_of(scene()), 240, 20, 20, 20, 20), 8))
        assert found.left == pytest.approx(110 / 640, abs=0.012)

    def test_one_that_lies_askew_keeps_its_outline(self) -> None:
        page = surrounded(grey_of(scene()), 250, 100, 100, 100, 100)
        turn = cv2.getRotationMatrix2D((340, 280), 4, 1)
        page = cv2.warpAffine(page, turn, page.shape[::-1], borderValue=250)
        (found,) = find(np.asarray(page, np.uint8))
        mask = inside(found, 560, 680) > 0.5
        assert 0.95 * 480 * 360 < mask.sum() < 1.03 * 480 * 360

    def test_they_come_as_they_are_read(self) -> None:
        # Two rows, whose prints lie a little up and down, at any height on the page; and one that is as high as two.
        for shift in np.linspace(0, 0.1, 11):
            rows = [
                (0.1, 0.02 + shift, 0.4, 0.3),
                (0.5, 0.0 + shift, 0.9, 0.3),
                (0.1, 0.5, 0.4, 0.8),
                (0.5, 0.47, 0.9, 0.8),
            ]
            assert reading_order(rows) == [0, 1, 2, 3]
            assert reading_order(rows[::-1]) == [3, 2, 1, 0]
        assert reading_order([(0.59, 0.5, 0.9, 0.9), (0.1, 0.1, 0.4, 0.9), (0.6, 0.1, 0.9, 0.4)]) == [1, 2, 0]
        assert reading_order([]) == []

    @pytest.mark.parametrize("level", [250, 10])
    def test_four_prints_on_a_glass_are_four(self, level: int) -> None:
        found = find(glass(level))
        assert [(round(one.top, 1), round(one.left, 1)) for one in found] == [(0, 0), (0.1, 0.5), (0.5, 0), (0.5, 0.6)]

    def test_a_picture_without_margins_has_none(self) -> None:
        for seed in range(5):
            assert find(grey_of(scene(seed=seed))) == []
        assert find(gradient(600, 400)) == []

    def test_a_sky_above_a_straight_horizon_is_no_margin(self) -> None:
        sea = grey_of(scene())
        sea[:120] = np.linspace(190, 214, 120)[:, None].astype(np.uint8)
        assert find(sea) == []

    @pytest.mark.parametrize("shape", [(1, 1), (2, 400), (30, 30), (400, 25)])
    def test_pictures_of_any_size_are_looked_at(self, shape: tuple[int, int]) -> None:
        assert find(np.full(shape, 255, np.uint8)) == []
        assert isinstance(find(np.asarray(written_page()[: shape[0], : shape[1]])), list)


class TestWeights:
    def test_black_and_white_keep_no_chroma_and_the_middle_all(self) -> None:
        kept = rolled_off(np.array([0, 1, 10, 50, 90, 99.5, 100], np.float32))
        assert kept.tolist() == [0, 0, 1, 1, 1, 0, 0]

    def test_it_fades_smoothly(self) -> None:
        kept = rolled_off(np.linspace(0, 100, 2001, dtype=np.float32))
        assert np.abs(np.diff(kept)).max() < 0.02

    def test_ab_of_each_print_stands_in_its_place_and_nowhere_else(self) -> None:
        left = Print(0.1, 0.1, 0.4, 0.9, ((0.1, 0.1), (0.4, 0.1), (0.4, 0.9), (0.1, 0.9)))
        right = Print(0.6, 0.1, 0.9, 0.9, ((0.6, 0.1), (0.9, 0.1), (0.9, 0.9), (0.6, 0.9)))
        page = assembled(
            [(left, np.full((56, 56, 2), 20, np.float32)), (right, np.full((56, 56, 2), -30, np.float32))], 100, 100
        )
        assert page[50, 25].tolist() == pytest.approx([20, 20])
        assert page[50, 75].tolist() == pytest.approx([-30, -30])
        assert not page[:, 42:58].any()
        assert not page[:8].any()

    def test_a_whole_page_is_all_inside(self) -> None:
        assert inside(WHOLE, 20, 30).min() == 1
