"""The manifest of a net of one's own: a small YAML file beside the ONNX file that says what goes in and comes out.

name: My net              # for people
licence: MIT
source: https://example.org/my-net
input:
  kind: L                 # L, grey_rgb (grey as R, G and B, each 0..1) or lab (L, 0, 0)
  size: [256, 256]        # height and width
  scale: 1                # the net gets value * scale + offset; one number, or one for each channel
  offset: -50
  layout: NCHW
output:
  kind: ab                # ab or rgb (each 0..1)
  scale: 1                # the net's value * scale + offset is ab, or RGB
  offset: 0
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from colorwatch.config import reading
from colorwatch.config.faults import Fault, Key, lines, nearest, quoted
from colorwatch.config.reading import Plain
from colorwatch.errors import ModelError
from colorwatch.scan import printable

Shape: TypeAlias = tuple[int | None, ...]
"""The shape of a graph's input or output; None where the graph leaves an axis open."""

INPUT_CHANNELS = {"L": 1, "grey_rgb": 3, "lab": 3}
OUTPUT_CHANNELS = {"ab": 2, "rgb": 3}
LAYOUTS = ("NCHW",)
MIN_SIDE, MAX_SIDE = 16, 2048
LARGEST = 1_000_000.0  # of scales and offsets
MAX_TEXT = 300

WORDING = reading.Wording(
    noun="manifest",
    key="input",
    ask="write one beside the model, with the same name and the ending .yaml",
    hint="take one from the folder models of colorwatch as an example",
    look="see the manifests in the folder models of colorwatch",
)

Numbers: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """What the net takes: `kind` with its channels, height and width, and a line (value * scale + offset) a channel."""

    kind: str
    size: tuple[int, int]
    scale: Numbers
    offset: Numbers

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, INPUT_CHANNELS[self.kind], *self.size)


@dataclass(frozen=True, slots=True)
class Output:
    """What the net gives: ab (about -110..110) or RGB (0..1) once each channel is value * scale + offset."""

    kind: str
    scale: Numbers
    offset: Numbers

    @property
    def channels(self) -> int:
        return OUTPUT_CHANNELS[self.kind]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest. `name`, `licence` and `source` are for people."""

    name: str
    licence: str
    source: str
    input: Input
    output: Output


CONTRACT = Manifest(
    "the colorwatch contract", "", "", Input("L", (224, 224), (1.0,), (-50.0,)), Output("ab", (1.0, 1.0), (0.0, 0.0))
)
"""What a net without a manifest must keep."""


class ManifestError(ModelError):
    """The manifest cannot be used; `faults` holds every fault, ready to print, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def beside(model: str) -> str | None:
    """The manifest that lies beside the model file: the same name, ending in .yaml. None where none does."""
    path = os.path.splitext(model)[0] + ".yaml"
    return path if os.path.isfile(path) else None


def read(path: str) -> Manifest:
    """The manifest in the file `path`. Raises ManifestError with every fault in it, one a line."""
    try:
        document = reading.read(path, WORDING)
    except reading.NoDocumentError as error:
        raise ManifestError(lines(path, [error.fault])) from None
    reader = _Reader()
    found = reader.manifest(document.values)
    faults = [*document.faults, *reader.faults]
    if faults or found is None:
        raise ManifestError(lines(path, [replace(each, line=each.line or document.line(each.key)) for each in faults]))
    return found


