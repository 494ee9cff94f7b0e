"""What the service asks of a folder's disks is done and answered by the folder's thread."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from colorwatch.disk import originals
from colorwatch.disk.asides import aside_name
from colorwatch.disk.names import SPOOL
from colorwatch.disk.publishing import spool_path
from colorwatch.folders import folder as folder_module
from colorwatch.folders import outbox as outbox_module
from colorwatch.folders.commands import (
    AgainOver,
    CleanSpool,
    DescribeAccess,
    Discard,
    Dispose,
    Expire,
    GiveBack,
    OldPath,
    Publish,
    Quarantine,
    RestoreAsides,
    Unpublish,
)
from colorwatch.folders.messages import (
    Access,
    AgainEnded,
    AsidesRestored,
    AskedAgain,
    Disposed,
    Expired,
    GivenBack,
    NameTaken,
    OldPathFound,
    Published,
    Quarantined,
    Settled,
    Space,
    SpoolCleaned,
    Trouble,
    Unpublished,
)
from colorwatch.scan import Fingerprint
from colorwatch.watching import inbox as inbox_module
from desk import Desk
from waiting import eventually


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def rendered(desk: Desk, job_id: int = 1, content: bytes = b"colour", replaces: bytes = b"") -> Publish:
    desk.ask(CleanSpool(frozenset()), SpoolCleaned)
    spool = spool_path(str(desk.outbox), job_id, 1)
    Path(spool).write_bytes(content)
    found = os.stat(spool)
    over = digest(replaces) if replaces else ""
    return Publish(job_id, spool, "a/x.jpg", found.st_dev, found.st_ino, digest(content), over)


class TestResults:
    def test_one_replaces_its_predecessor_and_goes(self, desk: Desk) -> None:
        desk.ask(rendered(desk, 1, b"first"), Published)
        desk.ask(rendered(desk, 2, b"second", b"first"), Published)
        assert (desk.outbox / "a/x.jpg").read_bytes() == b"second"
        assert desk.ask(rendered(desk, 3, b"third", b"first"), NameTaken) == NameTaken("family", 3)
        answer = desk.ask(Unpublish(1, "a/x.jpg", digest(b"first")), Unpublished)
        assert not answer.removed
        assert "changed" in answer.why
        assert desk.ask(Unpublish(2, "a/x.jpg", digest(b"second")), Unpublished) == Unpublished("family", 2, True)
        assert "no longer there" in desk.ask(Unpublish(2, "a/x.jpg", digest(b"second")), Unpublished).why
        assert not (desk.outbox / "a/x.jpg").exists()

    def test_nothing_is_put_where_the_outboxs_disk_should_be(self, desk: Desk) -> None:
        publish = rendered(desk)
        os.rename(desk.outbox, desk.top / "disk")
        desk.outbox.mkdir()
        for command in (publish, Unpublish(1, "a/x.jpg", digest(b"x")), AgainOver("x.jpg", "remove", digest(b"x"))):
            trouble = desk.ask(command, Trouble)
            assert trouble.errno == errno.ENOENT
            assert os.listdir(desk.outbox) == []
        os.rmdir(desk.outbox)
        os.rename(desk.top / "disk", desk.outbox)
        desk.ask(publish, Published)

    def test_an_outbox_on_another_disk_with_a_spool_of_ours_is_taken_on(self, desk: Desk) -> None:
        publish = rendered(desk)
        shutil.copytree(desk.outbox, desk.top / "copy")
        shutil.rmtree(desk.outbox)
        os.rename(desk.top / "copy", desk.outbox)
        desk.ask(publish, Published)

    def test_a_file_where_a_folder_should_be_is_named(self, desk: Desk) -> None:
        publish = rendered(desk)
        (desk.outbox / "a").write_bytes(b"a stranger's")
        assert "a file or a link stands where a folder" in desk.ask(publish, Trouble).message
        os.unlink(desk.outbox / "a")
        desk.ask(publish, Published)

    def test_a_group_that_cannot_be_given_is_told_once(self, desks: Callable[..., Desk]) -> None:
        desk = desks(group="no-such-group").start()
        for number in range(3):
            desk.ask(rendered(desk, number, b"%d" % number, b"%d" % (number - 1)), Published)
        (trouble,) = desk.all(Trouble)
        assert (trouble.step, trouble.job_id) == ("ownership", None)
        assert "no-such-group" in trouble.message


class TestOriginals:
    def settled(self, desk: Desk) -> Fingerprint:
        desk.put("x.jpg")
        desk.settles("x.jpg")
        return desk.all(Settled)[0].fingerprint

    def test_one_that_is_stuck_says_why_and_what_to_do(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

        fingerprint = self.settled(desk)
        monkeypatch.setattr(originals, "rename_ours", refuse)
        trouble = desk.ask(Dispose(1, "x.jpg", fingerprint), Trouble)
        assert (trouble.job_id, trouble.step, trouble.errno, trouble.path) == (1, "dispose", errno.EBUSY, "x.jpg")
        for part in ("x.jpg", "busy", "mode 0", "colorwatch runs as", "originals: keep"):
            assert part in trouble.message

    def test_a_quarantined_scan_comes_back_and_settles(self, desk: Desk) -> None:
        fingerprint = self.settled(desk)
        where = desk.ask(Quarantine(1, "x.jpg", fingerprint, "t", "r", "damaged"), Quarantined).where
        assert where is not None
        back = desk.ask(GiveBack(1, where, "x.jpg", fingerprint), GivenBack)
        assert back == GivenBack("family", 1, "x.jpg", fingerprint)
        desk.settles("x.jpg", "x.jpg")
        os.unlink(desk.inbox / "x.jpg")
        assert desk.ask(GiveBack(1, where, "x.jpg", fingerprint), GivenBack) == GivenBack("family", 1, None, None)

    def test_one_that_had_to_stay_in_the_inbox_settles_again(self, desk: Desk) -> None:
        fingerprint = self.settled(desk)
        assert desk.ask(GiveBack(1, "", "x.jpg", fingerprint), GivenBack) == GivenBack(
            "family", 1, "x.jpg", fingerprint
        )
        desk.settles("x.jpg", "x.jpg")

    def test_a_place_outside_is_refused(self, desk: Desk) -> None:
        fingerprint = self.settled(desk)
        trouble = desk.ask(GiveBack(1, str(desk.inbox / "x.jpg"), "y.jpg", fingerprint), Trouble)
        assert (trouble.step, trouble.errno) == ("giveback", errno.EINVAL)
        assert trouble.message.endswith("it lies in another quarantine; move it into the inbox yourself")
        answer = desk.ask(Expire(1, str(desk.inbox / "x.jpg"), fingerprint), Expired)
        assert not answer.gone
        assert "neither" in answer.why
        assert (desk.inbox / "x.jpg").exists()

    def test_an_archived_one_expires(self, desk: Desk) -> None:
        fingerprint = self.settled(desk)
        where = desk.ask(Dispose(1, "x.jpg", fingerprint), Disposed).where
        assert where is not None
        assert desk.ask(Expire(1, where, fingerprint), Expired) == Expired("family", 1, True)
        assert os.listdir(desk.archive) == [SPOOL]

    def test_one_that_lies_aside_comes_back_and_settles(self, desk: Desk) -> None:
        (desk.inbox / aside_name(9, "x.jpg")).write_bytes(b"scan")
        (desk.inbox / aside_name(8, "y.jpg")).write_bytes(b"scan")
        assert desk.ask(RestoreAsides(frozenset({8})), AsidesRestored) == AsidesRestored("family", 1)
        desk.settles("x.jpg")

    def test_access_is_described(self, desk: Desk) -> None:
        desk.put("x.jpg")
        answer = desk.ask(DescribeAccess("x.jpg"), Access)
        assert answer.path == "x.jpg"
        assert "belongs to user" in answer.text


class TestOldPaths:
    def there(self, desk: Desk, path: str = "x.jpg", fingerprint: Fingerprint | None = None) -> bool | None:
        return desk.ask(OldPath(5, path, fingerprint), OldPathFound).there

    def test_a_file_is_there_or_not(self, desk: Desk) -> None:
        place = desk.put("x.jpg")
        fingerprint = Fingerprint.of(place.stat())
        assert self.there(desk) is True
        assert self.there(desk, fingerprint=fingerprint) is True
        assert self.there(desk, "y.jpg") is False
        assert self.there(desk, "no/folder/y.jpg") is False
        place.write_bytes(b"other content")
        assert self.there(desk, fingerprint=fingerprint) is False
        os.unlink(place)
        place.mkdir()
        assert self.there(desk) is False

    def test_in_an_inbox_that_is_gone_or_another_there_is_no_answer(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inbox_module, "CHECK_SECONDS", 600.0)
        os.rename(desk.inbox, desk.top / "unmounted")
        assert self.there(desk) is None
        desk.inbox.mkdir()
        assert self.there(desk) is None


class TestOutbox:
    @pytest.fixture(autouse=True)
    def _often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox_module, "LOOK_SECONDS", 0.1)

    def test_a_result_moved_into_again_is_told_and_removed(self, desk: Desk) -> None:
        desk.ask(rendered(desk), Published)
        (desk.outbox / "again").mkdir()
        os.rename(desk.outbox / "a/x.jpg", desk.outbox / "again/x.jpg")
        eventually(lambda: desk.all(AskedAgain))
        assert desk.all(AskedAgain) == [AskedAgain("family", "x.jpg", digest(b"colour"), 6)]
        answer = desk.ask(AgainOver("x.jpg", "remove", digest(b"colour")), AgainEnded)
        assert answer == AgainEnded("family", "x.jpg", True)
        assert os.listdir(desk.outbox / "again") == []

    def test_it_is_under_way_until_it_is_told(self, desks: Callable[..., Desk]) -> None:
        desk = desks()
        (desk.outbox / "again").mkdir()
        (desk.outbox / "again/x.jpg").write_bytes(b"result")
        desk.start()
        desk.quiet()
        assert desk.all(AskedAgain)

    def test_a_full_disk_is_told(self, desks: Callable[..., Desk]) -> None:
        desk = desks(min_free=1 << 60).start()
        eventually(lambda: desk.all(Space))
        (message,) = desk.all(Space)
        assert message.low
        assert message.free > 0


def test_a_spool_file_that_could_not_be_removed_goes_once_it_can(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "CHECK_SECONDS", 0.1)
    spool = desk.outbox / ".colorwatch" / "7-1.part"
    spool.mkdir(parents=True)  # no call can unlink that
    desk.ask(Discard(str(spool)), Trouble)
    spool.rmdir()
    spool.write_bytes(b"half a result")
    eventually(lambda: not spool.exists())


def test_every_command_has_a_sentence_for_its_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    fingerprint = Fingerprint(0, 0, 0, 0)
    monkeypatch.setattr(folder_module.Folder, "_answer", broken)
    for command in (
        *(rendered_by_hand(), Unpublish(1, "x", ""), Dispose(1, "x", fingerprint)),
        *(Quarantine(1, "x", fingerprint, "", ""), GiveBack(1, "/q/x", "x", fingerprint), Expire(1, "/q/x")),
        *(RestoreAsides(frozenset()), CleanSpool(frozenset()), AgainOver("x", "back", ""), OldPath(1, "x")),
    ):
        trouble = desk.ask(command, Trouble)
        assert trouble.step == type(command).__name__.lower()
        assert trouble.message.endswith("the disk or the share reports an input/output error")


def rendered_by_hand() -> Publish:
    return Publish(1, "/o/.colorwatch/1-1.part", "x", 0, 0, "")
