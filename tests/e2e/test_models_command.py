"""`colorwatch models ...` as a person runs it, and the net that `run` takes from what it finds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorwatch.errors import Exit
from onnxnets import mixing_net
from webserver import WebServer, serving

NET = mixing_net(np.array([[0.1], [0.2]]), (256, 256), shrink=4)

# The real command, with a catalogue whose siggraph17 is the file that the test serves.
WITH_CATALOGUE = """
import dataclasses, os, sys
from colorwatch.modelstore import catalogue
known = dataclasses.replace(
    catalogue.SIGGRAPH, sha256=os.environ["SHA256"], at_most=10**6, addresses=os.environ["ADDRESSES"].split()
)
catalogue.CATALOGUE["siggraph17"] = catalogue.BY_FILE[known.file] = catalogue.BY_DIGEST[known.sha256] = known
from colorwatch.cli import main
main()
"""


class Home:
    """A folder with a config in it, and the command to run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "COLUMNS": "200", "no_proxy": "127.0.0.1"}
        self.program = ["-m", "colorwatch.cli"]
        for name in ("inbox", "outbox", "models"):
            (folder / name).mkdir()
        self.configure()

    def configure(self, more: str = "") -> None:
        text = f"folders:\n  - inbox: ./inbox\n    outbox: ./outbox\nstate: ./state\n{more}"
        (self.folder / "config.yaml").write_text(text)

    def call(self, *arguments: str, code: Exit = Exit.OK) -> str:
        """What the command says; it must end with `code`, and never with a traceback."""
        command = [sys.executable, *self.program, *arguments, "--config", str(self.folder / "config.yaml")]
        ended = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False, cwd="/"
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stdout + ended.stderr

    def names(self) -> dict[str, str]:
        return {row["name"]: row["standing"] for row in json.loads(self.call("models", "list", "--json"))}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as server:
        yield server


def test_list_tells_what_is_here_and_what_auto_takes(home: Home) -> None:
    (home.folder / "models" / "colorization_release_v2.caffemodel").write_bytes(b"<html>")
    told = home.call("models", "list")
    assert "model: auto takes compact" in told
    assert "zhang2016" in told
    assert "untrusted" in told
    standings = {"compact": "here", "zhang2016": "not here", "zhang2016-onnx": "not here", "siggraph17": "not here"}
    assert home.names() == {**standings, "colorization_release_v2": "untrusted"}


def test_check_config_says_which_model_auto_takes_and_why(home: Home) -> None:
    told = home.call("check-config")
    assert "model: compact (auto: the published net is not here; to get it: colorwatch models fetch zhang2016)" in told
    page = home.folder / "models" / "colorization_release_v2.caffemodel"
    page.write_bytes(b"<html>")
    assert f"({page} has 6 bytes instead of 128,946,764)" in home.call("check-config")
    assert not (home.folder / "state").exists(), "looking makes nothing"


def test_own_model_is_imported_named_in_the_config_verified_and_removed(home: Home) -> None:
    path = home.folder / "mine.onnx"
    path.write_bytes(NET)
    assert "is none of the known models" in home.call("models", "import", str(path), code=Exit.MODEL)
    assert "is (1, 1, 256, 256), not (1, 1, 224, 224)" in home.call(
        "models", "import", str(path), "--trust", code=Exit.MODEL
    )
    (home.folder / "mine.yaml").write_text(
        "name: Mine\nlicence: MIT\nsource: here\ninput: {kind: L, size: [256, 256]}\noutput: {kind: ab}\n"
    )
    told = home.call("models", "import", str(path), "--trust", "--name", "our-net")
    assert "It can be used: model: our-net" in told
    assert home.names()["our-net"] == "imported"
    assert "2 as they should be, 0 not" in home.call("models", "verify")
    home.configure("model: our-net\n")
    assert "model: our-net (" in home.call("check-config")
    (home.folder / "state" / "models" / "our-net.onnx").write_bytes(NET[:-1])
    assert "our-net.onnx: it is no known model" in home.call("models", "verify", code=Exit.MODEL)
    assert "removed" in home.call("models", "remove", "our-net")
    assert "our-net" not in home.names()
    assert '"our-net" is not the name of a known model' in home.call("check-config", code=Exit.CONFIG)


