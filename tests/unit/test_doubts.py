"""An absence counts once the folder has shown that it is the one that was known."""

from __future__ import annotations

from colorwatch.watching.doubts import Doubts


def doubts(*paths: str) -> Doubts:
    found = Doubts()
    found.begin(paths)
    return found


def test_all_are_in_doubt_until_one_of_their_folder_is_seen_unchanged() -> None:
    d = doubts("x", "y", "a/x", "a/y")
    assert len(d) == 4
    d.saw("a/x", unchanged=True)
    assert "a/y" not in d
    assert "x" in d
    d.saw("y", unchanged=True)
    assert not d


def test_another_file_of_the_same_name_shows_nothing_of_the_others() -> None:
    d = doubts("x", "y")
    d.saw("x", unchanged=False)
    assert "x" not in d
    assert "y" in d
    d.saw("stray", unchanged=True)
    assert "y" in d


def test_what_came_into_doubt_later_was_elsewhere_and_stays_in_doubt() -> None:
    """The share's files, then a stray one in the folder it is mounted on; the share comes back."""
    d = doubts("x", "y")
    d.begin(["x", "y", "stray"])
    assert len(d) == 3
    d.saw("x", unchanged=True)
    assert "y" not in d
    assert "stray" in d


def test_only_what_is_below_a_folder_can_come_into_doubt() -> None:
    d = Doubts()
    d.begin(["x", "a/x", "a/b/y", "ab/z"], below="a")
    assert ["x" in d, "a/x" in d, "a/b/y" in d, "ab/z" in d] == [False, True, True, False]
    assert bool(d)
