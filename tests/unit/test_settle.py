"""A path is released when it has been quiet, once, and again only for a reason."""

from __future__ import annotations

import time

from colorwatch.watching.settle import LENGTHENED_QUIET, Seen, Settler, signature

QUIET = 5.0
PATIENCE = 3600.0


def settler(known: dict[str, int] | None = None) -> Settler:
    return Settler(QUIET, PATIENCE, known)


def paths(released: list[object]) -> list[str]:
    return [quiet.path for quiet in released]  # type: ignore[attr-defined]


class TestQuietTime:
    def test_a_path_is_released_after_the_quiet_time_and_not_before(self) -> None:
        s = settler()
        s.observe("a", 1, 1, 1, 0.0)
        assert s.next_due() == QUIET
        assert s.due(QUIET - 0.001) == []
        assert paths(s.due(QUIET)) == ["a"]

    def test_a_change_of_size_time_or_inode_starts_the_quiet_time_again(self) -> None:
        for changed in ((2, 1, 1), (1, 2, 1), (1, 1, 2)):
            s = settler()
            s.observe("a", 1, 1, 1, 0.0)
            s.observe("a", *changed, 4.0)
            assert s.due(8.9) == []
            assert paths(s.due(9.0)) == ["a"]

    def test_the_same_look_again_does_not_lengthen_the_wait(self) -> None:
        s = settler()
        for now in range(5):
            s.observe("a", 1, 1, 1, float(now))
        assert paths(s.due(QUIET)) == ["a"]

    def test_a_file_time_in_the_past_or_future_changes_nothing(self) -> None:
        s = settler()
        s.observe("old", 1, -(10**18), 1, 0.0)
        s.observe("new", 1, 4 * 10**18, 2, 0.0)
        assert s.due(4.9) == []
        assert sorted(paths(s.due(5.0))) == ["new", "old"]

    def test_a_limit_leaves_the_rest_for_the_next_call(self) -> None:
        s = settler()
        for number in range(10):
            s.observe(f"{number}", 1, 1, 1, 0.0)
        assert len(s.due(5.0, 4)) == 4
        assert s.next_due() == QUIET
        assert len(s.due(5.0)) == 6


class TestSeen:
    def test_a_look_says_what_it_was(self) -> None:
        s = settler({"known": signature(1, 1)})
        assert s.observe("known", 1, 1, 7, 0.0) is Seen.SAME
        assert s.observe("known", 2, 1, 7, 0.0) is Seen.CHANGED
        assert s.observe("a", 1, 1, 1, 0.0) is Seen.NEW
        assert s.observe("a", 1, 1, 1, 1.0) is Seen.SAME
        assert s.observe("a", 1, 1, 2, 2.0) is Seen.CHANGED
        s.due(9.0)
        assert s.observe("a", 1, 1, 2, 9.0) is Seen.SAME
        s.forget("a")
        assert s.observe("a", 1, 1, 2, 9.0) is Seen.NEW

    def test_what_was_seen_is_remembered_until_it_is_forgotten(self) -> None:
        s = settler({"known": signature(1, 1)})
        s.observe("a", 1, 1, 1, 0.0)
        assert [s.remembers(path) for path in ("known", "a", "b")] == [True, True, False]
        s.forget("known")
        assert not s.remembers("known")


class TestOnce:
    def test_a_released_path_is_not_released_again_while_it_is_unchanged(self) -> None:
        s = settler()
        s.observe("a", 1, 1, 1, 0.0)
        s.due(5.0)
        s.observe("a", 1, 1, 1, 6.0)
        assert s.next_due() is None

    def test_a_changed_one_is(self) -> None:
        s = settler()
        s.observe("a", 1, 1, 1, 0.0)
        s.due(5.0)
        s.observe("a", 2, 1, 1, 6.0)
        assert paths(s.due(11.0)) == ["a"]

    def test_known_files_are_not_released_even_under_another_inode(self) -> None:
        s = settler({"a": signature(10, 20)})
        s.observe("a", 10, 20, 99, 0.0)
        assert s.next_due() is None
        s.observe("a", 11, 20, 99, 0.0)
        assert s.next_due() == QUIET

    def test_a_forgotten_path_is_new(self) -> None:
        s = settler({"a": signature(1, 1)})
        s.forget("a")
        s.observe("a", 1, 1, 1, 0.0)
        assert paths(s.due(5.0)) == ["a"]
        s.observe("b", 1, 1, 1, 0.0)
        s.forget("b")
        assert s.due(9.0) == []
        assert len(s) == 1


