"""A watcher that tests itself: blindness is noticed, told and healed, and an inbox may come, go and be another one."""

from __future__ import annotations

import ctypes
import errno
import itertools
import logging
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers import inotify_c

from colorwatch.folders.messages import (
    Blind,
    Message,
    Reachable,
    Rescanned,
    Settled,
    Trouble,
    Unreachable,
    Vanished,
    Watching,
)
from colorwatch.watching import inbox as inbox_module
from colorwatch.watching import lookout as lookout_module
from colorwatch.watching.inbox import Inbox
from colorwatch.watching.settle import signature
from colorwatch.watching.watch import Watch
from desk import Desk
from hanging import HangingShare
from waiting import drip_write, eventually

Desks = Callable[..., Desk]
GRACE = 0.3


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks and graces short enough for a test."""
    monkeypatch.setattr(inbox_module, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(lookout_module, "GRACE_SECONDS", GRACE)


def watch_of(desk: Desk) -> Watch:
    watch = desk.folder._inbox._lookout._watch
    assert watch is not None
    return watch


def modes(desk: Desk) -> list[str]:
    return [message.mode for message in desk.all(Watching)]


def deafen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drops every event from here on, also those of later watches."""
    monkeypatch.setattr("colorwatch.watching.watch._Notes.dispatch", lambda self, event: None)


