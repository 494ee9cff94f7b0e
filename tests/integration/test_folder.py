"""A folder's thread with real files and real inotify: every scan is noticed once, whole, however it arrives."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from colorwatch.disk import originals
from colorwatch.disk.originals import Fate
from colorwatch.disk.publishing import spool_path
from colorwatch.folders.commands import (
    CleanSpool,
    Discard,
    Dispose,
    Forget,
    Incomplete,
    LookAgain,
    Publish,
    Quarantine,
    ZeroTail,
)
from colorwatch.folders.messages import (
    Disposed,
    Ignored,
    NameTaken,
    Published,
    Quarantined,
    Rescanned,
    Settled,
    SpoolCleaned,
    SpoolLost,
    Trouble,
)
from colorwatch.scan import Fingerprint
from colorwatch.watching import inbox as inbox_module
from colorwatch.watching.settle import signature
from desk import QUIET, Desk
from waiting import drip_write, eventually


class TestArriving:
    @pytest.fixture(params=["events", "poll"])
    def desk(self, desks: Callable[..., Desk], request: pytest.FixtureRequest) -> Desk:
        return desks(watch=request.param, poll_seconds=0.1).start()

    def test_a_file_written_in_place(self, desk: Desk) -> None:
        desk.put("x.jpg")
        desk.settles("x.jpg")
        assert desk.all(Settled)[0].fingerprint == Fingerprint.of(os.stat(desk.inbox / "x.jpg"))

    def test_a_file_renamed_in(self, desk: Desk) -> None:
        os.rename(desk.outside("x"), desk.inbox / "x.jpg")
        desk.settles("x.jpg")

    def test_a_file_linked_in(self, desk: Desk) -> None:
        os.link(desk.outside("x"), desk.inbox / "x.jpg")
        desk.settles("x.jpg")

    @pytest.mark.parametrize(
        "temporary", [".x.jpg.tmp", "x.jpg.part", ".syncthing.x.jpg.tmp", ".~x.jpg", "x.jpg.filepart"]
    )
    def test_a_file_that_gets_its_name_at_the_end(self, desk: Desk, temporary: str) -> None:
        os.rename(desk.put(temporary), desk.inbox / "x.jpg")
        desk.settles("x.jpg")

    def test_a_file_linked_to_its_name_and_unlinked_from_the_first(self, desk: Desk) -> None:
        """As maildir does it, and what puts files without replacing."""
        place = desk.put(".x.jpg.tmp")
        os.link(place, desk.inbox / "x.jpg")
        os.unlink(place)
        desk.settles("x.jpg")

    def test_a_file_renamed_over_another_settles_again(self, desk: Desk) -> None:
        desk.put("x.jpg", b"old")
        desk.settles("x.jpg")
        os.rename(desk.outside("x", b"newer"), desk.inbox / "x.jpg")
        desk.settles("x.jpg", "x.jpg")

    def test_a_folder_moved_in_with_its_files(self, desk: Desk) -> None:
        for path in ("album/1.jpg", "album/deep/er/2.jpg"):
            place = desk.top / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"scan")
        os.rename(desk.top / "album", desk.inbox / "album")
        desk.settles("album/1.jpg", "album/deep/er/2.jpg")
        desk.put("album/deep/er/3.jpg")
        desk.settles("album/1.jpg", "album/deep/er/2.jpg", "album/deep/er/3.jpg")

    def test_a_folder_copied_in(self, desk: Desk) -> None:
        for number in range(30):
            place = desk.top / "album" / str(number % 5) / f"{number}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"scan")
        shutil.copytree(desk.top / "album", desk.inbox / "album")
        desk.settles(*(f"album/{number % 5}/{number}.jpg" for number in range(30)))

    def test_files_there_before_the_start(self, desks: Callable[..., Desk]) -> None:
        desk = desks()
        desk.put("x.jpg")
        desk.put("a/y.jpg")
        desk.start()
        desk.settles("x.jpg", "a/y.jpg")

    def test_a_file_moved_about_in_the_inbox_settles_under_its_new_name(self, desk: Desk) -> None:
        desk.put("x.jpg")
        desk.settles("x.jpg")
        os.rename(desk.inbox / "x.jpg", desk.inbox / "y.jpg")
        desk.settles("x.jpg", "y.jpg")

    def test_only_the_top_where_folders_do_not_count(self, desks: Callable[..., Desk]) -> None:
        desk = desks(recursive=False)
        desk.put("a/x.jpg")
        desk.start()
        desk.put("a/y.jpg")
        desk.put("z.jpg")
        desk.settles("z.jpg")

    def test_an_inbox_that_is_a_link(self, desks: Callable[..., Desk], tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        desk = desks(inbox=str(tmp_path / "link"))
        desk.inbox = tmp_path / "real"
        desk.start()
        desk.put("x.jpg")
        desk.settles("x.jpg")

    @pytest.mark.parametrize("reopen", [False, True])
    def test_a_dripped_file_is_never_early(self, desk: Desk, reopen: bool) -> None:
        drip_write(str(desk.inbox / "x.jpg"), [b"page"] * 20, QUIET / 3, reopen=reopen)
        assert desk.settled() == []
        desk.settles("x.jpg")
        assert desk.all(Settled)[0].fingerprint.size == 80

    def test_two_thousand_at_once(self, desk: Desk) -> None:
        names = [f"{number % 7}/{number}.jpg" for number in range(2000)]
        for name in names:
            desk.put(name)
        desk.settles(*names)

    @pytest.mark.parametrize(
        "name", ["a\nb.jpg", os.fsdecode(b"\xff\xfe\x80.jpg"), "y" * 251 + ".jpg", " .jpg", "-rf *.jpg", "x.jpg "]
    )
    def test_any_name_a_disk_can_hold(self, desk: Desk, name: str) -> None:
        desk.put(os.path.join("d\n" + os.fsdecode(b"\xe4"), name))
        desk.put(name)
        desk.settles(name, os.path.join("d\n" + os.fsdecode(b"\xe4"), name))


class TestNotArriving:
    def test_litter_is_passed_over(self, desk: Desk) -> None:
        for name in (
            ".hidden",
            "Thumbs.db",
            "@eaDir/x.jpg",
            "#recycle/x.jpg",
            "x.TMP",
            ".colorwatch-3.aside",
            "._x.jpg",
        ):
            desk.put(name)
        desk.put("x.jpg")
        desk.settles("x.jpg")

    def test_what_is_no_file_is_ignored_with_a_reason_once(self, desks: Callable[..., Desk]) -> None:
        desk = desks(rescan_seconds=0.3)
        (desk.inbox / "link.jpg").symlink_to(desk.outside("x"))
        os.mkfifo(desk.inbox / "fifo.jpg")
        (desk.inbox / "folder.jpg").mkdir()
        (desk.inbox / "plain folder").mkdir()
        desk.start()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(desk.inbox / "socket.jpg"))
        (desk.inbox / "loop").symlink_to(desk.inbox)
        eventually(lambda: len(desk.all(Ignored)) >= 5 and len(desk.all(Rescanned)) >= 3)
        why = {message.path: message.why for message in desk.all(Ignored)}
        assert len(desk.all(Ignored)) == 5
        assert "symbolic link" in why["link.jpg"]
        assert "symbolic link" in why["loop"]
        assert "fifo" in why["fifo.jpg"]
        assert "folder" in why["folder.jpg"]
        assert "socket" in why["socket.jpg"]
        assert desk.settled() == []
        os.unlink(desk.inbox / "fifo.jpg")
        desk.put("fifo.jpg")
        desk.put("folder.jpg/x.jpg")
        desk.settles("fifo.jpg", "folder.jpg/x.jpg")

    def test_known_files_do_not_settle_until_they_change(self, desks: Callable[..., Desk]) -> None:
        desk = desks()
        known = {}
        for name in ("x.jpg", "y.jpg"):
            found = os.stat(desk.put(name))
            known[name] = signature(found.st_size, found.st_mtime_ns)
        desk.start(known)
        desk.put("y.jpg", b"other")
        desk.settles("y.jpg")

    def test_a_file_that_vanishes_before_it_is_quiet(self, desk: Desk) -> None:
        os.unlink(desk.put("x.jpg"))
        desk.put("y.jpg")
        desk.settles("y.jpg")

    def test_a_file_deleted_and_dropped_again_is_new(self, desk: Desk) -> None:
        place = desk.put("x.jpg")
        found = os.stat(place)
        desk.settles("x.jpg")
        os.unlink(place)
        eventually(lambda: not desk.folder._inbox._settler.paths(), message="the deletion noticed")
        desk.put("x.jpg")
        os.utime(place, ns=(found.st_mtime_ns, found.st_mtime_ns))
        desk.settles("x.jpg", "x.jpg")


class TestAgain:
    def settle_one(self, desk: Desk) -> None:
        desk.put("x.jpg")
        desk.settles("x.jpg")

    def test_a_look_again_settles_it_once_more(self, desk: Desk) -> None:
        self.settle_one(desk)
        desk.folder.send(LookAgain("x.jpg", 0.1))
        desk.settles("x.jpg", "x.jpg")

    def test_a_forgotten_file_that_is_there_settles_as_new(self, desk: Desk) -> None:
        self.settle_one(desk)
        desk.folder.send(Forget("x.jpg"))
        desk.settles("x.jpg", "x.jpg")

    def test_an_incomplete_file_comes_back_after_the_silence(self, desk: Desk) -> None:
        self.settle_one(desk)
        desk.folder.send(Incomplete("x.jpg"))
        desk.settles("x.jpg", "x.jpg")
        assert [message.patient for message in desk.all(Settled)] == [False, True]

    def test_an_incomplete_file_that_grows_comes_back_at_once(self, desks: Callable[..., Desk]) -> None:
        desk = desks(incomplete_seconds=600.0).start()
        self.settle_one(desk)
        desk.folder.send(Incomplete("x.jpg"))
        with open(desk.inbox / "x.jpg", "ab") as file:
            file.write(b"more")
        desk.settles("x.jpg", "x.jpg")
        assert not desk.all(Settled)[1].patient

    def test_a_zero_tail_comes_back_and_says_so(self, desk: Desk) -> None:
        self.settle_one(desk)
        desk.folder.send(ZeroTail("x.jpg"))
        desk.settles("x.jpg", "x.jpg")
        assert desk.all(Settled)[1].lengthened


class TestCommands:
    def rendered(self, desk: Desk, job_id: int = 1, final: str = "a/x.jpg", content: bytes = b"colour") -> Publish:
        desk.ask(CleanSpool(frozenset()), SpoolCleaned)
        spool = spool_path(str(desk.outbox), job_id, 1)
        Path(spool).write_bytes(content)
        found = os.stat(spool)
        return Publish(job_id, spool, final, found.st_dev, found.st_ino, hashlib.sha256(content).hexdigest())

    def test_publish_and_discard(self, desk: Desk) -> None:
        publish = self.rendered(desk)
        assert desk.ask(publish, Published) == Published("family", 1, "a/x.jpg")
        desk.folder.send(Discard(publish.spool))
        eventually(lambda: not os.path.exists(publish.spool))
        assert (desk.outbox / "a/x.jpg").read_bytes() == b"colour"

    def test_a_taken_name_and_a_lost_spool_file_are_told(self, desk: Desk) -> None:
        publish = self.rendered(desk)
        (desk.outbox / "a").mkdir()
        (desk.outbox / "a/x.jpg").write_bytes(b"a stranger's")
        assert desk.ask(publish, NameTaken) == NameTaken("family", 1)
        os.unlink(publish.spool)
        assert desk.ask(publish, SpoolLost) == SpoolLost("family", 1)

    def test_an_archived_original_makes_room_for_the_next_of_its_name(self, desk: Desk) -> None:
        desk.put("x.jpg")
        desk.settles("x.jpg")
        answer = desk.ask(Dispose(1, "x.jpg", desk.all(Settled)[0].fingerprint), Disposed)
        assert answer == Disposed("family", 1, Fate.ARCHIVED, str(desk.archive / "x.jpg"))
        desk.put("x.jpg", b"next")
        desk.settles("x.jpg", "x.jpg")

    def test_a_changed_original_settles_again(self, desk: Desk) -> None:
        desk.put("x.jpg")
        desk.settles("x.jpg")
        fingerprint = replace(desk.all(Settled)[0].fingerprint, mtime_ns=1)
        assert desk.ask(Dispose(1, "x.jpg", fingerprint), Disposed).outcome is Fate.CHANGED
        desk.settles("x.jpg", "x.jpg")

    def test_quarantine_moves_the_scan_and_says_why(self, desk: Desk) -> None:
        desk.put("x.jpg")
        desk.settles("x.jpg")
        answer = desk.ask(Quarantine(1, "x.jpg", desk.all(Settled)[0].fingerprint, "title", "reason"), Quarantined)
        assert answer.where == str(desk.top / "quarantine" / "x.jpg")
        assert (desk.top / "quarantine" / "x.jpg - why.txt").exists()
        assert (desk.top / "quarantine" / "x.jpg.reason.json").exists()

    def test_trouble_is_told_in_plain_words_and_the_same_command_works_later(self, desk: Desk) -> None:
        publish = self.rendered(desk)
        os.rename(desk.outbox, desk.top / "unmounted")
        trouble = desk.ask(publish, Trouble)
        assert (trouble.job_id, trouble.step) == (1, "publish")
        assert trouble.message.endswith("the folder is gone")
        os.rename(desk.top / "unmounted", desk.outbox)
        desk.ask(publish, Published)

    def test_a_spool_that_cannot_be_cleaned_is_cleaned_later_by_itself(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("colorwatch.folders.folder.CHECK_SECONDS", 0.1)
        os.rename(desk.outbox, desk.top / "unmounted")
        assert desk.ask(CleanSpool(frozenset()), Trouble).job_id is None
        os.rename(desk.top / "unmounted", desk.outbox)
        eventually(lambda: desk.all(SpoolCleaned))

    def test_a_fault_of_our_own_is_answered_and_the_thread_goes_on(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("a bug")

        desk.put("x.jpg")
        desk.settles("x.jpg")
        with monkeypatch.context() as patch:
            patch.setattr(originals, "dispose", broken)
            trouble = desk.ask(Dispose(1, "x.jpg", desk.all(Settled)[0].fingerprint), Trouble)
        assert (trouble.job_id, trouble.errno) == (1, 0)
        with monkeypatch.context() as patch:
            patch.setattr(inbox_module.Inbox, "_look_at_hints", broken)
            desk.put("y.jpg")
            eventually(lambda: any(message.step == "folder" for message in desk.all(Trouble)))
        desk.settles("x.jpg", "y.jpg")

    def test_commands_are_answered_during_a_long_look(
        self, desks: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = desks()
        for number in range(3000):
            desk.put(f"{number}.jpg")
        gate, reached = threading.Event(), threading.Event()
        real = inbox_module.Inbox._see

        def see(self: inbox_module.Inbox, path: str, found: os.stat_result) -> bool:
            seen.append(path)
            if len(seen) == 1000:
                reached.set()
                assert gate.wait(30)
            return real(self, path, found)

        seen: list[str] = []
        monkeypatch.setattr(inbox_module.Inbox, "_see", see)
        desk.start(looked=False)
        assert reached.wait(30)
        desk.folder.send(CleanSpool(frozenset()))
        gate.set()
        eventually(lambda: desk.all(SpoolCleaned))
        answered = next(i for i, message in enumerate(desk.told) if isinstance(message, SpoolCleaned))
        eventually(lambda: desk.all(Rescanned))
        assert answered < next(i for i, message in enumerate(desk.told) if isinstance(message, Rescanned))
        eventually(lambda: len(set(desk.settled())) == 3000, 30.0)