def test_faults_of_a_manifest_are_told_one_a_line(home: Home) -> None:
    path = home.folder / "mine.onnx"
    path.write_bytes(NET)
    (home.folder / "mine.yaml").write_text("name: Mine\ninput: {kind: M, size: [256, 256]}\noutput: {kind: ab}\n")
    home.configure("model: {path: mine.onnx, trust: true}\n")
    told = home.call("once", code=Exit.MODEL)
    assert [line.split("mine.yaml:")[1].split(": ")[:2] for line in told.splitlines()] == [
        ["1", "licence"],
        ["1", "source"],
        ["2", "input.kind"],
    ]


def test_offline_machine_is_told_what_to_do_instead(home: Home) -> None:
    home.environment |= {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    told = home.call("models", "fetch", "zhang2016", code=Exit.MODEL)
    assert "this machine seems to be offline" in told
    assert "--from FILE" in told
    assert os.listdir(home.folder / "state" / "models") == []


def test_fetch_from_a_wrong_file_leaves_nothing(home: Home) -> None:
    (home.folder / "page").write_bytes(b"<html>")
    told = home.call("models", "fetch", "zhang2016", "--from", str(home.folder / "page"), code=Exit.MODEL)
    assert "is not zhang2016: it has 6 bytes" in told
    assert os.listdir(home.folder / "state" / "models") == []


def test_fetch_goes_on_after_a_break_and_past_bad_addresses(home: Home, server: WebServer) -> None:
    page = server.at("/page", lambda request: request.whole(b"<!doctype html>"))
    cut = server.at("/cut", lambda request: request.rest(NET, request.start + len(NET) // 2 + 1))
    home.program = ["-c", WITH_CATALOGUE]
    home.environment |= {"SHA256": hashlib.sha256(NET).hexdigest(), "ADDRESSES": page}
    assert "sends another file" in home.call("models", "fetch", "siggraph17", code=Exit.MODEL)
    assert home.names()["siggraph17"] == "not here"
    home.environment["ADDRESSES"] = f"{page} {cut}"
    told = home.call("models", "fetch", "siggraph17")
    path = home.folder / "state" / "models" / "colorization-siggraph-17.onnx"
    assert f"siggraph17 is here now: {path}" in told
    assert path.read_bytes() == NET
    assert os.listdir(path.parent) == [path.name]
    assert "was here already" in home.call("models", "fetch", "siggraph17")
    assert home.names()["siggraph17"] == "here"


def test_unknown_names_are_refused_with_the_known_ones(home: Home) -> None:
    told = home.call("models", "fetch", "zhang", code=Exit.MODEL)
    assert "zhang is not the name of a known model; to be fetched are: zhang2016, zhang2016-onnx, siggraph17." in told
    assert "There is no model zhang" in home.call("models", "remove", "zhang", code=Exit.MODEL)
    assert "comes with colorwatch and stays" in home.call("models", "remove", "compact", code=Exit.MODEL)


def test_own_net_with_a_manifest_colours_what_lies_in_the_inbox(home: Home) -> None:
    # It makes every picture redder, and was made for a size of its own.
    net = mixing_net(np.eye(3), (64, 96), bias=np.array([40.0, 0.0, -40.0], np.float32))
    (home.folder / "red.onnx").write_bytes(net)
    (home.folder / "red.yaml").write_text(
        "name: Red\nlicence: MIT\nsource: here\ninput: {kind: grey_rgb, size: [64, 96], scale: 255}\n"
        "output: {kind: rgb, scale: 0.00392157}\n"
    )
    Image.fromarray(np.full((90, 120), 128, np.uint8)).save(home.folder / "inbox" / "grey.png")
    home.call("models", "import", str(home.folder / "red.onnx"), "--trust")
    home.configure("model: red\nworkers: 1\n")
    told = home.call("once")
    assert "1 coloured, 0 in quarantine" in told
    with Image.open(home.folder / "outbox" / "grey.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert pixels.shape == (90, 120, 3)
    # R - 128, G - 128 and B - 128, about 40, 0 and -40 but for what keeping the lightness takes.
    assert (pixels[..., 0] - pixels[..., 1] > 25).all()
    assert (pixels[..., 1] - pixels[..., 2] > 25).all()
