"""`status --watch` in a real terminal, narrow and wide, and piped."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from house import House
from pictures import encoded, gradient, written
from waiting import eventually

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")


class Terminal:
    """A terminal of a given size with a program in it; `text` is all that was ever written to it."""

    def __init__(self, command: list[str], columns: int, rows: int) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, rows, slave)
        environment = {
            name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**environment, "TERM": "xterm-256color"}
        )
        os.close(slave)
        self.text = ""

    def resize(self, columns: int, rows: int, descriptor: int = -1) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master if descriptor < 0 else descriptor, termios.TIOCSWINSZ, size)

    def read(self) -> str:
        while select.select([self._master], [], [], 0)[0]:
            try:
                part = os.read(self._master, 65536)
            except OSError:  # whoever was at the other end has gone
                break
            if not part:
                break
            self.text += part.decode("utf-8", "replace")
        return self.text

    def screen(self) -> list[str]:
        """The lines that were drawn last, from the last time that the cursor went home."""
        drawn = self.read().rpartition("\x1b[H")[2]
        return [line.rstrip() for line in ESCAPES.sub("", drawn).replace("\r", "").split("\n")]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        os.close(self._master)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(str(tmp_path_factory.mktemp("house")))
    house.start()
    written(
        house.path("inbox"),
        "a picture with a name that is much too long for a telephone.jpg",
        encoded(gradient(), "JPEG"),
    )
    written(house.path("inbox"), "bad.jpg", b"no picture at all\n" * 9)
    house.wait_done(1, 60)
    eventually(lambda: house.counts().get("quarantined") == 1, 30, "the bad one is in quarantine")
    yield house
    house.stop()


def test_it_lives_in_the_terminal_at_any_width_and_leaves_it_as_it_was(house: House) -> None:
    terminal = Terminal(house.command("status", "--watch"), 40, 30)
    try:
        eventually(lambda: "in quarantine" in terminal.read(), 30, "the first picture")
        eventually(lambda: any("bad.jpg" in line for line in terminal.screen()), 10, "what is in quarantine")
        lines = terminal.screen()
        assert lines[0].startswith("colorwatch runs")
        assert [line for line in lines if cell_len(line) > 40] == []
        written(house.path("inbox"), "b.jpg", encoded(gradient(90, 120), "JPEG"))
        eventually(lambda: any("2 done" in line for line in terminal.screen()), 30, "it sees what is done meanwhile")
        terminal.resize(120, 30)
        eventually(lambda: any(cell_len(line) > 60 for line in terminal.screen()), 10, "it takes the new width")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(10) == 0
        ended = terminal.read()
    finally:
        terminal.close()
    assert ended.rindex("\x1b[?1049l") > ended.rindex("\x1b[?1049h"), "back on the first screen"
    assert ended.rindex("\x1b[?25h") > ended.rindex("\x1b[?25l"), "the cursor is there again"
    assert "Traceback" not in ended


def piped(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_piped_it_tells_one_line_for_each_change(house: House) -> None:
    with piped(house.command("status", "--watch", "--json")) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        assert first["daemon"] == (house.daemon.pid if house.daemon else 0)
        written(house.path("inbox"), "c.jpg", encoded(gradient(60, 160), "JPEG"))
        while json.loads(process.stdout.readline())["counts"]["done"] == first["counts"]["done"]:
            pass
        process.terminate()
        assert process.wait(10) == 0


def test_a_reader_that_goes_away_ends_it_quietly(house: House) -> None:
    with piped(house.command("status", "--watch")) as process:
        assert process.stdout
        assert process.stderr
        assert re.match(r"\d\d:\d\d:\d\d  \d+ done, ", process.stdout.readline())
        process.stdout.close()
        written(house.path("inbox"), "d.jpg", encoded(gradient(70, 170), "JPEG"))
        process.wait(30)
        assert process.stderr.read() == ""


def test_without_a_ledger_it_says_what_to_do(tmp_path: Path) -> None:
    ended = House(str(tmp_path)).call("status", "--watch")
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip()
