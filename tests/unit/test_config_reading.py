"""YAML is read without its surprises; what is no YAML is told in plain words, with its line."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from colorwatch.config import load
from colorwatch.config.reading import MAX_BYTES, NoDocumentError, read
from colorwatch.errors import ConfigError


def values(tmp_path: Path, text: str | bytes) -> object:
    return read(str(put(tmp_path, text))).values


def put(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "c.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refusal(tmp_path: Path, text: str | bytes) -> tuple[int | None, str]:
    with pytest.raises(NoDocumentError) as caught:
        values(tmp_path, text)
    fault = caught.value.fault
    assert fault.message.isprintable()
    return fault.line, fault.message


def places(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    return [(fault.line, fault.message) for fault in read(str(put(tmp_path, text))).faults]


class TestValues:
    @pytest.mark.parametrize("word", ["no", "on", "y", "1:30", "0o17", "1_000", "2024-01-01", "0x1F", "=", ".inf"])
    def test_words_stay_what_they_are(self, tmp_path: Path, word: str) -> None:
        assert values(tmp_path, f"{word}: {word}\n") == {word: word}

    @pytest.mark.parametrize(
        ("written", "value"), [("", None), ("~", None), ("null", None), ("''", ""), ("'null'", "null")]
    )
    def test_nothing_is_nothing_unless_it_is_quoted(self, tmp_path: Path, written: str, value: str | None) -> None:
        assert values(tmp_path, f"a: {written}\n") == {"a": value}

    def test_aliases_stand_for_what_they_name(self, tmp_path: Path) -> None:
        assert values(tmp_path, "a: &x [1, {b: 2}]\nc: *x\n") == {"a": ["1", {"b": "2"}], "c": ["1", {"b": "2"}]}

    @pytest.mark.parametrize("tag", ["!!str", "!!int", "!!bool", "!"])
    def test_tags_of_plain_values_are_ignored(self, tmp_path: Path, tag: str) -> None:
        assert values(tmp_path, f"a: {tag} 5\n") == {"a": "5"}

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_every_common_encoding_of_an_editor_is_read(self, tmp_path: Path, encoding: str) -> None:
        assert values(tmp_path, "a: Käse\r\nb: 1\r\n".encode(encoding)) == {"a": "Käse", "b": "1"}

    def test_every_key_has_its_line(self, tmp_path: Path) -> None:
        document = read(str(put(tmp_path, "# words\na:\n  - b: 1\n    c:\n      2\n  - {d: 3,\n     e: 4}\n")))
        lines = {key: line for key, line in document.lines.items() if key}
        assert lines[("a",)] == 2
        assert (lines[("a", 0)], lines[("a", 0, "b")], lines[("a", 0, "c")]) == (3, 3, 4)
        assert (lines[("a", 1, "d")], lines[("a", 1, "e")]) == (6, 7)
        assert document.line(("a", 1, "missing", "deeper")) == 6
        assert document.line(("missing",)) == 1


class TestFaultsOfSinglePlaces:
    def test_key_given_twice_names_both_lines(self, tmp_path: Path) -> None:
        assert places(tmp_path, "a: 1\nb: 2\na: 3\n") == [(3, "is given twice, first in line 1; keep one of them")]

    @pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!binary", "!!set", "!mine", "!!timestamp"])
    def test_other_tags_are_refused_and_nothing_runs(self, tmp_path: Path, tag: str) -> None:
        ((line, message),) = places(tmp_path, f"a:\n  b: {tag} x\n")
        assert line == 2
        assert message == f'the tag "{tag}" has no place in a config; write the plain value'

    def test_tag_on_a_list_a_mapping_or_a_key_is_refused_too(self, tmp_path: Path) -> None:
        told = places(tmp_path, "a: !!python/tuple [1]\nb: !!omap {c: 1}\n!!python/none d: 1\n")
        assert [line for line, _ in told] == [1, 2, 3]

    def test_key_that_is_no_word_is_a_fault(self, tmp_path: Path) -> None:
        assert places(tmp_path, "? [a, b]\n: 1\n") == [(1, "a key must be a plain word; write `key: value`")]


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("a: 1\n\tb: 2\n", 2, "a tab stands here; indent with spaces"),
            ("a: 1\nb: C: 2\n", 2, "there is one colon too many"),
            ("a:\n  - 1\n - 2\n", 3, "the indentation is wrong"),
            ("a: 1\nb\nc: 2\n", 3, "the line before has no colon"),
            ('a: 1\nb: "C:\\x\n', 2, "a backslash in double quotes"),
            ('a: 1\nb: "open\n', 3, "a quotation mark is not closed"),
            ("a: 1\nb: [1, 2\nc: 3\n", 3, "a bracket is not closed"),
            ("a: 1\nb: *.jpg\n", 2, "a value cannot begin with *"),
            ("a: 1\nb: *home\n", 2, "an alias (*)"),
            ("a: 1\nb: &.x\n", 2, "a value cannot begin with &"),
            ("a: 1\nb: @home\n", 2, "a value cannot begin with this character"),
            ("a: 1\nb: !u!x 1\n", 2, "a tag (!) is not known"),
            ("a: 1\n---\nb: 2\n", 2, "a second document begins here"),
            ("a: 1\nb: \x07\n", 2, "a control character stands in the file"),
        ],
    )
    def test_of_syntax_tell_the_line_and_what_to_do(self, tmp_path: Path, text: str, line: int, words: str) -> None:
        told, message = refusal(tmp_path, text)
        assert (told, message.startswith(f"this is not YAML: {words}")) == (line, True), message

    def test_of_what_yaml_itself_stumbles_over_are_no_crash(self, tmp_path: Path) -> None:
        assert "this is not YAML" in refusal(tmp_path, 'a: "\\UFFFFFFFF"\n')[1]
        assert "this is not YAML" in refusal(tmp_path, "%YAML " + "9" * 5000 + ".1\n---\na: 1\n")[1]

    @pytest.mark.parametrize("text", ["", "# words\n", "\n\n", "---\n"])
    def test_of_emptiness_point_to_the_example(self, tmp_path: Path, text: str) -> None:
        assert "copy config.example.yaml and change its folders" in refusal(tmp_path, text)[1]

    @pytest.mark.parametrize("text", ["word\n", "- a\n- b\n", "5\n"])
    def test_of_what_has_no_keys(self, tmp_path: Path, text: str) -> None:
        assert refusal(tmp_path, text)[1].startswith("the config does not begin with keys such as `folders:`")

    def test_of_another_encoding_tell_the_line(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, b"a: 1\nb: K\xe4se\n") == (2, "the file is not UTF-8 text; save it as UTF-8")

    def test_of_what_is_no_file_to_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        for name, words in [
            ("nothing", "there is no such file"),
            ("", "this is a folder"),
            ("fifo", "this is no regular file"),
            ("x" * 300, "the config cannot be opened"),
            ("a\0b", "this cannot be the name of a file"),
        ]:
            with pytest.raises(ConfigError) as caught:
                load(os.path.join(tmp_path, name))
            (fault,) = caught.value.faults
            assert words in fault
            assert fault.isprintable()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


class TestBombs:
    @pytest.mark.parametrize(
        "text",
        [
            BOMB,
            "a: &a [*a]\n",
            "a: &a {b: *a}\n",
            "a: " + "[" * 100_000,
            "- " * 50_000 + "x",
            "a: [" + "x," * 300_000 + "]",
            "".join(f"k{n}: 1\n" for n in range(60_000)),
            "\n".join(" " * n + "a:" for n in range(1_000)),
            "a" * (MAX_BYTES - 1),
            "#" * (MAX_BYTES - 1),
            "? " * 400_000,
            "a: " + "&a " * 200_000,
            "a: '" + "\n" * 900_000,
        ],
    )
    def test_are_refused_within_seconds(self, tmp_path: Path, text: str) -> None:
        started = time.monotonic()
        refusal(tmp_path, text)
        assert time.monotonic() - started < 10

    def test_larger_files_are_not_even_parsed(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, b"#" * (MAX_BYTES + 1))[1].startswith("the file is larger than a megabyte")
