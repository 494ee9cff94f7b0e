"""Names that any disk takes, that are free, and that never leave their folder."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorwatch.disk import names
from colorwatch.disk.names import SPOOL, below, free_name, next_name, numbered, safe_name, shortened


class TestNames:
    def test_the_number_goes_before_the_ending(self) -> None:
        assert next_name("a/x.jpg", 2) == "a/x (2).jpg"
        assert next_name("x", 3) == "x (3)"
        assert next_name("x.tar.gz", 3) == "x.tar (3).gz"

    def test_a_long_name_is_cut_between_characters(self) -> None:
        name = next_name("ä" * 125 + "x.jpg", 12)
        assert name == "ä" * 123 + " (12).jpg"
        assert len(os.fsencode(name)) <= 255

    def test_a_very_long_ending_is_none(self) -> None:
        name = next_name("x." + "y" * 253, 2)
        assert name.endswith("y (2)")
        assert len(name) == 255

    @given(st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name))
    def test_any_name_a_disk_can_hold_gets_a_next_one_that_fits(self, name: bytes) -> None:
        one, other = (next_name(f"a/{os.fsdecode(name)}", number) for number in (2, 3))
        assert one != other
        assert len(os.fsencode(one)) <= 255 + 2
        assert one.startswith("a/")

    @pytest.mark.parametrize(
        ("path", "safe"),
        [
            ("a/b.jpg", "a/b.jpg"),
            ("a\nb\x7f.jpg", "a_b_.jpg"),
            (os.fsdecode(b"\xff\xfe.jpg"), "__.jpg"),
            ("../x.jpg", "__/x.jpg"),
            ("./x.jpg", "_/x.jpg"),
            ("/etc/x", "etc/x"),
            (".colorwatch/1-1.part", "_colorwatch/1-1.part"),
            (".ColorWatch-x", "_ColorWatch-x"),
            ("x\u202egpj.exe", "x_gpj.exe"),
            ("父/写真\u3000一.png", "父/写真\u3000一.png"),
            ("", "_"),
            ("again/x.jpg", "again_/x.jpg"),
            ("Quarantine/a/x.jpg", "Quarantine_/a/x.jpg"),
            ("a/again/x.jpg", "a/again/x.jpg"),
            ("again", "again"),
            ("againx/x.jpg", "againx/x.jpg"),
        ],
    )
    def test_safe_names(self, path: str, safe: str) -> None:
        assert safe_name(path) == safe

    @given(st.binary(max_size=300).filter(lambda name: b"\0" not in name).map(os.fsdecode))
    def test_a_safe_name_stays_in_its_folder_and_can_be_shown(self, path: str) -> None:
        safe = safe_name(path)
        parts = safe.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not any(part.startswith(SPOOL) for part in parts)
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in safe)
        assert len(os.fsencode(safe)) <= max(1, len(os.fsencode(path))) + 1
        assert len(parts) == 1 or parts[0].casefold() not in ("again", "quarantine")
        safe.encode("utf-8")

    def test_a_shortened_name_keeps_its_ending(self) -> None:
        assert shortened("y" * 300 + ".jpg", 50) == "y" * 46 + ".jpg"
        assert shortened("x.jpg", 50) == "x.jpg"

    @pytest.mark.parametrize(
        ("path", "root", "inside"),
        [
            ("/a/b/x", "/a", "b/x"),
            ("/a/b", "/a/", "b"),
            ("/a", "/a", None),
            ("/ab/x", "/a", None),
            ("/a/../x", "/a", None),
            ("/a/b/../../c", "/a", None),
            ("x", "/a", None),
        ],
    )
    def test_what_lies_below_a_folder(self, path: str, root: str, inside: str | None) -> None:
        assert below(path, root) == inside


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


class TestNumbers:
    def test_the_first_free_name_in_a_row(self, tmp_path: Path, folder: int) -> None:
        for number in range(1, 70):
            name = free_name(folder, "x.jpg")
            assert name == ("x.jpg" if number == 1 else f"x ({number}).jpg")
            (tmp_path / name).touch()

    def test_a_hundred_thousandth_name_takes_few_looks(self, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
        looks: list[str] = []
        taken = {next_name("x.jpg", number) for number in range(2, 100_000)} | {"x.jpg"}

        def look(_: int, name: str) -> object:
            looks.append(name)
            return object() if name in taken else None

        monkeypatch.setattr(names, "stat_at", look)
        assert free_name(folder, "x.jpg") == "x (100000).jpg"
        assert len(looks) < 50

    @given(st.sets(st.integers(1, 40)))
    def test_whatever_the_gaps_the_name_is_free(self, taken: set[int]) -> None:
        there = {"x.jpg" if number == 1 else next_name("x.jpg", number) for number in taken}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(names, "stat_at", lambda _, name: object() if name in there else None)
            assert free_name(0, "x.jpg") not in there

    def test_those_of_a_name_are_found_in_order_and_through_gaps(self, tmp_path: Path, folder: int) -> None:
        for name in (
            "x (10).jpg",
            "x (2).jpg",
            "x.jpg",
            "x (1).jpg",
            "x (02).jpg",
            "x (3).png",
            "y (4).jpg",
            "x.jpg (5)",
        ):
            (tmp_path / name).touch()
        assert numbered(folder, "x.jpg") == ["x.jpg", "x (2).jpg", "x (10).jpg"]

    @given(
        st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name),
        st.integers(2, 10**12),
    )
    def test_a_numbered_name_is_known_as_one(self, name: bytes, number: int) -> None:
        entry = next_name(os.fsdecode(name), number)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "listdir", lambda _: [entry])
            assert numbered(0, os.fsdecode(name)) == [entry]
