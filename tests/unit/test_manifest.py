"""A manifest says what a net takes and gives; every fault in it is found at once, and every misfit with its graph."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from colorwatch import manifest
from colorwatch.errors import Exit, ModelError
from colorwatch.manifest import CONTRACT, Input, Manifest, ManifestError, Output, Shape, check, read

MODELS = Path(__file__).resolve().parents[2] / "models"

GOOD = """\
name: My net
licence: MIT
source: https://example.org
input:
  kind: grey_rgb
  size: [256, 320]
  scale: 255
  offset: [1, -2, 3.5]
  layout: NCHW
output:
  kind: rgb
  scale: 1e-2
"""


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "net.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def faults(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(write(folder, text))
    assert caught.value.exit_code == Exit.MODEL
    assert all(fault.isprintable() for fault in caught.value.faults)
    return [fault.removeprefix(str(folder / "net.yaml")) for fault in caught.value.faults]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


class TestReading:
    def test_everything_is_read(self, tmp_path: Path) -> None:
        assert read(write(tmp_path, GOOD)) == Manifest(
            name="My net",
            licence="MIT",
            source="https://example.org",
            input=Input("grey_rgb", (256, 320), (255, 255, 255), (1, -2, 3.5)),
            output=Output("rgb", (0.01, 0.01, 0.01), (0, 0, 0)),
        )

    def test_scale_and_offset_change_nothing_unless_they_are_given(self, tmp_path: Path) -> None:
        text = "name: a\nlicence: b\nsource: c\ninput: {kind: L, size: [64, 64]}\noutput: {kind: ab}\n"
        found = read(write(tmp_path, text))
        assert (found.input.scale, found.input.offset) == ((1,), (0,))
        assert (found.output.scale, found.output.offset) == ((1, 1), (0, 0))

    @pytest.mark.parametrize("name", sorted(name for name in os.listdir(MODELS) if name.endswith(".yaml")))
    def test_those_that_come_with_colorwatch_have_no_faults(self, name: str) -> None:
        assert read(str(MODELS / name)).name

    def test_the_one_beside_a_model_is_found(self, tmp_path: Path) -> None:
        assert manifest.beside(str(tmp_path / "net.onnx")) is None
        assert manifest.beside(str(tmp_path / "net.onnx")) != write(tmp_path, GOOD)
        assert manifest.beside(str(tmp_path / "net.onnx")) == str(tmp_path / "net.yaml")


class TestFaults:
    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            ("name: My net", "name: ", ":1: name: is missing; write the name of the net, at most 300 characters"),
            ("licence: MIT", "licence: [MIT]", ":2: licence: this list is not a short text of one line"),
            ("licence: MIT", "license: MIT", ":2: license: is not a known key; did you mean licence?"),
            ("kind: grey_rgb", "kind: grey", ':5: input.kind: "grey" is not known; write L or grey_rgb or lab'),
            ("kind: grey_rgb", "", ":4: input.kind: is missing; write L or grey_rgb or lab"),
            ("[256, 320]", "[256]", ":6: input.size: this list is no height and width that fit; write two whole"),
            ("[256, 320]", "[256, 8]", ":6: input.size: this list is no height and width that fit"),
            ("[256, 320]", "[256, 1e9]", ":6: input.size: this list is no height and width that fit"),
            ("[256, 320]", "[256, 16.5]", ":6: input.size: this list is no height and width that fit"),
            ("[256, 320]", "256", ':6: input.size: "256" is no height and width that fit'),
            ("scale: 255", "scale: 0", ':7: input.scale: "0" does not fit; write a number other than 0, or 3 of them'),
            ("scale: 255", "scale: .nan", ':7: input.scale: ".nan" does not fit'),
            ("scale: 255", "scale: inf", ':7: input.scale: "inf" does not fit'),
            ("scale: 255", "scale: 1e7", ':7: input.scale: "1e7" does not fit'),
            ("scale: 255", "scale: [1, 2]", ":7: input.scale: this list does not fit; write a number other than 0"),
            ("scale: 255", "scale: {a: 1}", ":7: input.scale: a group of keys does not fit"),
            ("scale: 255", "scale:", ":7: input.scale: has no value; write a number other than 0, or 3 of them"),
            ("NCHW", "NHWC", ':9: input.layout: "NHWC" is not known; write NCHW'),
            ("kind: rgb", "kind: bgr", ':11: output.kind: "bgr" is not known; write ab or rgb'),
        ],
    )
    def test_are_named_with_line_and_key(self, tmp_path: Path, old: str, new: str, fault: str) -> None:
        told = faults(tmp_path, changed(old, new))
        assert any(line.startswith(fault) for line in told), told

    def test_come_all_at_once(self, tmp_path: Path) -> None:
        told = faults(tmp_path, "name: x\nlicenc: MIT\ninput: {kind: M, size: [1, 2]}\noutput: ab\n")
        assert [line.split(": ")[1] for line in told] == [
            *("licence", "source", "licenc", "input.kind", "input.size", "output"),
        ]

    def test_bombs_and_foreign_files_are_refused(self, tmp_path: Path) -> None:
        bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
        )
        assert "make this manifest endless" in faults(tmp_path, bomb)[0]
        assert "far too much here for a manifest" in faults(tmp_path, "[" * 500)[0]
        assert "is not UTF-8" in faults(tmp_path, b"name: \xc3\x28")[0]
        assert "larger than a megabyte and cannot be a manifest" in faults(tmp_path, "#" * 1_000_001)[0]
        assert any("has no place in a manifest" in each for each in faults(tmp_path, "!!python/name:os.system {a: b}"))

    def test_missing_one_is_told_where_to_put_it(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="there is no such file; write one beside the model"):
            read(str(tmp_path / "none.yaml"))


class TestFit:
    @pytest.mark.parametrize(
        ("inputs", "outputs"),
        [
            ({"data_l": (1, 1, 224, 224)}, {"ab": (1, 2, 56, 56)}),
            ({"x": (None, 1, None, None)}, {"y": (None, None, None, None)}),
            ({"x": (1, 1, 224, 224)}, {"y": (1, 2, 224, 224)}),
        ],
    )
    def test_graph_that_fits_is_let_through(self, inputs: dict[str, Shape], outputs: dict[str, Shape]) -> None:
        check(CONTRACT, inputs, outputs)

    @pytest.mark.parametrize(
        ("inputs", "outputs", "difference"),
        [
            ({"x": (1, 3, 9, 9)}, {"y": (1, 2, 56, 56)}, r"the input x is \(1, 3, 9, 9\), not \(1, 1, 224, 224\)\."),
            ({"x": (1, 1, 256, 256)}, {"y": (1, 2, 56, 56)}, r"the input x is \(1, 1, 256, 256\), not"),
            ({"x": (1, 1, 224)}, {"y": (1, 2, 56, 56)}, r"the input x is \(1, 1, 224\), not"),
            ({}, {"y": (1, 2, 56, 56)}, r"it needs one input, and the graph has 0 \(none\)\."),
            ({"x": (1, 1, 224, 224), "m": (1,)}, {"y": (1, 2, 9, 9)}, r"one input, and the graph has 2 \(x, m\)\."),
            ({"x": (8, 1, 9, 9)}, {"y": (1, 3, 9, 9)}, r"x is .* output y is \(1, 3, 9, 9\), not \(1, 2, any, any\)"),
        ],
    )  # fmt: skip
    def test_graph_that_differs_is_refused_with_all_that_differs(
        self, inputs: dict[str, Shape], outputs: dict[str, Shape], difference: str
    ) -> None:
        with pytest.raises(ModelError, match=difference):
            check(CONTRACT, inputs, outputs)