def check(manifest: Manifest, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> None:
    """Whether the graph with these inputs and outputs (name to shape) is the one that the manifest describes.

    Raises ModelError that names all that differs. Axes that the graph leaves open fit.
    """
    differences = [
        *_compare("input", manifest.input.shape, inputs),
        *_compare("output", (1, manifest.output.channels, None, None), outputs),
    ]
    if differences:
        raise ModelError(f"The graph is not what {printable(manifest.name)} says: {'; '.join(differences)}.")


def _compare(what: str, wanted: Shape, found: Mapping[str, Shape]) -> Iterable[str]:
    if len(found) != 1:
        names = ", ".join(printable(name) for name in list(found)[:5]) or "none"
        yield f"it needs one {what}, and the graph has {len(found)} ({names})"
        return
    ((name, shape),) = found.items()
    fits = len(shape) == len(wanted) and all(None in (a, b) or a == b for a, b in zip(shape, wanted, strict=True))
    if not fits:
        yield f"the {what} {printable(name)} is {_spell(shape)}, not {_spell(wanted)}"


def _spell(shape: Shape) -> str:
    return "(" + ", ".join("any" if axis is None else str(axis) for axis in shape) + ")"


class _Reader:
    """Plain values into a manifest, noting every fault on the way."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def manifest(self, values: dict[str, Plain]) -> Manifest | None:
        self._known((), values, ("name", "licence", "source", "input", "output"))
        texts = [self._text((key,), values.get(key)) for key in ("name", "licence", "source")]
        into = self._section("input", values, ("kind", "size", "scale", "offset", "layout"))
        out = self._section("output", values, ("kind", "scale", "offset"))
        made_in = self._input(into) if into is not None else None
        made_out = self._output(out) if out is not None else None
        if self.faults or made_in is None or made_out is None:
            return None
        return Manifest(texts[0], texts[1], texts[2], made_in, made_out)

    def _input(self, values: dict[str, Plain]) -> Input | None:
        kind = self._choice(("input", "kind"), values.get("kind"), tuple(INPUT_CHANNELS))
        size = self._size(("input", "size"), values.get("size"))
        if "layout" in values:
            self._choice(("input", "layout"), values["layout"], LAYOUTS)
        channels = INPUT_CHANNELS.get(kind or "")
        scale = self._numbers(("input", "scale"), values.get("scale", "1"), channels, nonzero=True)
        offset = self._numbers(("input", "offset"), values.get("offset", "0"), channels)
        return Input(kind, size, scale, offset) if kind and size and scale and offset else None

    def _output(self, values: dict[str, Plain]) -> Output | None:
        kind = self._choice(("output", "kind"), values.get("kind"), tuple(OUTPUT_CHANNELS))
        channels = OUTPUT_CHANNELS.get(kind or "")
        scale = self._numbers(("output", "scale"), values.get("scale", "1"), channels, nonzero=True)
        offset = self._numbers(("output", "offset"), values.get("offset", "0"), channels)
        return Output(kind, scale, offset) if kind and scale and offset else None

    def _section(self, name: str, values: dict[str, Plain], known: tuple[str, ...]) -> dict[str, Plain] | None:
        section = values.get(name)
        if not isinstance(section, dict):
            wrong = "is missing" if name not in values else "is not a group of keys"
            self._fault((name,), f"{wrong}; write {name}: and below it, indented, its keys: {', '.join(known)}")
            return None
        self._known((name,), section, known)
        return section

    def _known(self, key: Key, values: Mapping[str, Plain], known: tuple[str, ...]) -> None:
        for name in values:
            if name not in known:
                guess = nearest(name, known)
                advice = f"did you mean {guess}?" if guess else f"known are: {', '.join(known)}"
                self._fault((*key, name), f"is not a known key; {advice}")

    def _text(self, key: Key, value: Plain) -> str:
        if isinstance(value, str) and value.strip() and printable(value) == value and len(value) <= MAX_TEXT:
            return value.strip()
        wrong = _wrong(value, "is missing", lambda given: f"{given} is not a short text of one line")
        self._fault(key, f"{wrong}; write the {key[-1]} of the net, at most {MAX_TEXT} characters")
        return ""

    def _choice(self, key: Key, value: Plain, choices: tuple[str, ...]) -> str | None:
        if isinstance(value, str) and value in choices:
            return value
        wrong = _wrong(value, "is missing", lambda given: f"{given} is not known")
        self._fault(key, f"{wrong}; write {' or '.join(choices)}")
        return None

    def _size(self, key: Key, value: Plain) -> tuple[int, int] | None:
        if isinstance(value, list) and len(value) == 2:
            sides = [_number(side) for side in value]
            if all(side is not None and side.is_integer() and MIN_SIDE <= side <= MAX_SIDE for side in sides):
                return (int(sides[0] or 0), int(sides[1] or 0))
        wrong = _wrong(value, "is missing", lambda given: f"{given} is no height and width that fit")
        self._fault(
            key, f"{wrong}; write two whole numbers from {MIN_SIDE} to {MAX_SIDE} in brackets, for example [224, 224]"
        )
        return None

    def _numbers(self, key: Key, value: Plain, channels: int | None, *, nonzero: bool = False) -> Numbers | None:
        """One number a channel; a single number counts for all. Nothing is said where the channels are unknown."""
        given = value if isinstance(value, list) else [value]
        numbers = [_number(each) for each in given]
        fit = [each for each in numbers if each is not None and abs(each) <= LARGEST and not (nonzero and each == 0)]
        if len(fit) == len(given) and len(fit) in (1, channels):
            return tuple(fit) * ((channels or 1) if len(fit) == 1 else 1)
        if channels is None and len(fit) == len(given) and 0 < len(fit) <= max(INPUT_CHANNELS.values()):
            return None
        several = f", or {channels} of them in brackets" if channels and channels > 1 else ""
        without = " other than 0" if nonzero else ""
        wrong = _wrong(value, "has no value", lambda text: f"{text} does not fit")
        self._fault(key, f"{wrong}; write a number{without}{several}")
        return None

    def _fault(self, key: Key, message: str) -> None:
        self.faults.append(Fault(key, message))


def _wrong(value: Plain, nothing: str, say: Callable[[str], str]) -> str:
    if value is None:
        return nothing
    if isinstance(value, dict):
        return say("a group of keys")
    return say(quoted(value) if isinstance(value, str) else "this list")


def _number(value: Plain) -> float | None:
    """The finite number that the text is, or None. Long texts are none: parsing them would take its time."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
