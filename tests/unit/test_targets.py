"""Which format a result takes, from the facts of its scan and the wish of the config."""

from __future__ import annotations

import pytest

from colorwatch.scan import COMPRESSIONS, EXTENSIONS, Facts, Fingerprint
from colorwatch.targets import WISHES, encoder_bytes, format_named, losses, target_of


def facts(extension: str, pages: int = 1, side: int = 100) -> Facts:
    return Facts(Fingerprint(1, 2, 3, 4), "d", "x", extension, pages, side, side, 1, 8)


@pytest.mark.parametrize("own", EXTENSIONS)
@pytest.mark.parametrize("wish", WISHES)
def test_a_wish_is_granted_where_nothing_is_lost(own: str, wish: str) -> None:
    found = target_of(facts(EXTENSIONS[own][0]), wish)
    assert found.format == (own if wish == "same" or own == "pdf" else wish)
    assert bool(found.why) == (own == "pdf" and wish not in ("same", "pdf"))


@pytest.mark.parametrize(("wish", "format"), [("jpeg", "tiff"), ("png", "tiff"), ("webp", "tiff"), ("pdf", "pdf")])
def test_pages_are_never_lost(wish: str, format: str) -> None:
    assert target_of(facts(".tif", 3), wish).format == format


@pytest.mark.parametrize("side", [6_000, 6_688, 6_690, 16_384])
def test_a_webp_is_made_as_far_as_its_encoder_has_room(side: int) -> None:
    found = target_of(facts(".jpg", side=side), "webp")
    assert (found.format, bool(found.why)) == (("webp", False) if side < 6_690 else ("jpeg", True))
    assert encoder_bytes(facts(".jpg", side=side), "webp") == (side * side * 24 if side < 6_690 else 0)


def test_what_is_a_webp_already_has_its_encoder_in_its_facts() -> None:
    assert encoder_bytes(facts(".webp"), "same") == encoder_bytes(facts(".webp"), "webp") == 0


def test_a_name_tells_its_format() -> None:
    assert [format_named(name) for name in ("a/b.JPEG", "x.tif", "x.bmp", "x")] == ["jpeg", "tiff", "", ""]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((8, False, False, "jpeg"), ""),
        ((1, False, False, "jpeg"), ""),
        ((16, False, True, "png"), ""),
        ((12, False, False, "jpeg"), "12 bits a channel became 8"),
        ((16, False, True, "pdf"), "transparency was left out"),
        ((16, False, True, "jpeg"), "16 bits a channel became 8, and transparency was left out"),
        ((32, True, False, "tiff"), "floating-point numbers of 32 bits became whole ones of 16"),
        ((16, True, False, "tiff"), ""),
    ],
)
def test_losses_are_told_in_words(given: tuple[int, bool, bool, str], told: str) -> None:
    assert losses(*given) == told


def test_the_config_has_the_same_wishes() -> None:
    from colorwatch.config.schema import Folder

    fields = Folder.model_fields
    assert fields["format"].annotation.__args__ == WISHES  # type: ignore[union-attr]
    assert fields["compression"].annotation.__args__ == COMPRESSIONS  # type: ignore[union-attr]
