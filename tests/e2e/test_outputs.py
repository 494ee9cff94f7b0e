"""The command at its edges: interrupted while it loads, with nowhere to print, on a narrow terminal, without rights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from colorwatch.errors import Exit
from house import House, make_drop, photographs
from waiting import eventually


@pytest.fixture
def house(tmp_path: os.PathLike[str]) -> House:
    return House(os.fspath(tmp_path))


@pytest.fixture
def used(house: House) -> House:
    """A house with a result, and a scan in quarantine."""
    make_drop(house.path("inbox", "a photograph with a rather long name.jpg"), photographs(1, side=96)[0])
    with open(house.path("inbox", "x.jpg"), "w", encoding="utf-8") as file:
        file.write("no picture\n" * 9)
    assert house.call("once").returncode == Exit.FAILED
    return house


def maps(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize("loaded", ["_queue", "_pydantic_core", "_sqlite3"])
def test_ctrl_c_while_it_loads_shows_no_traceback(house: House, loaded: str) -> None:
    process = subprocess.Popen(
        house.command("status"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    eventually(lambda: loaded in maps(process.pid) or process.poll() is not None, 30)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, Exit.STATE, 1), told
    assert b"Traceback" not in told


def test_a_command_started_with_ctrl_c_ignored_leaves_it_so(house: House) -> None:
    code = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *house.command("status")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    eventually(lambda: "_pydantic_core" in maps(process.pid) or process.poll() is not None, 30)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == Exit.STATE  # there is no ledger yet: it ran to its end


class TestNowhereToPrint:
    @pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["history"], ["--help"]], ids=" ".join)
    def test_a_full_disk_is_told_in_one_sentence(self, used: House, arguments: list[str]) -> None:
        command = used.command(*arguments) if arguments != ["--help"] else used.command()[:3] + arguments
        with open("/dev/full", "wb") as full:
            told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert (told.returncode, told.stderr) == (Exit.FAILED, "the output cannot be written: the disk is full\n")

    @pytest.mark.parametrize("arguments", [["status"], ["explain", "x.jpg"]], ids=" ".join)
    def test_closed_streams_do_no_harm(self, used: House, arguments: list[str]) -> None:
        shell = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *used.command(*arguments)]
        assert subprocess.run(shell, timeout=60, check=False).returncode == Exit.OK

    def test_nothing_is_printed_into_a_file_that_got_the_number_of_a_closed_stream(self, house: House) -> None:
        make_drop(house.path("inbox", "a.png"), photographs(1, side=96)[0])
        shell = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *house.command("once")]
        assert subprocess.run(shell, timeout=60, check=False).returncode == Exit.OK
        assert house.counts() == {"done": 1}

    def test_a_reader_that_leaves_early_is_no_fault(self, used: House) -> None:
        told = subprocess.run(
            ["sh", "-c", '"$@" | true', "sh", *used.command("status")], capture_output=True, text=True, check=False
        )
        assert told.stderr == ""


@pytest.mark.parametrize("arguments", [["status"], ["history"], ["explain", "x.jpg"]], ids=" ".join)
def test_it_fits_forty_columns(used: House, arguments: list[str]) -> None:
    told = subprocess.run(
        used.command(*arguments),
        env={**os.environ, "COLUMNS": "40"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == Exit.OK
    assert max(map(len, told.stdout.splitlines())) <= 40
    assert "x.jpg" in told.stdout


# Everything is loaded while it may still be read: the interpreter may lie where only root can look.
AS_NOBODY = """
import os, sys
import colorwatch.cli.app
from colorwatch.cli import main
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
main()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
class TestAnotherUser:
    @pytest.fixture
    def open_house(self) -> Iterator[House]:
        """A house that anybody can walk into."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            house = House(folder)
            assert house.call("once").returncode == Exit.OK
            yield house

    def call(self, house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", AS_NOBODY, *house.command(*arguments)[3:]]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in told.stderr
        return told

    def test_who_may_not_write_the_ledger_is_told_as_whom_to_ask(self, open_house: House) -> None:
        os.chmod(open_house.path("state"), 0o755)
        for name in os.listdir(open_house.path("state")):
            os.chmod(open_house.path("state", name), 0o644)
        told = self.call(open_house, "pause")
        assert told.returncode == Exit.STATE
        assert "ask as the user that colorwatch runs as: sudo -u root colorwatch" in told.stderr

    def test_who_may_not_look_into_the_state_folder_is_told_the_same(self, open_house: House) -> None:
        os.chmod(open_house.path("state"), 0o750)
        for command in (("status",), ("explain", "x.jpg"), ("pause",)):
            told = self.call(open_house, *command)
            assert told.returncode == Exit.STATE
            assert "sudo -u root colorwatch" in told.stderr
