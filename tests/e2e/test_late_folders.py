"""`run` begins without its folders and goes on when they come; `once` and `check-config` say what is missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from colorwatch.errors import Exit
from hanging import HangingShare
from house import House, make_drop, photographs
from waiting import eventually


@pytest.fixture
def house(tmp_path: os.PathLike[str]) -> House:
    return House(os.fspath(tmp_path), {"settle_seconds": 0.2})


def events(house: House, name: str) -> list[dict[str, object]]:
    return [line for line in house.log() if line["event"] == name]


@pytest.mark.parametrize("missing", [("inbox",), ("outbox",), ("inbox", "outbox")])
def test_run_waits_for_folders_that_are_not_there_yet(house: House, missing: tuple[str, ...]) -> None:
    for name in missing:
        os.rmdir(house.path(name))
    house.start()
    try:
        eventually(lambda: events(house, "service.started"), 30)
        told = [str(line["reason"]) for line in events(house, "folder.missing")]
        assert len(told) == len(missing)
        for name, line in zip(missing, told, strict=True):
            assert f"mkdir -p {house.path(name)}" in line
        if "inbox" in missing:
            eventually(lambda: events(house, "folder.unreachable"))
        for name in missing:
            os.mkdir(house.path(name))
        make_drop(house.path("inbox", "x.jpg"), photographs(1, side=64)[0])
        house.wait_done(1, 60)
        assert list(house.results()) == ["x.jpg"]
        (watching,) = events(house, "folder.watching")
        assert watching["mode"] == "events"
    finally:
        assert house.stop() == Exit.OK


def test_a_folder_that_will_not_come_by_itself_is_refused_by_all(house: House) -> None:
    os.rmdir(house.path("inbox"))
    with open(house.path("inbox"), "w", encoding="utf-8"):
        pass
    for command in ("run", "once", "check-config"):
        done = house.call(command)
        assert done.returncode == Exit.CONFIG
        assert "is a file, not a folder" in done.stderr


def test_once_and_check_config_do_not_wait(house: House) -> None:
    os.rmdir(house.path("inbox"))
    for command in ("once", "check-config"):
        done = house.call(command)
        assert done.returncode == Exit.CONFIG
        assert f"mkdir -p {house.path('inbox')}" in done.stderr


def test_a_stop_ends_the_waiting(house: House) -> None:
    os.rmdir(house.path("inbox"))
    house.start()
    eventually(lambda: events(house, "folder.unreachable"), 30)
    assert house.daemon is not None
    house.daemon.send_signal(signal.SIGTERM)
    assert house.daemon.wait(20) == Exit.OK


class TestHangingShare:
    @pytest.fixture
    def share(self, tmp_path: os.PathLike[str]) -> Iterator[HangingShare]:
        point = os.path.join(tmp_path, "share")
        os.mkdir(point)
        share = HangingShare(point)
        try:
            share.mount()
        except OSError as error:
            pytest.skip(f"no share can be mounted here: {error}")
        yield share
        share.close()

    @pytest.mark.parametrize("when", ["before the start", "at work"])
    def test_stops_its_own_folder_and_nothing_else(self, house: House, share: HangingShare, when: str) -> None:
        os.mkdir(house.path("other"))
        local = {"inbox": "./inbox", "outbox": "./outbox", "settle_seconds": 0.2}
        house.top["folders"] = [local, {"inbox": "./share", "outbox": "./other", "poll_seconds": 0.2}]
        house.write_config()
        if when == "before the start":
            share.hang()
        house.start()
        assert house.daemon is not None
        try:
            eventually(lambda: events(house, "service.started"), 40)
            if when == "at work":
                eventually(lambda: len(events(house, "folder.watching")) == 2)
                share.hang()
            else:
                assert "does not answer" in str(events(house, "folder.missing"))
            assert share.asked.wait(10)
            for number, picture in enumerate(photographs(3, side=64)):
                make_drop(house.path("inbox", f"{number}.jpg"), picture)
            house.wait_done(3, 60)
            house.daemon.terminate()
            # All that is left to do is done; but the system keeps a process until its last call has come back.
            eventually(lambda: events(house, "service.stopped"), 60)
        except BaseException:
            share.close()
            house.kill()
            raise
        finally:
            share.close()
        assert house.daemon.wait(30) == Exit.OK
