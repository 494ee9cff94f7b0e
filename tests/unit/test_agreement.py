"""A page that leaves doubt is judged with the net's guess beside it; any other is judged alone."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.colour.colorize import colorize
from colorwatch.judge import Kind, judge, weights, weights_asked
from colorwatch.judge.agreement import FITS, agreement
from colorwatch.judge.colours import measure
from colorwatch.judge.deciding import DOUBT, figures_asked
from colorwatch.protocol import RenderRequest
from colorwatch.scan import Fingerprint, RenderSettings
from pictures import encoded, grey_of, scene

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def lab_of(picture: Bytes) -> Floats:
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)


def rgb_of(lab: Floats) -> Bytes:
    return np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1) * 255).astype(np.uint8)


def own_ab(picture: Bytes, side: int = 56) -> Floats:
    """What a net would give that knew the colours."""
    return np.asarray(cv2.resize(lab_of(picture)[..., 1:], (side, side), interpolation=cv2.INTER_AREA), np.float32)


def faint(picture: Bytes) -> Bytes:
    lab = lab_of(picture)
    lab[..., 1:] *= 0.4
    return rgb_of(lab)


def patchy(picture: Bytes, seed: int) -> Bytes:
    """A grey print whose tone changes from place to place, heedless of what it shows."""
    rng = np.random.default_rng(seed)
    lab = lab_of(np.dstack([grey_of(picture)] * 3))
    patches = cv2.resize(
        rng.normal(0, 6, (7, 7, 2)).astype(np.float32), lab.shape[1::-1], interpolation=cv2.INTER_CUBIC
    )
    lab[..., 1:] = patches
    return rgb_of(lab)


class TestAgreement:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("fit", FITS)
    def test_colours_of_things_go_with_a_guess_at_them_and_patches_do_not(self, seed: int, fit: str) -> None:
        picture = scene(seed=seed)
        guess = own_ab(picture)
        colours, patches = (agreement(measure(page), guess) for page in (faint(picture), patchy(picture, seed)))
        for how in ("agrees", "evenly"):
            assert colours[f"{fit}, {how}"] > 0.5 > abs(patches[f"{fit}, {how}"]) + 0.1

    def test_the_opposite_colours_disagree(self) -> None:
        picture = scene(seed=1)
        assert agreement(measure(picture), -own_ab(picture))["silver, agrees"] < -0.3

    def test_pale_colours_agree_as_strong_ones_do_and_with_a_pale_guess_as_with_a_strong_one(self) -> None:
        picture = scene(seed=2)
        guess = own_ab(picture)
        strong, pale, paler = (
            agreement(measure(page), ab)["paper, agrees"]
            for page, ab in ((picture, guess), (faint(picture), guess), (faint(picture), guess / 3))
        )
        assert abs(strong - pale) < 0.15
        assert abs(paler - pale) < 0.15

    def test_a_guess_without_colour_says_nothing(self) -> None:
        found = agreement(measure(scene()), np.zeros((56, 56, 2), np.float32))
        assert all(abs(figure) < 0.05 for name, figure in found.items())

    @pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 5)])
    def test_pages_of_any_shape_have_one(self, shape: tuple[int, int]) -> None:
        page = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        found = agreement(measure(page), np.full((56, 56, 2), 9, np.float32))
        assert np.isfinite(list(found.values())).all()


def test_the_second_net_takes_the_figures_in_the_order_in_which_they_are_made() -> None:
    colours = measure(scene())
    agreed = agreement(colours, own_ab(scene()))
    assert ("own", *agreed, *weights.NAMES) == weights_asked.NAMES
    assert len(figures_asked(colours, 0.0, agreed)) == len(weights_asked.NAMES) == len(weights_asked.FIRST)


class TestAsking:
    @pytest.mark.parametrize(
        ("own", "asked"), [(DOUBT[0] - 0.1, 0), (DOUBT[0] + 0.1, 1), (0.1, 1), (DOUBT[1] - 0.1, 1), (DOUBT[1] + 0.1, 0)]
    )
    def test_the_net_is_asked_where_the_page_alone_leaves_doubt(
        self, monkeypatch: pytest.MonkeyPatch, own: float, asked: int
    ) -> None:
        monkeypatch.setattr("colorwatch.judge.index", lambda colours: own)
        seen = []

        def guess() -> Floats:
            seen.append(1)
            return own_ab(scene())

        found = judge(scene(), guess)
        assert len(seen) == asked
        assert ("agrees" in found.figures) == bool(asked)
        assert found.figures.get("at_first", found.figures["own_colours"]) == round(own, 2)

    @pytest.mark.parametrize(("settled", "kind"), [(1.0, Kind.COLOUR), (-1.0, Kind.GREY)])
    def test_what_it_says_decides(self, monkeypatch: pytest.MonkeyPatch, settled: float, kind: Kind) -> None:
        monkeypatch.setattr("colorwatch.judge.index", lambda colours: -settled)
        monkeypatch.setattr("colorwatch.judge.index_asked", lambda colours, own, agreed: settled)
        monkeypatch.setattr("colorwatch.judge.TONED", 1e9)
        assert judge(scene(), lambda: own_ab(scene())).kind is kind

    def test_a_grey_page_a_page_of_text_and_one_without_a_guess_ask_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def guess() -> Floats:
            raise AssertionError("asked")

        assert judge(grey_of(scene()), guess).kind is Kind.GREY
        monkeypatch.setattr("colorwatch.judge.index", lambda colours: 0.5)
        assert judge(scene()).kind is Kind.COLOUR

    @pytest.mark.parametrize("own", [0.0, DOUBT[1] + 1, DOUBT[0] - 1])
    @pytest.mark.parametrize("settled", [1.0, -1.0])
    def test_a_page_costs_one_pass_at_most_whatever_it_turns_out_to_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: float, settled: float
    ) -> None:
        monkeypatch.setattr("colorwatch.judge.index", lambda colours: own)
        monkeypatch.setattr("colorwatch.judge.index_asked", lambda colours, own, agreed: settled)
        seen = []

        def predict(lightness: Floats) -> Floats:
            seen.append(lightness.shape)
            return own_ab(scene())

        (tmp_path / "scan").write_bytes(encoded(scene(), "PNG"))
        fingerprint = Fingerprint.of(os.stat(tmp_path / "scan"))
        request = RenderRequest(1, str(tmp_path), "scan", fingerprint, str(tmp_path / "spool"), 0, RenderSettings())
        verdict = colorize(request, predict).verdicts[0]
        in_doubt = own == 0
        left = settled > 0 if in_doubt else own > 0
        assert verdict.left is left
        assert len(seen) == (1 if in_doubt or not left else 0)
