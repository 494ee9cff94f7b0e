"""Fault points: each stands in the code once, none does anything unasked, and each action is what it says."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import colorwatch
from colorwatch import faultpoint
from colorwatch.faultpoint import POINTS, WANTED

PACKAGE = os.path.dirname(os.path.abspath(colorwatch.__file__))
REACH = (
    "import sys\nfrom colorwatch.faultpoint import reach\nfor _ in range(int(sys.argv[1])): reach('link')\nprint('on')"
)


def reached() -> list[str]:
    """The points that the code says it reaches."""
    found = []
    for parent, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                with open(os.path.join(parent, name), encoding="utf-8") as file:
                    tree = ast.parse(file.read())
                found += [
                    str(call.args[0].value)
                    for call in ast.walk(tree)
                    if isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id == "reach"
                    and isinstance(call.args[0], ast.Constant)
                ]
    return found


def test_every_point_stands_in_the_code_once() -> None:
    assert sorted(reached()) == sorted(POINTS)
    assert len(POINTS) >= 20


def test_unasked_it_is_an_empty_function() -> None:
    assert faultpoint.reach is faultpoint._off
    assert faultpoint._off.__code__.co_names == (), "it asks nothing and calls nothing"


def run(folder: str, spec: str, times: int) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "COLORWATCH_FAULT": spec, "COLORWATCH_FAULT_BENCH": folder}
    command = [sys.executable, "-c", REACH, str(times)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / WANTED).touch()
    return os.fspath(tmp_path)


def test_nothing_happens_where_the_folder_does_not_say_that_faults_are_wanted(tmp_path: Path) -> None:
    assert run(os.fspath(tmp_path), "link:1", 3).stdout == "on\n"
    assert run("", "link:1", 3).stdout == "on\n"


def test_it_kills_at_the_time_named(folder: str) -> None:
    assert run(folder, "link:3", 2).stdout == "on\n"
    # The count goes on in the next process, as in a daemon that was started again.
    assert run(folder, "link:3", 1).returncode == -signal.SIGKILL
    assert run(folder, "link:3", 2).stdout == "on\n"


def test_an_errno_is_raised_as_often_as_asked(folder: str) -> None:
    for _ in range(2):
        assert "OSError: [Errno 28]" in run(folder, "link:1x2:ENOSPC", 1).stderr
    assert run(folder, "link:1x2:ENOSPC", 1).stdout == "on\n"


@pytest.mark.parametrize("spec", ["nowhere:1", "link", "link:1:explode", "link:x"])
def test_a_spec_that_says_nothing_is_refused(folder: str, spec: str) -> None:
    assert "ValueError: COLORWATCH_FAULT" in run(folder, spec, 1).stderr