def looks(desk: Desk, count: int = 2) -> None:
    """Waits for so many more full looks."""
    before = len(desk.all(Rescanned))
    eventually(lambda: len(desk.all(Rescanned)) >= before + count, message="more full looks")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Mounts on a folder, and unmounts at the end; skips where this user may not."""
    points: list[Path] = []

    def mount(point: Path, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, str(point)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        points.append(point)

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", "-l", str(point)], capture_output=True, check=False)


def unmount(point: Path) -> None:
    subprocess.run(["umount", "-l", str(point)], check=True, capture_output=True)


class TestRoot:
    def test_made_anew_it_is_watched_again(self, desks: Desks, quick: None) -> None:
        desk = desks().start()
        shutil.rmtree(desk.inbox)
        eventually(lambda: desk.all(Unreachable))
        desk.inbox.mkdir()
        eventually(lambda: desk.all(Reachable))
        desk.put("x.jpg")
        desk.settles("x.jpg")
        assert (len(desk.all(Unreachable)), len(desk.all(Reachable))) == (1, 1)
        assert modes(desk) == ["events", "events"]

    def test_deleted_and_made_anew_at_once_it_is_watched_again(self, desks: Desks, quick: None) -> None:
        """The new folder may have the inode of the old one, and then nothing but the watch knows."""
        desk = desks().start()
        for number in range(5):
            shutil.rmtree(desk.inbox)
            desk.inbox.mkdir()
            desk.put(f"{number}.jpg")
            eventually(lambda number=number: f"{number}.jpg" in desk.settled())  # type: ignore[misc]
        assert desk.all(Blind) == []
        assert set(modes(desk)) == {"events"}

    def test_never_there_it_is_waited_for_and_said_how_to_make_it(self, desks: Desks, quick: None) -> None:
        desk = desks()
        os.rmdir(desk.inbox)
        desk.start(looked=False)
        eventually(lambda: desk.all(Unreachable))
        assert f"mkdir -p {desk.inbox}" in desk.all(Unreachable)[0].why
        desk.put("x.jpg")
        desk.settles("x.jpg")

    def test_swapped_for_another_folder_it_gets_a_new_watch(self, desks: Desks, quick: None) -> None:
        desk = desks().start()
        desk.put("x.jpg")
        desk.settles("x.jpg")
        os.rename(desk.inbox, desk.top / "old")
        desk.inbox.mkdir()
        shutil.copy2(desk.top / "old" / "x.jpg", desk.inbox / "x.jpg")
        eventually(lambda: len(desk.all(Watching)) > 1)
        desk.put("y.jpg")
        (desk.top / "old" / "z.jpg").write_bytes(b"in the old folder")
        desk.settles("x.jpg", "y.jpg")
        assert desk.all(Blind) == []

    def test_turned_into_a_link_it_is_watched_where_the_link_leads(self, desks: Desks, quick: None) -> None:
        desk = desks().start()
        os.rename(desk.inbox, desk.top / "real")
        os.symlink("real", desk.inbox)
        eventually(lambda: len(desk.all(Watching)) > 1)
        desk.put("a/x.jpg")
        desk.settles("a/x.jpg")
        (desk.top / "other").mkdir()
        (desk.top / "other" / "y.jpg").write_bytes(b"scan")
        os.symlink("other", desk.top / "link")
        os.rename(desk.top / "link", desk.inbox)
        desk.settles("a/x.jpg", "y.jpg")
        desk.put("z.jpg")
        desk.settles("a/x.jpg", "y.jpg", "z.jpg")
        assert desk.all(Vanished) == []

    @pytest.mark.parametrize("watch", ["events", "poll"])
    def test_known_files_survive_a_share_that_comes_and_goes(self, desks: Desks, quick: None, watch: str) -> None:
        """And a stray file in the folder that the share is mounted on changes nothing."""
        desk = desks(rescan_seconds=0.2, poll_seconds=0.1, watch=watch)
        names = [f"{number % 3}/{number}.jpg" for number in range(50)]
        for name in names:
            desk.put(name)
        desk.start()
        desk.settles(*names)
        for number in range(3):
            os.rename(desk.inbox, desk.top / "share")
            desk.inbox.mkdir()
            desk.put(f"stray {number}.jpg")
            eventually(lambda number=number: f"stray {number}.jpg" in desk.settled())  # type: ignore[misc]
            looks(desk)
            shutil.rmtree(desk.inbox)
            os.rename(desk.top / "share", desk.inbox)
            looks(desk)
        desk.settles(*names, *(f"stray {number}.jpg" for number in range(3)))
        assert [message for message in desk.all(Vanished) if "stray" not in message.path] == []

    @pytest.mark.parametrize("watch", ["events", "poll"])
    def test_five_thousand_known_files_on_a_disk_that_is_mounted_again(
        self, desks: Desks, quick: None, mounted: Callable[..., None], watch: str
    ) -> None:
        desk = desks(rescan_seconds=0.2, poll_seconds=0.1, watch=watch)
        share = desk.top / "share"
        known = {}
        for number in range(5000):
            place = share / f"{number % 9}" / f"{number}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            found = os.stat(place)
            known[f"{number % 9}/{number}.jpg"] = signature(found.st_size, found.st_mtime_ns)
        mounted(desk.inbox, "--bind", str(share))
        desk.start(known)
        for number in range(3):
            unmount(desk.inbox)
            looks(desk)
            mounted(desk.inbox, "--bind", str(share))
            desk.put(f"new {number}.jpg")
            eventually(lambda number=number: f"new {number}.jpg" in desk.settled())  # type: ignore[misc]
        desk.settles("new 0.jpg", "new 1.jpg", "new 2.jpg")
        assert desk.all(Vanished) == []
        assert {message.files for message in desk.all(Rescanned)} >= {0, 5000, 5003}

    def test_a_disk_mounted_and_unmounted_is_noticed(
        self, desks: Desks, quick: None, mounted: Callable[..., None]
    ) -> None:
        desk = desks().start()
        mounted(desk.inbox, "-t", "tmpfs", "colorwatch-test")
        desk.put("x.jpg")
        eventually(lambda: desk.settled() == ["x.jpg"])
        # The same kind again, which may well have the same device and inode.
        unmount(desk.inbox)
        mounted(desk.inbox, "-t", "tmpfs", "colorwatch-test")
        desk.put("y.jpg")
        eventually(lambda: desk.settled() == ["x.jpg", "y.jpg"])
        unmount(desk.inbox)
        desk.put("z.jpg")
        desk.settles("x.jpg", "y.jpg", "z.jpg")

    def test_a_disk_mounted_on_a_folder_of_the_inbox_is_noticed(
        self, desks: Desks, quick: None, mounted: Callable[..., None]
    ) -> None:
        desk = desks(rescan_seconds=0.2)
        desk.put("album/x.jpg")
        desk.put("z.jpg")
        desk.start()
        desk.settles("album/x.jpg", "z.jpg")
        mounted(desk.inbox / "album", "-t", "tmpfs", "colorwatch-test")
        eventually(lambda: len(desk.all(Watching)) > 1)
        desk.put("album/y.jpg")
        desk.settles("album/x.jpg", "z.jpg", "album/y.jpg")
        unmount(desk.inbox / "album")
        eventually(lambda: len(desk.all(Watching)) > 2)
        looks(desk)
        mounted(desk.inbox / "album", "-t", "tmpfs", "colorwatch-test")
        looks(desk)
        assert "album/y.jpg" in desk.folder._inbox._settler.paths(), "its disk was away, it was not deleted"
        assert desk.all(Blind) == []

    def test_a_file_deleted_while_the_daemon_was_down_is_forgotten(self, desks: Desks, quick: None) -> None:
        desk = desks(rescan_seconds=0.2)
        kept = os.stat(desk.put("kept.jpg"))
        known = signature(kept.st_size, kept.st_mtime_ns)
        desk.start({"kept.jpg": known, "gone.jpg": known})
        eventually(lambda: [message.path for message in desk.all(Vanished)] == ["gone.jpg"])
        desk.settles()

    def test_a_folder_that_cannot_be_read_is_told_once_and_the_rest_goes_on(self, desks: Desks) -> None:
        desk = desks(rescan_seconds=0.3)
        desk.put("closed/x.jpg").parent.chmod(0)
        if os.access(desk.inbox / "closed", os.R_OK):
            pytest.skip("this user reads every folder")
        desk.put("y.jpg")
        desk.start()
        desk.settles("y.jpg")
        eventually(lambda: len(desk.all(Rescanned)) > 3)
        assert len(desk.all(Trouble)) == 1
        (desk.inbox / "closed").chmod(0o755)
        desk.settles("closed/x.jpg", "y.jpg")

    def test_stopping_does_not_wait_for_the_inbox(self, desks: Desks) -> None:
        desk = desks()
        for number in range(2000):
            desk.put(f"{number}.jpg")
        desk.start(looked=False)
        desk.stop()
        threads = {thread.name for thread in threading.enumerate()}
        assert "folder family" not in threads


def raise_in_the_handler(desk: Desk) -> None:
    watch = watch_of(desk)

    def broken(event: object) -> None:
        raise RuntimeError("a bug in a handler")

    watch._handler.dispatch = broken  # type: ignore[method-assign, assignment]
    desk.put("trigger.jpg")
    observer = watch._observer
    assert observer is not None
    eventually(lambda: not observer.is_alive())


def stop_the_emitter(desk: Desk) -> None:
    observer = watch_of(desk)._observer
    assert observer is not None
    for emitter in observer.emitters:
        emitter.stop()
        emitter.join()


def stop_the_reader(desk: Desk) -> None:
    reader = watch_of(desk)._reader()
    reader.stop()
    reader.join()


def close_the_channel(desk: Desk) -> None:
    os.close(watch_of(desk)._channel())


class TestBlindness:
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    @pytest.mark.parametrize(
        ("blind", "why"),
        [
            (raise_in_the_handler, "passes events on"),
            (close_the_channel, "events"),
            (stop_the_reader, "reads events"),
            (stop_the_emitter, ""),
        ],
    )
    def test_of_a_broken_watch_is_noticed_told_and_healed(
        self, desks: Desks, quick: None, blind: Callable[[Desk], None], why: str
    ) -> None:
        desk = desks().start()
        blind(desk)
        desk.put("x.jpg")
        eventually(lambda: modes(desk) == ["events", "events"], message="watched anew")
        eventually(lambda: "x.jpg" in desk.settled())
        if why:
            assert why in desk.all(Blind)[0].why
        desk.put("y.jpg")
        eventually(lambda: "y.jpg" in desk.settled())
        assert len(desk.settled()) == len(set(desk.settled()))

    def test_a_second_time_means_polling_until_events_are_tried_again(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = desks(rescan_seconds=0.2, poll_seconds=0.1).start()
        eventually(lambda: desk.folder._inbox._lookout._trusted)
        with monkeypatch.context() as patch:
            deafen(desk, patch)
            patch.setattr(lookout_module, "RETRY_SECONDS", 1.0)
            for number in itertools.count():
                desk.put(f"{number}.jpg")
                looks(desk)
                if "polling" in modes(desk):
                    break
            assert all("no event told of" in message.why for message in desk.all(Blind))
            assert len(desk.all(Blind)) == 2
            assert "tried again in an hour" in desk.all(Watching)[-1].reason
            assert modes(desk) == ["events", "events", "polling"]
        eventually(lambda: modes(desk)[-1] == "events", message="events tried again")
        settings = len(desk.all(Watching))
        desk.put("y.jpg")
        eventually(lambda: "y.jpg" in desk.settled())
        looks(desk, 5)
        assert len(desk.all(Watching)) == settings, "events work again, and stay"
        assert len(desk.settled()) == len(set(desk.settled()))

    def test_what_was_there_at_the_start_or_came_with_a_folder_proves_nothing(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = desks(rescan_seconds=0.2)
        desk.put("a/1.jpg")
        deafen(desk, monkeypatch)
        desk.start()
        eventually(lambda: desk.folder._inbox._lookout._trusted)
        desk.put("b/c/2.jpg")
        desk.settles("a/1.jpg", "b/c/2.jpg")
        looks(desk, 4)
        assert desk.all(Blind) == []

    @pytest.mark.parametrize("seed", range(3))
    def test_is_not_claimed_while_all_is_well(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch, seed: int
    ) -> None:
        """A thousand things happen while the inbox is looked through all the time, and every event is in time."""
        monkeypatch.setattr(lookout_module, "GRACE_SECONDS", 1.5)
        desk = desks(rescan_seconds=0.02, settle_seconds=0.05).start()
        rng = random.Random(seed)
        names = [f"{folder}{number}.jpg" for folder in ("", "a/", "b/", "a/c/") for number in range(30)]
        for _ in range(1000):
            path = desk.inbox / rng.choice(names)
            match rng.randrange(6):
                case 0 | 1:
                    desk.put(str(path.relative_to(desk.inbox)))
                case 2:
                    path.unlink(missing_ok=True)
                case 3:
                    other = desk.inbox / rng.choice(names)
                    if path.exists() and other.parent.exists():
                        os.rename(path, other)
                case 4:
                    os.rename(desk.outside("new"), desk.inbox / rng.choice(names[:30]))
                case 5 if rng.random() < 0.1:
                    folder = desk.inbox / rng.choice(["a", "b"])
                    if folder.exists():
                        shutil.rmtree(desk.top / "moved", ignore_errors=True)
                        os.rename(folder, desk.top / "moved")
                        if rng.random() < 0.5:
                            os.rename(desk.top / "moved", folder)
        looks(desk, 3)
        eventually(lambda: not desk.folder._inbox._lookout._suspects, 20.0)
        desk.quiet()
        assert desk.all(Blind) == []
        left = {str(path.relative_to(desk.inbox)) for path in desk.inbox.rglob("*.jpg")}
        assert left <= set(desk.settled())

    def test_of_a_folder_that_cannot_be_watched_is_noticed(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beyond the system's limit watchdog leaves folders out without a word."""
        real = inotify_c.inotify_add_watch
        limit = 2

        def add(channel: int, path: bytes, mask: int) -> Any:
            nonlocal limit
            limit -= 1
            if limit < 0:
                ctypes.set_errno(errno.ENOSPC)
                return -1
            return real(channel, path, inotify_c.Mask(mask))

        monkeypatch.setattr(inotify_c, "inotify_add_watch", add)
        desk = desks(rescan_seconds=0.2, poll_seconds=0.1)
        for name in "abc":
            (desk.inbox / name).mkdir()
        desk.start()
        eventually(lambda: desk.all(Blind))
        assert "max_user_watches" in desk.all(Blind)[0].why
        eventually(lambda: modes(desk) == ["events", "polling"])
        assert "max_user_watches" in desk.all(Watching)[-1].reason
        desk.put("c/x.jpg")
        desk.settles("c/x.jpg")

    @pytest.mark.parametrize(
        ("code", "words"), [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances")]
    )
    def test_an_inbox_that_cannot_be_watched_is_polled(
        self, desks: Desks, monkeypatch: pytest.MonkeyPatch, code: int, words: str
    ) -> None:
        def full(watch: object) -> None:
            raise OSError(code, "a limit is reached")

        monkeypatch.setattr(lookout_module.Watch, "start", full)
        desk = desks(poll_seconds=0.2).start()
        desk.put("x.jpg")
        desk.settles("x.jpg")
        looks(desk, 3)
        assert modes(desk) == ["polling"]
        assert words in desk.all(Watching)[0].reason
        assert desk.all(Trouble) == []


class TestLostEvents:
    def test_are_made_up_for_by_a_full_look(self, desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
        desk = desks().start()
        desk.quiet()
        monkeypatch.setattr(watch_of(desk)._handler, "dispatch", lambda event: None)
        desk.put("x.jpg")
        logging.getLogger("watchdog.observers.inotify_c").warning(
            "Inotify queue overflowed; filesystem events were lost"
        )
        desk.settles("x.jpg")

    def test_of_a_queue_that_ran_over_are_counted_and_prove_nothing(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The thread that reads events stands still while more happens than the system keeps for it."""
        desk = desks(settle_seconds=0.5).start()
        gate, real = threading.Event(), inotify_c.InotifyFD.handle_event

        def handle(self: inotify_c.InotifyFD, event: inotify_c.InotifyEvent) -> None:
            gate.wait(30)
            real(self, event)

        monkeypatch.setattr(inotify_c.InotifyFD, "handle_event", handle)
        with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
            count = int(file.read()) // 2 + 2000
        if count > 20_000:
            pytest.skip("this system keeps more events than a quick test can make")
        names = [f"{number}.jpg" for number in range(count)]
        for name in names:
            os.close(os.open(desk.inbox / name, os.O_WRONLY | os.O_CREAT))
        gate.set()
        eventually(lambda: desk.all(Blind), 30.0)
        assert "for the first time" in desk.all(Blind)[0].why
        desk.settles(*names)
        assert modes(desk) == ["events"]
        desk.put("later.jpg")
        eventually(lambda: "later.jpg" in desk.settled())

    def test_all_of_them_dropped_everything_is_found_by_looking(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deafen(desks(), monkeypatch)
        desk = desks(rescan_seconds=0.5).start()
        names = [f"{number % 7}/{number}.jpg" for number in range(3000)]
        for name in names:
            desk.put(name)
        desk.settles(*names)


class TestCanary:
    def canary(self, monkeypatch: pytest.MonkeyPatch, every: float = 0.2) -> None:
        monkeypatch.setattr(lookout_module, "CANARY_EVERY_SECONDS", every)
        monkeypatch.setattr(lookout_module, "CANARY_SECONDS", 0.3)

    def test_proves_blindness_though_no_scan_came(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.canary(monkeypatch)
        deafen(desks(), monkeypatch)
        desk = desks(canary=True).start()
        eventually(lambda: modes(desk) == ["events", "events", "polling"])
        assert {message.why for message in desk.all(Blind)} == {"no event told of the canary file"}
        assert list(desk.inbox.iterdir()) == []

    def test_is_no_scan_leaves_nothing_and_proves_nothing_while_all_is_well(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.canary(monkeypatch, every=0.02)
        desk = desks(canary=True, rescan_seconds=0.1)
        (desk.inbox / lookout_module.CANARY).touch()  # of a daemon that was killed
        desk.start()
        looks(desk, 10)
        assert desk.all(Blind) == []
        assert list(desk.inbox.iterdir()) == []
        desk.settles()

    def test_does_without_where_nothing_may_be_written(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch, mounted: Callable[..., None]
    ) -> None:
        self.canary(monkeypatch)
        desk = desks(canary=True, rescan_seconds=0.1)
        desk.put("x.jpg")
        mounted(desk.inbox, "--bind", str(desk.inbox))
        subprocess.run(["mount", "-o", "remount,bind,ro", str(desk.inbox)], check=True)
        desk.start()
        looks(desk, 5)
        assert (desk.all(Blind), desk.all(Trouble)) == ([], [])
        desk.settles("x.jpg")


class TestPolling:
    def test_new_changed_deleted_and_replaced_files_are_noticed(self, desks: Desks, quick: None) -> None:
        desk = desks(watch="poll", poll_seconds=0.1)
        desk.put("stays.jpg")
        desk.start()
        assert modes(desk) == ["polling"]
        desk.put("a/x.jpg")
        desk.settles("stays.jpg", "a/x.jpg")
        desk.put("a/x.jpg", b"changed")
        desk.settles("stays.jpg", "a/x.jpg", "a/x.jpg")
        os.rename(desk.outside("new"), desk.inbox / "a/x.jpg")
        desk.settles("stays.jpg", *["a/x.jpg"] * 3)
        os.unlink(desk.inbox / "a/x.jpg")
        eventually(lambda: [message.path for message in desk.all(Vanished)] == ["a/x.jpg"])
        desk.put("a/x.jpg", b"again")
        desk.settles("stays.jpg", *["a/x.jpg"] * 4)

    def test_an_inode_used_again_a_thousand_times_is_a_new_file_each_time(self, tmp_path: Path) -> None:
        """Driven by hand, so that a round needs no waiting: delete, make the next, look."""
        desk = Desk(tmp_path, watch="poll")
        told: list[Message] = []
        time = 0.0

        def nothing(path: str) -> None:
            raise AssertionError("no watch was to be made")

        inbox = Inbox(desk.settings, {}, told.append, nothing, nothing, lambda: time)
        inodes, names = set(), []
        for number in range(1000):
            # Every second one has the name of the one before.
            name = f"{number // 2}.jpg"
            place = desk.put(name, b"%d" % number)
            names.append(name)
            inodes.add(os.stat(place).st_ino)
            for _ in range(3):
                inbox.turn()
                time += 10.0
            inbox.turn()
            os.unlink(place)
        inbox.close()
        settled = [message.path for message in told if isinstance(message, Settled)]
        assert settled == names
        assert len(inodes) < 500, "this disk does not use inodes again: the test shows nothing"

    def test_walking_takes_a_tenth_of_the_time_at_most(self, desks: Desks) -> None:
        lookout = desks(watch="poll", poll_seconds=0.5, rescan_seconds=60.0).start().folder._inbox._lookout
        assert lookout.polling
        assert lookout.seconds_between_looks(0.01) == 0.5
        assert lookout.seconds_between_looks(2.0) == pytest.approx(2.0 / 0.025 - 2.0)
        assert lookout.seconds_between_looks(2.0, glance=True) == pytest.approx(2.0 / 0.075 - 2.0)
        events = desks(rescan_seconds=10.0).start().folder._inbox._lookout
        assert events.seconds_between_looks(0.01) == 10.0
        assert events.seconds_between_looks(2.0) == pytest.approx(18.0)

    def test_a_large_inbox_is_glanced_at_between_full_looks(
        self, desks: Desks, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With next to no time for full looks, the first glance still finds what is new, and only that."""
        monkeypatch.setattr(lookout_module, "WALKING_SHARE", 1e-6)
        desk = desks(watch="poll", poll_seconds=1.0)
        known = [f"a/{number}.jpg" for number in range(600)]  # more than one slice
        for name in known:
            desk.put(name)
        (desk.inbox / "link.jpg").symlink_to("0.jpg")
        desk.start()
        for name in ("a/x.jpg", "b/c/y.jpg", "a/.hidden.jpg", "@eaDir/z.jpg"):
            desk.put(name)
        desk.settles(*known, "a/x.jpg", "b/c/y.jpg")
        assert len(desk.all(Rescanned)) == 1


class TestWrittenInParts:
    @pytest.mark.parametrize("watch", ["events", "poll"])
    @pytest.mark.parametrize("pause", [0.5, 0.9, 1.1, 3.0])
    def test_with_pauses_around_the_quiet_time(self, desks: Desks, quick: None, watch: str, pause: float) -> None:
        """Where the pauses are longer than the quiet time it settles early, which its content shows; but also whole."""
        desk = desks(watch=watch, poll_seconds=0.05).start()
        path = desk.inbox / "x.jpg"
        drip_write(str(path), [b"page"] * 5, 0.2 * pause, reopen=True)
        eventually(lambda: [message.fingerprint.size for message in desk.all(Settled)][-1:] == [20])
        desk.quiet()
        sizes = [message.fingerprint.size for message in desk.all(Settled)]
        assert sizes == sorted(set(sizes)), "each state at most once, the whole one last"
        if pause <= 0.5:
            assert sizes == [20]

    @pytest.mark.parametrize("watch", ["events", "poll"])
    def test_allocated_first_filled_later_and_dated_back(self, desks: Desks, quick: None, watch: str) -> None:
        desk = desks(watch=watch, poll_seconds=0.05).start()
        path = desk.inbox / "x.jpg"
        with open(path, "wb") as file:
            file.truncate(1000)
        for number in range(10):
            with open(path, "r+b") as file:
                file.seek(number * 100)
                file.write(b"x" * 100)
            os.utime(path, (1e9 + number, 1e9 + number))  # as rsync and cp -p do
            threading.Event().wait(0.05)
        desk.settles("x.jpg")
        assert desk.all(Settled)[-1].fingerprint.mtime_ns == int(1e9 + 9) * 10**9

    @pytest.mark.parametrize("watch", ["events", "poll"])
    @pytest.mark.parametrize("days", [-1, 1, -20_000, 20_000])
    def test_dates_of_a_wrong_clock_make_it_neither_early_nor_late(
        self, desks: Desks, quick: None, watch: str, days: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server's own clock steps as well: only the monotonic one counts."""
        steps = itertools.cycle([0.0, 86_400.0, -86_400.0])
        monkeypatch.setattr("time.time", lambda: next(steps))
        desk = desks(watch=watch, poll_seconds=0.05, settle_seconds=0.6).start()
        path = desk.put("x.jpg")
        when = path.stat().st_mtime + days * 86_400.0
        os.utime(path, (when, when))
        looks(desk, 2) if watch == "poll" else None
        assert desk.settled() == []
        eventually(lambda: desk.settled() == ["x.jpg"], 3.0)


class TestHangingShare:
    @pytest.fixture
    def share(self, tmp_path: Path) -> Iterator[HangingShare]:
        point = tmp_path / "share"
        point.mkdir()
        share = HangingShare(str(point))
        try:
            share.mount()
        except OSError as error:
            pytest.skip(f"no share can be mounted here: {error}")
        yield share
        share.close()

    def test_blocks_its_own_thread_and_no_other(self, desks: Desks, quick: None, share: HangingShare) -> None:
        hung = desks(inbox=share.point)
        hung.start()
        assert modes(hung) == ["polling"], "it says that it is a network share"
        assert "fuse.sshfs" in hung.all(Watching)[0].reason
        share.hang()
        assert share.asked.wait(10)
        other = desks(name="other").start()
        other.put("x.jpg")
        other.settles("x.jpg")
        hung.folder.stop()
        assert not hung.folder.join(0.3), "its thread is in the middle of a call that does not come back"
        share.close()
        assert hung.folder.join(10)
