"""What the README says is so: its commands exist, its tables are those of the code, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import colorwatch
from colorwatch.config import load
from colorwatch.errors import Exit

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def text_of(*parts: str) -> str:
    with open(os.path.join(REPOSITORY, *parts), encoding="utf-8") as file:
        return file.read()


README = text_of("README.md")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every command of every shell block, as words, without comments."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def own_commands() -> list[list[str]]:
    """The arguments of every `colorwatch ...` in a shell block."""
    found = [
        words[index + 1 :] for words in commands() for index, word in enumerate(words) if is_own(words, index, word)
    ]
    assert found
    return found


def is_own(words: list[str], index: int, word: str) -> bool:
    """Whether this word of a command line runs colorwatch, rather than being the argument of something else."""
    runs = index == 0 or words[:index] == ["sudo", "-u", "colorwatch"]
    return runs and os.path.basename(word) == "colorwatch"


def rows(after: str) -> list[list[str]]:
    """The cells of the first table below the line `after`, without its heading."""
    below = README[README.index(after) :]
    lines = re.search(r"(?:^\|.*\n)+", below, flags=re.MULTILINE)
    assert lines
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines.group().splitlines()[2:]]


def colorwatch_says(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    environment.pop("COLORWATCH_CONFIG", None)
    command = [sys.executable, "-m", "colorwatch.cli", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_new_reader_needs_exactly_two_commands():
    first = [shlex.split(line, comments=True) for line in blocks("sh")[0].splitlines()]
    assert first == [["make", "run"], ["make", "test"]]


@pytest.mark.parametrize("target", ["run", "test", "setup", "setup-dev", "lint", "bench", "clean", "help"])
def test_the_makefile_has_the_target_and_help_names_it(target):
    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "0"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    known = re.findall(r"^([a-z-]+):", text_of("Makefile"), flags=re.MULTILINE)
    assert target in known
    assert f"make {target} " in make("help").stdout


def test_every_make_target_of_the_readme_exists():
    known = re.findall(r"^([a-z-]+):", text_of("Makefile"), flags=re.MULTILINE)
    shown = set(re.findall(r"`make ([a-z-]+)`", README)) | {words[1] for words in commands() if words[0] == "make"}
    assert shown
    assert shown <= set(known)


@pytest.mark.parametrize("arguments", own_commands(), ids=" ".join)
def test_every_command_of_the_readme_is_understood(arguments):
    # With --help behind them the arguments are parsed, and nothing is done.
    result = colorwatch_says(*arguments, *([] if "--version" in arguments else ["--help"]))
    assert result.returncode == Exit.OK, result.stderr
    if "--version" in arguments:
        assert result.stdout.split() == ["colorwatch", colorwatch.__version__]


def test_every_command_of_colorwatch_is_in_the_readme():
    shown = {arguments[0] for arguments in own_commands()}
    listed = colorwatch_says("--help").stdout
    offered = set(re.findall(r"^\W*([a-z][a-z-]+) {2,}\S", listed.split("Commands")[-1], flags=re.MULTILINE))
    assert {"run", "once", "check-config", "status"} <= offered
    assert offered <= shown


def test_the_small_config_of_the_readme_is_sound(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(blocks("yaml")[0], encoding="utf-8")
    config = load(str(path), check_folders=False)
    assert config.folders[0].inbox == "/srv/scans/inbox"


def test_the_exit_codes_are_those_of_the_code():
    table = [(int(code), name) for code, name, _ in rows("### Exit codes")]
    assert table == [(code.value, code.name) for code in Exit]


def logged_events() -> set[str]:
    """Every event that the package logs: dotted words given first to a log method."""
    found: set[str] = set()
    for folder, _, names in os.walk(os.path.join(REPOSITORY, "colorwatch")):
        for name in names:
            if name.endswith(".py"):
                source = text_of(folder, name)
                found |= set(re.findall(r"\.(?:debug|info|warning|error|log)\(\s*(?:\w+, )?\"(\w+\.\w+)\"", source))
    assert "job.done" in found
    return found


def test_the_log_events_are_those_of_the_code():
    assert {event.strip("`") for event, _, _ in rows("<!-- log events: begin -->")} == logged_events()


def test_every_dependency_has_its_reason_and_its_licence():
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text_of("pyproject.toml"), flags=re.MULTILINE | re.DOTALL)
    assert block
    needed = re.findall(r'"([a-z-]+)', block.group(1))
    table = rows("## What it stands on")
    assert [name.split(",")[0] for name, _, _ in table] == needed
    assert all(licence and reason for _, licence, reason in table)


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md", "THIRD-PARTY-NOTICES.md", "samples/CREDITS.md"])
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(document))
    folder = os.path.dirname(os.path.join(REPOSITORY, document))
    assert [link for link in links if not os.path.exists(os.path.join(folder, link))] == []


def samples() -> list[str]:
    folder = os.path.join(REPOSITORY, "samples")
    return sorted(name for name in os.listdir(folder) if name.endswith((".jpg", ".png", ".tif")))


@pytest.mark.parametrize("name", samples())
def test_each_sample_is_small_grey_and_credited(name):
    path = os.path.join(REPOSITORY, "samples", name)
    assert os.path.getsize(path) < 150_000
    assert f"`{name}`" in text_of("samples", "CREDITS.md")
    with Image.open(path) as picture:
        assert round(picture.info["dpi"][0]) in (200, 300)
        pixels = np.asarray(picture.convert("RGB"), dtype=np.int16)
    # A JPEG of three bands may be a level off from grey by its rounding.
    assert np.ptp(pixels, axis=2).max() <= 1
