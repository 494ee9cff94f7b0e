"""YAML read into plain values, with the line of every key. Nothing here knows which keys exist.

`Wording` is what a fault calls the file: a config, or another file that is read with the same care.

Every scalar stays the text that stands in the file (or None where nothing stands): the models say what is a number.
So the surprises of YAML 1.1 cannot happen: a folder named `no` is not False, and `1:30` is not 90.
"""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass, field

import yaml

from colorwatch.config.faults import Fault, Key, quoted
from colorwatch.errors import explain_os_error
from colorwatch.scan import printable

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_VALUES = 10_000  # counted after aliases are followed, so that a few lines cannot stand for billions of values

Plain = None | str | list["Plain"] | dict[str, "Plain"]

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null")}

# What the YAML parser says, and how we say it. The first text found in its message counts.
_SYNTAX = (
    ("found character '\\t'", "a tab stands here; indent with spaces"),
    ("cannot start any token", "a value cannot begin with this character; put the value in double quotes"),
    ("mapping values are not allowed", "there is one colon too many, or the indentation is wrong; put a value that has "
     "a colon in it in quotes, and begin keys of the same level in the same column"),
    ("could not find expected ':'", "the line before has no colon; write `key: value`"),
    ("expected <block end>", "the indentation is wrong; begin keys of the same level in the same column"),
    ("while scanning a quoted scalar", "a quotation mark is not closed; close it on the same line"),
    ("found unexpected end of stream", "a quotation mark is not closed; close it on the same line"),
    ("expected ',' or", "a bracket is not closed; close it, or write one entry a line"),
    ("undefined alias", "an alias (*) points to no anchor (&) before it; put a value that begins with * in quotes"),
    ("while scanning an alias", "a value cannot begin with *; put it in quotes"),
    ("while scanning an anchor", "a value cannot begin with &; put it in quotes"),
    ("expected escape sequence", "a backslash in double quotes; use single quotes, or write it twice"),
    ("found undefined tag handle", "a tag (!) is not known; put a value that begins with ! in quotes"),
    ("expected a single document", "a second document begins here; keep one, without a line of ---"),
    ("special characters are not allowed", "a control character stands in the file; remove it"),
    ("unknown escape character", "a backslash in double quotes; use single quotes, or write it twice"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wording:
    """What faults call the file: `noun`; a `key` that it may begin with; what to do instead, as parts of a sentence."""

    noun: str
    key: str
    ask: str
    hint: str
    look: str


CONFIG = Wording(
    noun="config",
    key="folders",
    ask="name the config with --config FILE",
    hint="copy config.example.yaml and change its folders",
    look="see config.example.yaml for how it should look",
)


@dataclass(slots=True)
class Document:
    """The plain values of a file, the line of each key (from 1), and what was wrong with single places."""

    values: dict[str, Plain] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, key: Key) -> int | None:
        """The line of `key`, or of the nearest thing around it that stands in the file."""
        while key not in self.lines and key:
            key = key[:-1]
        return self.lines.get(key)


class NoDocumentError(Exception):
    """The file gives no values at all, for the one reason in `fault`."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.fault = Fault((), message, line)


def read(path: str, wording: Wording = CONFIG) -> Document:
    """Read the file. Raises NoDocumentError where it cannot be read, or is no YAML mapping."""
    text = _decode(_load_bytes(path, wording))
    root = _compose(text, wording)
    if root is None:
        raise NoDocumentError(f"the {wording.noun} is empty; {wording.hint}", 1)
    if not isinstance(root, yaml.MappingNode):
        wrong = f"the {wording.noun} does not begin with keys such as `{wording.key}:`; {wording.hint}"
        raise NoDocumentError(wrong, _line(root))
    document = Document()
    values = _Builder(document, wording).build(root, ())
    document.values = values if isinstance(values, dict) else {}
    # A fault of the file as a whole (a missing key) belongs to its first line, comments or not.
    document.lines[()] = 1
    return document


def _load_bytes(path: str, wording: Wording) -> bytes:
    noun = wording.noun
    try:
        # O_NONBLOCK: opening a fifo would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoDocumentError(f"there is no such file; {wording.ask}, or {wording.hint}") from None
    except OSError as error:
        raise NoDocumentError(f"the {noun} cannot be opened: {explain_os_error(error)}") from None
    except ValueError:
        raise NoDocumentError(f"this cannot be the name of a file; {wording.ask}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise NoDocumentError(f"this is a folder; name the {noun} file inside it")
        if not stat.S_ISREG(mode):
            raise NoDocumentError("this is no regular file; name a YAML file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NoDocumentError(f"the {noun} cannot be read: {explain_os_error(error)}") from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise NoDocumentError(f"the file is larger than a megabyte and cannot be a {noun}; name a YAML file")
    return content


def _decode(content: bytes) -> str:
    # Editors on Windows write a byte order mark; with one, UTF-16 is no guess.
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NoDocumentError("the file is not UTF-8 text; save it as UTF-8", line) from None


class _Composer(yaml.BaseLoader):
    """Composes nodes and nothing else; without implicit types, and within the limits while it composes."""

    depth = 0
    count = 0
    wording = CONFIG

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_VALUES:
            wrong = f"there is far too much here for a {self.wording.noun}; {self.wording.hint}"
            raise NoDocumentError(wrong, self.line + 1)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str, wording: Wording) -> yaml.Node | None:
    try:
        composer = _Composer(text)
        composer.wording = wording
        return composer.get_single_node()
    except yaml.reader.ReaderError as error:
        raise NoDocumentError(_plain_words(str(error), wording), text.count("\n", 0, error.position) + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = _plain_words(f"{error.context or ''}: {error.problem or ''}", wording)
        raise NoDocumentError(words, mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, OverflowError, LookupError, RecursionError) as error:
        # PyYAML itself lets some through: "\UFFFFFFFF" is a ValueError of chr().
        raise NoDocumentError(f"this is not YAML: {printable(str(error))}; {wording.hint}") from None


def _plain_words(message: str, wording: Wording) -> str:
    for theirs, ours in _SYNTAX:
        if theirs in message:
            return f"this is not YAML: {ours}"
    return f"this is not YAML: {printable(message.strip(': '))}; {wording.look}"


class _Builder:
    """Turns nodes into plain values, noting lines and faults in the document."""

    def __init__(self, document: Document, wording: Wording) -> None:
        self.document = document
        self.noun = wording.noun
        self.count = 0

    def build(self, node: yaml.Node, key: Key) -> Plain:
        self.document.lines.setdefault(key, _line(node))
        self.count += 1
        if self.count > MAX_VALUES or len(key) > MAX_DEPTH:
            raise NoDocumentError(
                f"aliases (*) make this {self.noun} endless or far too long; write the values out", _line(node)
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, {_TAG + "seq"}, key)
            return [self.build(child, (*key, index)) for index, child in enumerate(node.value)]
        self._check_tag(node, _SCALAR_TAGS, key)
        text = str(node.value)
        # BaseLoader leaves None to us: only an unquoted word can mean that nothing stands here.
        if node.tag == _TAG + "null" or (
            getattr(node, "style", None) is None and text in ("", "~", "null", "Null", "NULL")
        ):
            return None
        return text

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Plain]:
        self._check_tag(node, {_TAG + "map"}, key)
        values: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key, "a key must be a plain word; write `key: value`", line)
                continue
            name = str(key_node.value)
            inner = (*key, name)
            self._check_tag(key_node, _SCALAR_TAGS, inner)
            if name in values:
                self._fault(
                    inner, f"is given twice, first in line {self.document.lines[inner]}; keep one of them", line
                )
                continue
            self.document.lines[inner] = line
            values[name] = self.build(value_node, inner)
        return values

    def _check_tag(self, node: yaml.Node, allowed: set[str], key: Key) -> None:
        if node.tag not in allowed:
            tag = quoted(str(node.tag).replace(_TAG, "!!"))
            self._fault(key, f"the tag {tag} has no place in a {self.noun}; write the plain value", _line(node))

    def _fault(self, key: Key, message: str, line: int) -> None:
        self.document.faults.append(Fault(key, message, line))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
