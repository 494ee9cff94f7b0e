"""A config is read, filled with its defaults, and every fault in it is found at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from colorwatch.config import Config, Folder, Limits, Logging, ModelPath, load
from colorwatch.config.reading import read
from colorwatch.config.sentences import _COMPLETE, _WORDS
from colorwatch.errors import ConfigError, Exit
from colorwatch.scan import Originals

TWO = "folders:\n  - inbox: ./inbox\n    outbox: ./outbox\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("inbox", "outbox", "archive", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str | bytes) -> str:
    Path("c.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "c.yaml"


def faults(text: str | bytes, *, check_folders: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(text), check_folders=check_folders)
    assert caught.value.exit_code == Exit.CONFIG
    assert all(fault.isprintable() and fault.startswith("c.yaml:") for fault in caught.value.faults)
    return [fault.removeprefix("c.yaml:") for fault in caught.value.faults]


def state(text: str = TWO) -> str:
    return text + "state: ./state\n"


class TestDefaults:
    def test_two_folders_are_enough(self, home: Path) -> None:
        config = load(write(state()))
        assert config.folders == (
            Folder(
                inbox=str(home / "inbox"),
                outbox=str(home / "outbox"),
                name="inbox",
                originals=Originals.KEEP,
                archive=None,
                quarantine=str(home / "outbox" / "quarantine"),
                settle_seconds=5,
                rescan_seconds=60,
                incomplete_seconds=3600,
                recursive=True,
                jpeg_quality=92,
                strength=1,
                saturation=1,
            ),
        )
        assert (config.model, config.workers, config.state) == ("auto", "auto", str(home / "state"))
        assert config.net_memory == "auto"
        assert config.limits == Limits(
            max_megapixels=200,
            deadline_seconds=120,
            deadline_seconds_per_megapixel=10,
            drain_seconds=60,
            memory_megabytes="auto",
        )
        assert config.logging == Logging(level="info", format="auto")

    def test_state_is_where_services_keep_theirs(self, home: Path) -> None:
        assert load(write(TWO), check_folders=False).state == "/var/lib/colorwatch"

    def test_everything_can_be_set(self, home: Path) -> None:
        config = load(
            write(
                "folders:\n  - {inbox: inbox, outbox: outbox, name: Attic, originals: archive, archive: archive,\n"
                "     quarantine: other, settle_seconds: 0.5, rescan_seconds: 9, incomplete_seconds: 1e2,\n"
                "     recursive: no, jpeg_quality: '80'}\n"
                "model: {path: my.onnx, trust: yes}\nworkers: 3\nstate: state\n"
                "limits: {max_megapixels: 50, deadline_seconds: 1, deadline_seconds_per_megapixel: 0,\n"
                "  drain_seconds: 0, memory_megabytes: 2048}\nlogging: {level: debug, format: json}\n"
            ),
            check_folders=False,
        )
        folder = config.folders[0]
        assert (folder.name, folder.originals, folder.archive) == ("Attic", Originals.ARCHIVE, str(home / "archive"))
        assert (folder.quarantine, folder.settle_seconds, folder.rescan_seconds) == (str(home / "other"), 0.5, 9)
        assert (folder.incomplete_seconds, folder.recursive, folder.jpeg_quality) == (100, False, 80)
        assert config.model == ModelPath(path=str(home / "my.onnx"), trust=True)
        assert (config.workers, config.limits.memory_megabytes, config.limits.drain_seconds) == (3, 2048, 0)
        assert config.logging == Logging(level="debug", format="json")

    def test_sections_with_nothing_in_them_are_all_defaults(self, home: Path) -> None:
        assert load(write(state() + "limits:\nlogging:\n")) == load(write(state()))

    def test_config_cannot_be_changed_once_loaded(self, home: Path) -> None:
        config = load(write(state()))
        with pytest.raises(ValidationError, match="frozen"):
            config.workers = 2
        with pytest.raises(ValidationError, match="frozen"):
            config.folders[0].recursive = False

    def test_models_can_be_made_without_a_file(self) -> None:
        folder = Folder(inbox="/a/in", outbox="/a/out")
        config = Config(folders=(folder, Folder(inbox="/b/in", outbox="/b/out")), workers=2)
        assert [each.name for each in config.folders] == ["in", "in-2"]
        assert config.folders[0].quarantine == "/a/out/quarantine"


class TestPaths:
    def test_relative_ones_are_beside_the_config_wherever_one_stands(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = home / write(state())
        monkeypatch.chdir("/")
        assert load(str(file)).folders[0].inbox == str(home / "inbox")
        monkeypatch.chdir(home / "other")
        assert load("../c.yaml").folders[0].inbox == str(home / "inbox")

    def test_are_normalised_and_home_is_expanded(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(home))
        text = "folders:\n  - inbox: ~/x/../inbox/\n    outbox: //tmp/./a//b\nstate: '~'\n"
        config = load(write(text.replace("'~'", "'~/state'")), check_folders=False)
        assert config.folders[0].inbox == str(home / "inbox")
        assert (config.folders[0].outbox, config.state) == ("/tmp/a/b", str(home / "state"))

    def test_of_a_user_that_does_not_exist_is_a_fault(self, home: Path) -> None:
        (fault,) = faults("folders:\n  - inbox: ~nobody-of-that-name/{x}\n    outbox: b\n")
        assert fault == (
            '2: folders[0].inbox: begins with "~nobody-of-that-name", and there is no such user; '
            "write the path of a folder, for example ./inbox"
        )

    @pytest.mark.parametrize("value", [r'"a\0b"', r'"\ud800"'])
    def test_that_no_disk_can_hold_are_faults(self, home: Path, value: str) -> None:
        (fault,) = faults(f"folders:\n  - inbox: {value}\n    outbox: b\n")
        assert "holds a character that no file name can hold" in fault

    def test_with_bytes_that_are_no_text_can_be_the_config_folder(self, tmp_path: Path) -> None:
        folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n")
        for name in ("inbox", "outbox"):
            os.makedirs(os.path.join(folder, name))
        path = os.path.join(folder, "c.yaml")
        Path(path).write_text(state())
        assert load(path).folders[0].inbox == os.path.join(folder, "inbox")
        Path(path).write_text("")
        with pytest.raises(ConfigError, match=r"\\udcff\\n/c\.yaml:1: the config is empty"):
            load(path)


class TestNames:
    def test_are_the_last_part_of_the_inbox_made_unique(self, home: Path) -> None:
        text = "folders:\n" + "".join(
            f"  - {{inbox: {i}/scans, outbox: o{i}{extra}}}\n"
            for i, extra in enumerate(["", "", ", name: scans-2", ""])
        )
        config = load(write(text), check_folders=False)
        assert [folder.name for folder in config.folders] == ["scans", "scans-3", "scans-2", "scans-4"]

    def test_of_a_strange_inbox_are_printable_and_short(self, home: Path) -> None:
        config = load(write('folders: [{inbox: "a\\n%s", outbox: o}]\n' % ("x" * 100)), check_folders=False)
        assert config.folders[0].name == "a\\n" + "x" * 61

    def test_given_twice_are_a_fault(self, home: Path) -> None:
        text = "folders:\n  - {inbox: a, outbox: b, name: x}\n  - {inbox: c, outbox: d, name: x}\n"
        assert faults(text) == [
            '3: folders[1].name: "x" is the name of folders[0] already; write a name of its own',
        ]

    @pytest.mark.parametrize("name", ["a/b", '"a\\nb"', '" a"', "x" * 65])
    def test_that_would_break_a_message_are_faults(self, home: Path, name: str) -> None:
        (fault,) = faults(f"folders:\n  - inbox: a\n    outbox: b\n    name: {name}\n")
        assert fault.startswith("4: folders[0].name: ")
        assert fault.endswith(
            "is not a fit name; write a short name of your own, at most 64 characters, for example inbox"
        )


def told_faults() -> list[tuple[str, str]]:
    """The pairs of config_faults.txt: a line of a config, and the fault that it is."""
    text = (Path(__file__).parent / "config_faults.txt").read_text().split("\n\n", 1)[1]
    pairs = [block.split("\n=> ") for block in text.rstrip("\n").split("\n\n")]
    return [(line, fault) for line, fault in pairs]


class TestFaults:
    @pytest.mark.parametrize(("line", "fault"), told_faults())
    def test_are_said_in_plain_words_with_line_key_and_what_to_write_instead(
        self, home: Path, line: str, fault: str
    ) -> None:
        assert faults(f"{TWO}{line}\n") == [f"4: {fault}"]

    def test_every_sentence_for_pydantic_has_its_example(self, home: Path) -> None:
        """What no config can bring about need not be there; what one can must be tested."""
        reached: set[str] = set()
        for line, _ in told_faults():
            try:
                Config.model_validate(read(write(TWO + line + "\n")).values)
            except ValidationError as error:
                reached |= {each["type"] for each in error.errors()}
        # Lists that are too short or too long, names and long numbers have tests of their own.
        assert set(_WORDS) - reached == {"int_parsing_size", "name", "too_long", "tuple_type"}
        assert reached - set(_WORDS) == {"missing", "extra_forbidden", *_COMPLETE}

    def test_numbers_of_any_length_are_too_large(self, home: Path) -> None:
        (fault,) = faults(TWO + "    jpeg_quality: " + "9" * 5000)
        assert fault.startswith(f'4: folders[0].jpeg_quality: "{"9" * 57}..." is too large; write')

    def test_archive_that_is_missing_is_a_fault_of_the_entry(self, home: Path) -> None:
        (fault,) = faults(TWO + "    originals: archive")
        assert fault == (
            "2: folders[0].archive: is missing, but originals is archive; write archive: and the path of a folder"
        )

    def test_come_all_at_once_in_the_order_of_the_file(self, home: Path) -> None:
        told = faults(
            "folders:\n"
            "  - inbox: ./inbox\n"
            "    outbox: ./inbox\n"
            "    jpeg_quality: 5\n"
            "  - outbox: ./nowhere\n"
            "    originals: archive\n"
            "worker: 2\n"
            "model: {path: x.txt, trust: no}\n"
            "limits:\n"
            "  drain_seconds: x\n",
            check_folders=True,
        )
        assert [fault.split(": ")[:2] for fault in told if not fault.startswith("1: state")] == [
            ["3", "folders[0].outbox"],
            ["4", "folders[0].jpeg_quality"],
            ["5", "folders[1].archive"],
            ["5", "folders[1].inbox"],
            ["5", "folders[1].outbox"],
            ["7", "worker"],
            ["8", "model.path"],
            ["8", "model.trust"],
            ["10", "limits.drain_seconds"],
        ]

    def test_of_a_list_that_is_empty_or_none(self, home: Path) -> None:
        wanted = "write a list of 1 to 100 folders, each beginning with `- inbox:`"
        assert faults("folders: []") == [f"1: folders: is an empty list; {wanted}"]
        assert faults("folders:") == [f"1: folders: has no value; {wanted}"]
        assert faults("folders: {inbox: a, outbox: b}") == [f"1: folders: a mapping of keys is not a list; {wanted}"]
        assert faults("# words\nworkers: 1\n") == [f"1: folders: is missing; {wanted}"]
        many = "".join(f"- {{inbox: i{n}, outbox: o{n}}}\n" for n in range(101))
        assert faults("folders:\n" + many) == [f"1: folders: has more than 100 entries; {wanted}"]

    def test_that_are_as_long_as_a_file_are_cut_short(self, home: Path) -> None:
        (fault,) = faults(f"{TWO}{'k' * 100_000}: 1\n")
        assert len(fault) < 300

    def test_ten_thousand_of_them_are_found_within_seconds(self, home: Path) -> None:
        started = time.monotonic()
        told = faults(TWO + "".join(f"settle_second{n}: 5\n" for n in range(4000)))
        assert len(told) == 4000
        assert time.monotonic() - started < 20


def test_loading_imports_no_picture_library() -> None:
    code = "import sys, colorwatch.config; print(sorted({'cv2', 'numpy', 'pyvips'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
