"""Folders that would feed or hide each other are faults; so are folders that the disk does not have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch.config import load, load_to_run
from colorwatch.errors import ConfigError

NAMES = ("a", "a/b", "b", "b/c", "c", "c/d", "d", "e")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(text: str, *, check_folders: bool = True) -> list[str]:
    Path("c.yaml").write_text(text)
    try:
        load("c.yaml", check_folders=check_folders)
    except ConfigError as error:
        return [fault.removeprefix("c.yaml:") for fault in error.faults]
    return []


def config(*folders: str, state: str = "./e") -> str:
    return "folders:\n" + "".join(f"  - {{{folder}}}\n" for folder in folders) + f"state: {state}\n"


OUTSIDE = "and what is written there would be taken for scans; write a folder outside of it"


class TestOverlaps:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            (
                config("inbox: a, outbox: ./c/../a"),
                "2: folders[0].outbox: is the inbox itself, and each result would be taken for a new scan; "
                "write another folder beside it",
            ),
            (config("inbox: a, outbox: a/b"), f"2: folders[0].outbox: lies inside folders[0].inbox, {OUTSIDE}"),
            (
                config("inbox: a/b, outbox: a"),
                "2: folders[0].outbox: has folders[0].inbox inside it; write a folder beside it",
            ),
            (
                config("inbox: a, outbox: b, quarantine: a/b"),
                f"2: folders[0].quarantine: lies inside folders[0].inbox, {OUTSIDE}",
            ),
            (
                config("inbox: a, outbox: b, originals: archive, archive: a"),
                "2: folders[0].archive: is the same folder as folders[0].inbox; write a folder of its own",
            ),
            (
                config("inbox: a, outbox: b, originals: archive, archive: b"),
                "2: folders[0].archive: is the same folder as folders[0].outbox; write a folder of its own",
            ),
            (
                config("inbox: a, outbox: b, quarantine: b"),
                "2: folders[0].quarantine: is the same folder as folders[0].outbox; write a folder of its own",
            ),
            (
                config("inbox: a, outbox: b, quarantine: b/again"),
                "2: folders[0].quarantine: lies where people put results that are to be made again; "
                "write another folder",
            ),
            (
                config("inbox: a, outbox: b, quarantine: ./c/../b/again/old"),
                "2: folders[0].quarantine: lies where people put results that are to be made again; "
                "write another folder",
            ),
            (config("inbox: a, outbox: b", state="a/b"), f"3: state: lies inside folders[0].inbox, {OUTSIDE}"),
            (
                config("inbox: a, outbox: b", state="b/c"),
                "3: state: lies inside folders[0].outbox; write a folder outside of it",
            ),
            (
                config("inbox: a/b, outbox: b", state="a"),
                "3: state: has folders[0].inbox inside it; write a folder beside it",
            ),
            (
                config("inbox: a, outbox: b", "inbox: a, outbox: c"),
                "3: folders[1].inbox: is the same folder as folders[0].inbox; write a folder of its own",
            ),
            (
                config("inbox: a, outbox: b", "inbox: a/b, outbox: c"),
                "3: folders[1].inbox: lies inside folders[0].inbox; write a folder outside of it",
            ),
            (
                config("inbox: a/b, outbox: b", "inbox: a, outbox: c"),
                "3: folders[1].inbox: has folders[0].inbox inside it; write a folder beside it",
            ),
            (
                config("inbox: a, outbox: b", "inbox: d, outbox: b"),
                "3: folders[1].outbox: is the same folder as folders[0].outbox; write a folder of its own",
            ),
            (
                config("inbox: a, outbox: b", "inbox: d, outbox: a/b"),
                f"3: folders[1].outbox: lies inside folders[0].inbox, {OUTSIDE}",
            ),
            (
                config("inbox: c, outbox: a", "inbox: a/b, outbox: d"),
                "2: folders[0].outbox: has folders[1].inbox inside it; write a folder beside it",
            ),
        ],
    )
    @pytest.mark.parametrize("check_folders", [True, False])
    def test_that_do_harm_are_one_fault_each(self, text: str, fault: str, check_folders: bool) -> None:
        assert faults(text, check_folders=check_folders) == [fault]

    @pytest.mark.parametrize(
        "text",
        [
            config("inbox: a, outbox: b, quarantine: b/c"),
            config("inbox: a, outbox: b, originals: archive, archive: b/c"),
            config("inbox: a, outbox: b, quarantine: d", "inbox: c, outbox: e, quarantine: d", state="./state"),
            config(
                "inbox: a, outbox: b, originals: archive, archive: d",
                "inbox: c, outbox: e, originals: archive, archive: d",
                state="./state",
            ),
            config("inbox: a, outbox: ab", "inbox: c, outbox: abc"),
        ],
    )
    def test_that_do_no_harm_are_allowed(self, home: Path, text: str) -> None:
        (home / "ab").mkdir()
        (home / "abc").mkdir()
        assert faults(text) == []

    def test_through_a_symlink_are_seen_on_the_disk(self, home: Path) -> None:
        (home / "link").symlink_to("a/b")
        text = config("inbox: a, outbox: link")
        assert faults(text, check_folders=False) == []
        assert faults(text) == [
            f"2: folders[0].outbox: lies inside folders[0].inbox, {OUTSIDE} (in truth they are {home}/a/b and {home}/a)"
        ]

    def test_of_a_default_quarantine_that_is_a_symlink_are_seen(self, home: Path) -> None:
        (home / "b" / "quarantine").symlink_to("../a")
        (fault,) = faults(config("inbox: a, outbox: b"))
        assert fault.startswith("2: folders[0].quarantine: is the same folder as folders[0].inbox")

    def test_of_folders_that_are_one_under_two_names_are_seen(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bind mount needs rights that a test has not: here the system says of d what it says of a."""
        real = os.stat

        def stat(path: str, *rest: object, **more: object) -> os.stat_result:
            other = str(path).replace(str(home / "d"), str(home / "a"), 1)
            return real(other, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "stat", stat)
        (home / "d" / "b").mkdir()
        assert faults(config("inbox: a, outbox: d"))[0].startswith("2: folders[0].outbox: is the inbox itself")
        assert faults(config("inbox: a, outbox: d/b"))[0].startswith("2: folders[0].outbox: lies inside")

    def test_of_the_whole_disk_are_seen(self) -> None:
        assert any("has folders[0].inbox inside it" in fault for fault in faults(config("inbox: a, outbox: /")))

    def test_are_told_beside_faults_of_other_kinds(self) -> None:
        told = faults(config("inbox: a, outbox: a, jpeg_quality: 1", "outbox: c"))
        assert [fault.split(": ")[1] for fault in told] == [
            "folders[0].jpeg_quality",
            "folders[0].outbox",
            "folders[1].inbox",
        ]

    def test_of_a_hundred_folders_are_found_within_the_time_limit(self) -> None:
        text = config(*(f"inbox: a, outbox: o{index}" for index in range(100)))
        assert len(faults(text, check_folders=False)) == 100 * 99 // 2