class TestReleasedAgain:
    def released(self) -> Settler:
        s = settler()
        s.observe("a", 1, 1, 1, 0.0)
        s.due(5.0)
        return s

    def test_wait_releases_an_unchanged_path_once_more(self) -> None:
        s = self.released()
        s.wait("a", 5.0, 30.0)
        assert s.due(34.9) == []
        (quiet,) = s.due(35.0)
        assert quiet.matches(1, 1, 77)
        assert not quiet.patient
        assert s.next_due() is None

    def test_wait_for_a_path_never_seen_comes_without_a_signature(self) -> None:
        s = settler()
        s.wait("a", 0.0, 1.0)
        (quiet,) = s.due(1.0)
        assert quiet.signature is None
        assert not quiet.matches(1, 1, 1)

    def test_a_change_while_waiting_starts_a_quiet_time(self) -> None:
        s = self.released()
        s.wait("a", 5.0, 1000.0)
        s.observe("a", 2, 1, 1, 6.0)
        assert paths(s.due(11.0)) == ["a"]
        assert s.next_due() is None

    def test_wait_leaves_a_running_quiet_time_alone(self) -> None:
        s = settler()
        s.observe("a", 1, 1, 1, 0.0)
        s.wait("a", 1.0, 0.0)
        assert s.due(4.0) == []

    def test_a_later_wait_replaces_an_earlier_one(self) -> None:
        s = self.released()
        s.incomplete("a", 5.0)
        s.wait("a", 6.0, 0.0)
        (quiet,) = s.due(6.0)
        assert not quiet.patient

    def test_an_incomplete_file_comes_back_as_patient_after_the_silence(self) -> None:
        s = self.released()
        s.incomplete("a", 5.0)
        s.observe("a", 1, 1, 1, 100.0)
        assert s.due(5.0 + PATIENCE - 1) == []
        (quiet,) = s.due(5.0 + PATIENCE)
        assert quiet.patient
        assert s.next_due() is None

    def test_an_incomplete_file_that_grows_comes_back_soon_and_not_as_patient(self) -> None:
        s = self.released()
        s.incomplete("a", 5.0)
        s.observe("a", 2, 2, 1, 100.0)
        (quiet,) = s.due(105.0)
        assert not quiet.patient
        assert s.due(10 * PATIENCE) == []

    def test_a_zero_tail_waits_longer_once(self) -> None:
        s = self.released()
        s.lengthen("a", 5.0)
        assert s.unsettled == 1
        assert s.due(5.0 + LENGTHENED_QUIET * QUIET - 0.1) == []
        (quiet,) = s.due(5.0 + LENGTHENED_QUIET * QUIET)
        assert quiet.lengthened
        assert s.unsettled == 0


class TestSize:
    def test_a_file_that_changes_for_hours_leaves_no_trail(self) -> None:
        s = settler()
        for change in range(100_000):
            s.observe("a", change, change, 1, change / 10)
        assert len(s._heap) < 100

    def test_calls_do_not_scan_what_is_pending(self) -> None:
        s = settler()
        for number in range(100_000):
            s.observe(f"{number}", 1, 1, number, 0.0)
        began = time.perf_counter()
        for _ in range(1000):
            assert s.due(1.0) == []
        assert time.perf_counter() - began < 0.5

    def test_unsettled_counts_running_quiet_times(self) -> None:
        s = settler()
        for number in range(3):
            s.observe(f"{number}", 1, 1, 1, 0.0)
        s.forget("0")
        assert s.unsettled == 2
        s.due(5.0)
        assert s.unsettled == 0
        s.incomplete("1", 5.0)
        s.wait("2", 5.0, 5.0)
        assert s.unsettled == 0
        assert sorted(s.paths()) == ["1", "2"]
