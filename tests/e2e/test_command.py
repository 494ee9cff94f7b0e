"""The command line as a child process, used rightly and wrongly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest

from colorwatch.errors import Exit
from house import House, audit, digest, files, make_drop, photographs
from waiting import eventually


@pytest.fixture
def house(tmp_path: os.PathLike[str]) -> House:
    return House(os.fspath(tmp_path))


def stop_at_the_end(house: House) -> None:
    if house.daemon is not None and house.daemon.poll() is None:
        house.kill()


def drop(house: House, count: int = 3) -> None:
    for number, picture in enumerate(photographs(count, side=96)):
        make_drop(house.path("inbox", f"{number}{('.jpg', '.png', '.tif')[number % 3]}"), picture)


class TestOnce:
    def test_it_colours_what_is_there_and_says_so(self, house: House) -> None:
        drop(house)
        told = house.call("once")
        assert (told.returncode, told.stdout) == (Exit.OK, "3 coloured, 0 in quarantine\n")
        assert sorted(house.results()) == ["0.jpg", "1.png", "2.tif"]

    def test_nothing_to_do_is_no_fault(self, house: House) -> None:
        assert house.call("once").returncode == Exit.OK

    def test_its_exit_code_says_that_something_is_in_quarantine(self, house: House) -> None:
        with open(house.path("inbox", "x.jpg"), "w", encoding="utf-8") as file:
            file.write("no picture\n" * 9)
        told = house.call("once")
        assert (told.returncode, told.stdout) == (Exit.FAILED, "0 coloured, 1 in quarantine\n")
        assert sorted(house.results()) == [f"quarantine/x.jpg{note}" for note in ("", " - why.txt", ".reason.json")]

    def test_its_exit_code_says_that_something_waits(self, house: House) -> None:
        drop(house, 1)
        with open(house.path("inbox", "0.jpg"), "r+b") as file:
            file.truncate(500)
        told = house.call("once")
        assert (told.returncode, told.stdout) == (Exit.WAITING, "0 coloured, 0 in quarantine, 1 waiting\n")

    def test_it_refuses_beside_a_running_daemon(self, house: House) -> None:
        house.start()
        try:
            eventually(lambda: os.path.exists(house.path("state", "ledger.sqlite3")), 20)
            told = house.call("once")
            assert told.returncode == Exit.LOCKED
            assert f"process {house.daemon.pid}" in told.stderr if house.daemon else False
            assert "Traceback" not in told.stderr
        finally:
            stop_at_the_end(house)


class TestRun:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_after_the_scans_in_work(self, house: House, number: signal.Signals) -> None:
        drop(house, 6)
        house.start()
        assert house.daemon is not None
        try:
            eventually(lambda: house.counts().get("done", 0) >= 1, 60)
            # The whole group, as the terminal does it: workers must not take it for themselves.
            os.killpg(house.daemon.pid, number)
            assert house.daemon.wait(60) == 0
        finally:
            stop_at_the_end(house)
        assert set(house.counts()) <= {"done", "queued"}
        assert house.log()[-1]["event"] == "service.stopped"
        assert house.call("once").returncode == Exit.OK
        assert house.counts() == {"done": 6}

    def test_a_second_signal_ends_it_at_once_and_loses_nothing(self, house: House) -> None:
        picture = photographs(1, side=3000)[0]
        drops = {f"{number}.png": make_drop(house.path("inbox", f"{number}.png"), picture) for number in range(2)}
        house.start()
        assert house.daemon is not None
        try:
            eventually(lambda: "running" in house.counts(), 60)
            house.daemon.terminate()
            eventually(lambda: any(line["event"] == "service.stopping" for line in house.log()), 20)
            house.daemon.terminate()
            assert house.daemon.wait(20) == 0
        finally:
            stop_at_the_end(house)
        assert house.call("once").returncode == Exit.OK
        found = audit(house, drops)
        assert found.clean, str(found)

    def test_each_scan_has_one_line_in_the_log(self, house: House) -> None:
        drop(house, 3)
        house.start()
        try:
            house.wait_done(3, 60)
            assert house.stop() == 0
        finally:
            stop_at_the_end(house)
        lines = [line for line in house.log() if line["event"] == "job.done"]
        assert sorted(str(line["file"]) for line in lines) == ["0.jpg", "1.png", "2.tif"]
        for line in lines:
            assert {"width", "height", "megapixels", "seconds", "peak_mb", "model", "attempt"} <= set(line)


class TestStatus:
    def test_it_tells_what_was_done_and_what_was_not(self, house: House) -> None:
        drop(house, 2)
        with open(house.path("inbox", "evil\x1b[31m[bold]\n.jpg"), "w", encoding="utf-8") as file:
            file.write("no picture\n" * 9)
        house.call("once")
        told = house.call("status")
        assert told.returncode == Exit.OK
        assert "colorwatch does not run" in told.stdout
        assert "2 done, 0 to do, 1 in quarantine" in told.stdout
        assert "\x1b" not in told.stdout
        assert "[bold]" in told.stdout
        plain = json.loads(house.call("status", "--json").stdout)
        assert (plain["counts"]["done"], plain["daemon"]) == (2, None)
        assert plain["quarantine"][0]["kind"] == "not-a-picture"

    def test_it_can_be_asked_while_the_daemon_runs(self, house: House) -> None:
        house.start()
        try:
            eventually(lambda: house.counts() is not None and os.path.exists(house.path("state", "lock")), 20)
            eventually(lambda: "colorwatch runs (process" in house.call("status").stdout, 20)
        finally:
            stop_at_the_end(house)

    def test_without_a_ledger_it_says_what_to_do(self, house: House) -> None:
        told = house.call("status")
        assert told.returncode == Exit.STATE
        assert "no ledger yet" in told.stderr


class TestWrongUse:
    def broken(self, house: House, **settings: object) -> subprocess.CompletedProcess[str]:
        house.settings = settings
        house.write_config()
        told = house.call("run", timeout=30)
        assert told.returncode == Exit.CONFIG
        assert "Traceback" not in told.stderr
        return told

    def test_a_missing_config_is_named(self, tmp_path: os.PathLike[str]) -> None:
        command = [sys.executable, "-m", "colorwatch.cli", "run", "--config", os.path.join(tmp_path, "none.yaml")]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert told.returncode == Exit.CONFIG
        assert "none.yaml" in told.stderr

    def test_all_faults_come_at_once_with_line_and_key(self, house: House) -> None:
        with open(house.path("config.yaml"), "w", encoding="utf-8") as file:
            file.write("folders:\n  - inbox: ./inbox\n    outbox: ./nowhere\n    setle_seconds: 3\nworkers: many\n")
        told = house.call("check-config")
        assert told.returncode == Exit.CONFIG
        lines = told.stderr.strip().splitlines()
        assert [line.split(":")[1] for line in lines] == ["3", "4", "5"]
        assert "settle_seconds" in lines[1]

    def test_an_inbox_that_is_its_outbox_is_refused(self, house: House) -> None:
        assert "outbox" in self.broken(house, outbox="./inbox").stderr

    def test_a_missing_folder_is_named(self, house: House) -> None:
        house.settings = {"inbox": "./nowhere"}
        house.write_config()
        for command in ("check-config", "once"):  # `run` waits for it
            told = house.call(command)
            assert told.returncode == Exit.CONFIG
            assert "mkdir" in told.stderr

    def test_a_model_that_is_none_ends_it_with_a_sentence(self, house: House) -> None:
        with open(house.path("model.onnx"), "wb") as file:
            file.write(b"no model at all")
        house.top = {"model": {"path": "./model.onnx", "trust": True}}
        house.write_config()
        told = house.call("run", timeout=60)
        assert told.returncode == Exit.MODEL
        assert "model.onnx" in told.stderr
        assert "Traceback" not in told.stderr


class TestKilled:
    def test_no_scan_is_lost_doubled_or_torn_by_kills(self, house: House) -> None:
        pictures = photographs(24, side=300)
        drops = {}
        for number, picture in enumerate(pictures):
            name = f"roll/{number:02}{('.jpg', '.png', '.tif')[number % 3]}"
            os.makedirs(house.path("inbox", "roll"), exist_ok=True)
            drops[name] = make_drop(house.path("inbox", name), picture)
        try:
            for share in (1, 6, 12, 18):
                house.start()
                eventually(lambda share=share: house.counts().get("done", 0) >= share, 60)  # type: ignore[misc]
                house.kill()
            house.start()
            house.wait_done(len(drops), 60)
            assert house.stop() == 0
        finally:
            stop_at_the_end(house)
        found = audit(house, drops)
        assert found.clean, str(found)

    def test_kills_of_single_workers_cost_nothing(self, house: House) -> None:
        drops = {
            f"{number}.jpg": make_drop(house.path("inbox", f"{number}.jpg"), picture)
            for number, picture in enumerate(photographs(20, side=700))
        }
        house.start()
        assert house.daemon is not None
        try:
            killed = 0
            for done in range(1, 20, 3):
                eventually(lambda done=done: house.counts().get("done", 0) >= done, 60)  # type: ignore[misc]
                for pid in descendants(house.daemon.pid)[-1:]:
                    with contextlib.suppress(ProcessLookupError):  # it may have had its share of scans
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
            house.wait_done(len(drops), 60)
            assert house.stop() == 0
        finally:
            stop_at_the_end(house)
        assert killed
        found = audit(house, drops)
        assert found.clean, str(found)

    def test_a_killed_daemon_leaves_no_process(self, house: House) -> None:
        drop(house, 3)
        house.start()
        assert house.daemon is not None
        eventually(lambda: house.counts().get("done", 0) >= 1, 60)
        family = descendants(house.daemon.pid)
        os.kill(house.daemon.pid, signal.SIGKILL)
        house.daemon.wait()
        eventually(lambda: not any(map(alive, family)), 2, "no process is left after two seconds")
        assert family


def descendants(pid: int) -> list[int]:
    """The pids of children, children's children, and so on; the youngest last. What ends meanwhile has none."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    children = [int(child) for child in file.read().split()]
                found += children + [grandchild for child in children for grandchild in descendants(child)]
    return sorted(found)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_originals_are_the_same_bytes_after_everything(house: House) -> None:
    drop(house, 3)
    before = {name: digest(path) for name, path in files(house.path("inbox")).items()}
    house.call("once")
    assert {name: digest(path) for name, path in files(house.path("inbox")).items()} == before