class TestDisk:
    def test_missing_folders_come_with_the_command_that_makes_them(self, home: Path) -> None:
        text = config("inbox: in box, outbox: out, originals: archive, archive: arc")
        assert faults(text) == [
            f"2: folders[0].archive: there is no folder {home}/arc; make it with: mkdir -p {home}/arc",
            f"2: folders[0].inbox: there is no folder {home}/in box; make it with: mkdir -p '{home}/in box'",
            f"2: folders[0].outbox: there is no folder {home}/out; make it with: mkdir -p {home}/out",
        ]
        assert faults(text, check_folders=False) == []

    def test_missing_folders_are_waited_for_by_a_daemon(self, home: Path) -> None:
        Path("c.yaml").write_text(config("inbox: in, outbox: out, originals: archive, archive: arc"))
        loaded, lines = load_to_run("c.yaml")
        assert loaded.folders[0].inbox == f"{home}/in"
        assert lines == [
            f"c.yaml:2: folders[0].{role}: there is no folder {home}/{name}; make it with: mkdir -p {home}/{name}"
            for role, name in (("archive", "arc"), ("inbox", "in"), ("outbox", "out"))
        ]

    @pytest.mark.parametrize(
        "text",
        [
            config("inbox: file, outbox: missing"),
            config("inbox: missing, outbox: missing"),
            config("inbox: missing, outbox: missing/b"),
            config("inbox: loop, outbox: b"),
            config("inbox: missing, outbox: b, jpeg_quality: 1"),
            config("inbox: missing, outbox: b") + "model: {path: m.onnx, trust: true}\n",
        ],
    )
    def test_what_does_not_heal_by_itself_is_refused_with_all_the_rest(self, home: Path, text: str) -> None:
        (home / "file").touch()
        (home / "loop").symlink_to("loop")
        told = faults(text)
        with pytest.raises(ConfigError) as refused:
            load_to_run("c.yaml")
        assert [fault.removeprefix("c.yaml:") for fault in refused.value.faults] == told

    def test_a_share_that_does_not_answer_is_a_fault_of_its_own_and_hides_no_other(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hung, real = threading.Event(), os.stat

        def stat(path: str, *rest: object, **more: object) -> os.stat_result:
            if str(path) == f"{home}/a":
                hung.wait(30)
            return real(path, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr("colorwatch.config.places.PATIENCE_SECONDS", 0.3)
        monkeypatch.setattr(os, "stat", stat)
        text = config("inbox: a, outbox: out")
        assert faults(text) == [
            f"2: folders[0].inbox: {home}/a does not answer; see whether its file server is up, or unmount the share",
            f"2: folders[0].outbox: there is no folder {home}/out; make it with: mkdir -p {home}/out",
        ]
        assert len(load_to_run("c.yaml")[1]) == 2
        hung.set()

    def test_files_are_no_folders(self, home: Path) -> None:
        (home / "file").touch()
        assert faults(config("inbox: file, outbox: b", state="file"))[:1] == [
            f"2: folders[0].inbox: {home}/file is a file, not a folder; write the path of a folder"
        ]
        (fault,) = faults(config("inbox: file/x, outbox: b"))
        assert f"{home}/file/x cannot be looked at" in fault

    def test_loops_and_endless_names_are_faults(self, home: Path) -> None:
        (home / "loop").symlink_to("loop")
        for name in ("loop", "x" * 300):
            (fault,) = faults(config(f"inbox: {name}, outbox: b"))
            assert "cannot be looked at" in fault

    def test_state_and_quarantine_need_not_exist(self) -> None:
        assert faults(config("inbox: a, outbox: b, quarantine: q/r", state="./s/t")) == []

    def test_model_file_must_exist(self, home: Path) -> None:
        text = config("inbox: a, outbox: b") + "model: {path: m.onnx, trust: true}\n"
        assert faults(text) == [
            f"4: model.path: there is no file {home}/m.onnx; "
            "write the path of an .onnx or .caffemodel file that is there"
        ]
        (home / "m.onnx").mkdir()
        assert faults(text) == [
            f"4: model.path: {home}/m.onnx is no file; write the path of an .onnx or .caffemodel file"
        ]

    def test_model_of_another_name_must_be_in_one_of_the_folders_of_models(self, home: Path) -> None:
        text = config("inbox: a, outbox: b", state="./s") + "model: compcat\n"
        wrong = '4: model: "compcat" is not the name of a known model; did you mean compact?'
        assert faults(text) == [wrong]
        for folder, ending in (("models", "onnx"), ("s/models", "caffemodel")):
            (home / folder).mkdir(parents=True)
            file = home / folder / f"compcat.{ending}"
            file.touch()
            assert faults(text) == []
            file.unlink()
            assert faults(text) == [wrong]


class TestPermissions:
    @pytest.fixture
    def open_home(self) -> Iterator[Path]:
        """A folder that an ordinary user can reach, which tmp_path is not."""
        folder = Path(tempfile.mkdtemp(prefix="colorwatch-"))
        folder.chmod(0o755)
        yield folder
        for child in folder.iterdir():
            child.chmod(0o700)
        shutil.rmtree(folder)

    def told(self, folder: Path, text: str) -> list[str]:
        """The faults as an ordinary user gets them: root may do anything."""
        (folder / "c.yaml").write_text(text)
        code = (
            "import os, sys; from colorwatch.config import load; from colorwatch.errors import ConfigError\n"
            "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "try:\n  load(sys.argv[1])\n"
            "except ConfigError as error: print(*error.faults, sep='\\n')"
        )
        command = [sys.executable, "-c", code, str(folder / "c.yaml")]
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        return [line.removeprefix(f"{folder}/c.yaml:") for line in done.stdout.splitlines()]

    def test_that_are_missing_are_told_with_the_user_who_lacks_them(self, open_home: Path) -> None:
        for name, mode in [
            ("inbox", 0o711),
            ("outbox", 0o555),
            ("archive", 0o555),
            ("state", 0o555),
        ]:
            (open_home / name).mkdir()
            (open_home / name).chmod(mode if os.geteuid() == 0 else mode & 0o100)
        told = self.told(
            open_home,
            "folders:\n  - inbox: inbox\n    outbox: outbox\n    originals: archive\n    archive: archive\n"
            "    quarantine: outbox/q\nstate: state\n",
        )
        said = [fault.split(": user ")[0] for fault in told]
        assert said[:2] == ["2: folders[0].inbox", "3: folders[0].outbox"]
        assert "4: folders[0].archive" not in said
        assert "5: folders[0].archive" in said
        assert any(
            f"may not read {open_home}/inbox; allow it with: chmod a+rx {open_home}/inbox" in each for each in told
        )
        assert any(f"may not write into {open_home}/outbox; allow that user" in each for each in told)
        assert any(each.startswith(f"6: folders[0].quarantine: {open_home}/outbox/q cannot be made") for each in told)
        assert any(each.startswith("7: state: user ") for each in told)

    def test_to_remove_originals_are_needed_only_where_they_are_removed(self, open_home: Path) -> None:
        for name, mode in [("inbox", 0o555), ("outbox", 0o777), ("state", 0o777)]:
            (open_home / name).mkdir()
            (open_home / name).chmod(mode)
        text = "folders:\n  - {inbox: inbox, outbox: outbox, originals: ORIGINALS}\nstate: state\n"
        assert self.told(open_home, text.replace("ORIGINALS", "keep")) == []
        (fault,) = self.told(open_home, text.replace("ORIGINALS", "delete"))
        assert fault.startswith("2: folders[0].inbox: user ")
        assert (
            f"may not remove scans from {open_home}/inbox; allow that user to write there, or write originals: keep"
            in fault
        )

    def test_default_state_that_cannot_be_made_says_what_to_write(self, open_home: Path) -> None:
        if os.path.exists("/var/lib/colorwatch") or (os.geteuid() and os.access("/var/lib", os.W_OK)):
            pytest.skip("/var/lib/colorwatch can be used here")
        for name in ("inbox", "outbox"):
            (open_home / name).mkdir()
            (open_home / name).chmod(0o777)
        (fault,) = self.told(open_home, "folders:\n  - {inbox: inbox, outbox: outbox}\n")
        assert fault.startswith("1: state: /var/lib/colorwatch cannot be made: user ")
        assert fault.endswith("may not write into /var/lib; write another folder, for example ./state")
