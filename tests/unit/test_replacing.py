"""A result takes the place of an earlier one, or goes, only while nobody has touched it; no edited one is lost."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import on
from colorwatch.disk import replacing
from colorwatch.disk.names import SPOOL
from colorwatch.disk.publishing import Publication, Rendered, prepare, spool_path
from colorwatch.disk.replacing import Withdrawal, bring_back, publish_over, withdraw
from killing import Disk, failed_at_every_call, killed_at_every_call

OLD, NEW, EDITED = b"an old result" * 100, b"a new result" * 100, b"an edited result" * 100
NO_EXCHANGE = Disk(exchange=False)
KINDS = {
    "all": Disk(),
    "no exchange": NO_EXCHANGE,
    "no exchange, no links": Disk(exchange=False, links=False),
    "no renameat2": Disk(exchange=False, rename_new=False),
}


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest) -> Disk:
    return KINDS[str(request.param)]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Case:
    """An outbox with an old result in a folder, and a new one in the spool."""

    def __init__(self, outbox: Path, there: bytes | None = OLD) -> None:
        (outbox / "a").mkdir(parents=True)
        self.outbox = str(outbox)
        prepare(self.outbox)
        self.spool = spool_path(self.outbox, 5, 2)
        Path(self.spool).write_bytes(NEW)
        if there is not None:
            self.place().write_bytes(there)
        found = os.stat(self.spool)
        self.ours = Rendered(found.st_dev, found.st_ino, digest(NEW))

    def place(self, name: str = "x.jpg") -> Path:
        return Path(self.outbox, "a", name)

    only_over = False

    def publish(self) -> Publication:
        return publish_over(self.outbox, self.spool, "a/x.jpg", self.ours, digest(OLD), only_over=self.only_over)

    def withdraw(self) -> Withdrawal:
        return withdraw(self.outbox, "a/x.jpg", digest(OLD), "job-5")

    def contents(self) -> dict[str, bytes]:
        """What a person sees."""
        return {name: self.place(name).read_bytes() for name in os.listdir(self.place().parent)}

    def in_spool(self) -> list[str]:
        return sorted(os.listdir(os.path.join(self.outbox, SPOOL)))


class TestReplace:
    def test_the_new_result_stands_in_the_place_of_the_old_one(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        assert on(disk, case.publish) is Publication.PUBLISHED
        assert case.contents() == {"x.jpg": NEW}
        assert [name for name in case.in_spool() if name != "5-2.part"] == []
        assert on(disk, case.publish) is Publication.PUBLISHED, "asked again"
        if os.path.exists(case.spool):
            assert Path(case.spool).read_bytes() == NEW, "never the old one"
            os.unlink(case.spool)
        assert on(disk, case.publish) is Publication.PUBLISHED

    def test_an_edited_one_stays_and_the_name_is_taken(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path, EDITED)
        assert on(disk, case.publish) is Publication.TAKEN
        assert case.contents() == {"x.jpg": EDITED}
        assert Path(case.spool).read_bytes() == NEW

    @pytest.mark.parametrize("kind", ["symlink", "folder", "fifo"])
    def test_nor_is_anything_replaced_that_is_no_file(self, tmp_path: Path, kind: str) -> None:
        case = Case(tmp_path, None)
        if kind == "symlink":
            (tmp_path / "old").write_bytes(OLD)
            case.place().symlink_to(tmp_path / "old")
        elif kind == "folder":
            case.place().mkdir()
        else:
            os.mkfifo(case.place())
        before = os.lstat(case.place())
        assert case.publish() is Publication.TAKEN
        assert os.lstat(case.place()).st_ino == before.st_ino

    def test_where_nothing_stands_it_is_published_as_ever(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path, None)
        assert on(disk, case.publish) is Publication.PUBLISHED
        assert case.contents() == {"x.jpg": NEW}

    def test_the_name_is_never_empty_while_they_swap(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        case = Case(tmp_path)
        seen: list[bytes] = []
        real = replacing.exchange

        def exchange(*arguments: object) -> None:
            seen.append(case.place().read_bytes())
            real(*arguments)  # type: ignore[arg-type]
            seen.append(case.place().read_bytes())

        monkeypatch.setattr(replacing, "exchange", exchange)
        case.publish()
        assert seen == [OLD, NEW]

    def test_an_edit_at_the_last_moment_comes_back(
        self, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = Case(tmp_path)
        real = replacing._Replacement._swap

        def swap(self: replacing._Replacement) -> None:
            monkeypatch.undo()
            new = Path(case.outbox, "new")
            new.write_bytes(EDITED)
            os.replace(new, case.place())
            real(self)

        monkeypatch.setattr(replacing._Replacement, "_swap", swap)
        assert on(disk, case.publish) is Publication.TAKEN
        assert case.contents() == {"x.jpg": EDITED}
        assert Path(case.spool).read_bytes() == NEW

    def test_who_is_writing_to_it_keeps_it(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        with open(case.place(), "r+b"):
            assert case.publish() is Publication.TAKEN
            assert case.withdraw() is Withdrawal.EDITED
        assert case.contents() == {"x.jpg": OLD}
        assert case.publish() is Publication.PUBLISHED

    def test_two_edits_at_once_are_both_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        case = Case(tmp_path)
        real = replacing.exchange

        def exchange(*arguments: object) -> None:
            for _ in range(2):
                new = Path(case.outbox, "new")
                new.write_bytes(EDITED + str(len(edits)).encode())
                edits.append(new.read_bytes())
                os.replace(new, case.place())
                if len(edits) == 1:
                    real(*arguments)  # type: ignore[arg-type]
            monkeypatch.undo()

        edits: list[bytes] = []
        monkeypatch.setattr(replacing, "exchange", exchange)
        assert case.publish() is Publication.LOST
        assert sorted(case.contents().values()) == sorted(edits)

    def test_a_result_that_is_the_same_as_the_old_one_is_published(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path, NEW)
        assert on(disk, case.publish) is Publication.PUBLISHED
        assert case.contents() == {"x.jpg": NEW}

    def test_a_lost_spool_file_is_said_to_be_and_the_old_result_stays(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        os.unlink(case.spool)
        assert on(disk, case.publish) is Publication.LOST
        assert case.contents() == {"x.jpg": OLD}


class TestWithdraw:
    def test_an_untouched_result_goes(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        assert on(disk, case.withdraw) is Withdrawal.REMOVED
        assert case.contents() == {}
        assert case.in_spool() == ["5-2.part"]
        assert on(disk, case.withdraw) is Withdrawal.GONE, "asked again"

    def test_an_edited_one_stays(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path, EDITED)
        assert on(disk, case.withdraw) is Withdrawal.EDITED
        assert case.contents() == {"x.jpg": EDITED}

    def test_an_edit_at_the_last_moment_comes_back(
        self, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = Case(tmp_path)
        real = replacing.rename_ours

        def rename(source: int, name: str, target: int, new_name: str) -> None:
            new = Path(case.outbox, "new")
            new.write_bytes(EDITED)
            os.replace(new, case.place())
            real(source, name, target, new_name)

        monkeypatch.setattr(replacing, "rename_ours", rename)
        assert on(disk, case.withdraw) is Withdrawal.EDITED
        assert case.contents() == {"x.jpg": EDITED}
        assert case.in_spool() == ["5-2.part"]

    def test_what_is_not_there_is_gone(self, tmp_path: Path) -> None:
        case = Case(tmp_path, None)
        assert case.withdraw() is Withdrawal.GONE
        os.rmdir(case.place().parent)
        assert case.withdraw() is Withdrawal.GONE

    def test_an_outbox_that_is_gone_is_no_answer(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            withdraw(str(tmp_path / "unmounted"), "x.jpg", digest(OLD), "job-5")


class TestBringBack:
    def test_to_its_place_or_the_next_free_name(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path, EDITED)

        def back() -> str | None:
            return bring_back(case.outbox, "a/x.jpg", "b/x.jpg", digest(EDITED))

        (tmp_path / "b").mkdir()
        (tmp_path / "b/x.jpg").write_bytes(b"a stranger's")
        assert on(disk, back) == "b/x (2).jpg"
        assert (tmp_path / "b/x.jpg").read_bytes() == b"a stranger's"
        assert (tmp_path / "b/x (2).jpg").read_bytes() == EDITED
        assert on(disk, back) == "b/x (2).jpg", "asked again"

    def test_what_is_in_neither_place_is_nowhere(self, tmp_path: Path) -> None:
        case = Case(tmp_path, None)
        assert bring_back(case.outbox, "a/x.jpg", "b/x.jpg", digest(EDITED)) is None
        assert bring_back(case.outbox, "c/x.jpg", "b/x.jpg", digest(EDITED)) is None


class TestKilled:
    @pytest.mark.parametrize(
        ("there", "only_over"),
        [(OLD, False), (EDITED, False), (None, False), (OLD, True), (None, True)],
        ids=["old", "edited", "nothing", "only over old", "only over nothing"],
    )
    def test_a_kill_at_any_point_and_the_same_call_again_replace_once(
        self, tmp_path: Path, disk: Disk, there: bytes | None, only_over: bool
    ) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            cases[name] = Case(tmp_path / name, there)
            cases[name].only_over = only_over
            return cases[name].publish

        wanted = {EDITED: (Publication.TAKEN, {"x.jpg": EDITED})}.get(
            there or b"", (Publication.PUBLISHED, {"x.jpg": NEW})
        )
        wanted = (Publication.NOTHING, {}) if only_over and there is None else wanted
        for name in killed_at_every_call(start, disk):
            case = cases[name]
            assert on(disk, case.publish) is wanted[0], name
            assert case.contents() == wanted[1], name
            assert set(case.in_spool()) <= {"5-2.part"}, name
            if os.path.exists(case.spool):
                assert Path(case.spool).read_bytes() == NEW, name

    def test_nor_is_an_edit_lost_that_came_in_between(self, tmp_path: Path, disk: Disk) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            case = cases[name] = Case(tmp_path / name)
            real = replacing._Replacement._swap

            def swap(replacement: replacing._Replacement) -> None:
                if case.place().read_bytes() == OLD:
                    new = Path(case.outbox, "new")
                    new.write_bytes(EDITED)
                    os.replace(new, case.place())
                real(replacement)

            def work() -> None:
                replacing._Replacement._swap = swap  # type: ignore[method-assign]
                case.publish()

            return work

        for name in killed_at_every_call(start, disk):
            case = cases[name]
            assert on(disk, case.publish) in (Publication.TAKEN, Publication.PUBLISHED), name
            edited = not os.path.exists(os.path.join(case.outbox, "new")) and EDITED in case.contents().values()
            if not edited:  # killed before the edit
                assert case.contents() == {"x.jpg": NEW}, name

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
    def test_nor_does_a_failing_call_lose_anything(self, tmp_path: Path, disk: Disk, code: int) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            cases[name] = Case(tmp_path / name)
            return cases[name].publish

        for name, _ in failed_at_every_call(start, code, disk):
            case = cases[name]
            assert on(disk, case.publish) is Publication.PUBLISHED, name
            contents = case.contents()
            assert contents.pop("x.jpg") == NEW, name
            # What could not be read for a moment may have been a person's, and so it was put back.
            assert contents in ([{}, {"x (2).jpg": OLD}] if code == errno.EACCES else [{}]), name
            assert set(case.in_spool()) <= {"5-2.part"}, name

    @pytest.mark.parametrize("there", [OLD, EDITED], ids=["old", "edited"])
    def test_a_withdrawal_ends_as_if_it_had_not_been_killed(self, tmp_path: Path, disk: Disk, there: bytes) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            cases[name] = Case(tmp_path / name, there)
            return cases[name].withdraw

        for name in killed_at_every_call(start, disk):
            case = cases[name]
            end = on(disk, case.withdraw)
            if there == OLD:
                assert end in (Withdrawal.REMOVED, Withdrawal.GONE), name
                assert case.contents() == {}, name
            else:
                assert end is Withdrawal.EDITED, name
                assert case.contents() == {"x.jpg": EDITED}, name
            assert case.in_spool() == ["5-2.part"], name

    def test_nor_is_a_file_lost_on_its_way_back(self, tmp_path: Path, disk: Disk) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            case = cases[name] = Case(tmp_path / name, EDITED)
            return lambda: bring_back(case.outbox, "a/x.jpg", "b/x.jpg", digest(EDITED))

        for name in killed_at_every_call(start, disk):
            case = cases[name]
            back = on(disk, lambda case=case: bring_back(case.outbox, "a/x.jpg", "b/x.jpg", digest(EDITED)))  # type: ignore[misc]
            assert back == "b/x.jpg", name
            assert Path(case.outbox, "b/x.jpg").read_bytes() == EDITED
            assert case.contents() == {}, name


def test_a_result_is_never_wider_open_than_its_mode_on_the_way(tmp_path: Path) -> None:
    case = Case(tmp_path)
    os.chmod(case.spool, 0o600)
    case.publish()
    assert stat.S_IMODE(case.place().stat().st_mode) == 0o600
