"""From the model of the config to a file, or to a sentence that says why not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from colorwatch import shipped
from colorwatch.config import MODEL_NAMES, ModelPath
from colorwatch.errors import ColorwatchError, Exit, ModelError
from colorwatch.modelstore import Model, resolve

ROOT = Path(__file__).resolve().parents[2]


def own(path: Path) -> ModelPath:
    return ModelPath(path=str(path), trust=True)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_known_name_has_its_file(name: str) -> None:
    model = resolve(name)
    assert model.name == name
    assert model.digest == hashlib.sha256(Path(model.path).read_bytes()).hexdigest()


def test_model_card_tells_the_digest_and_size_of_the_file_beside_it() -> None:
    card = (ROOT / "models" / "README.md").read_text()
    model = resolve("compact")
    assert model.digest in card
    assert f"{os.path.getsize(model.path):,} bytes" in card


def test_trusted_file_is_resolved_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "my\nown.onnx"
    file.write_bytes(b"net")
    assert resolve(own(file)) == Model("my\\nown.onnx", str(file), hashlib.sha256(b"net").hexdigest())


def fault_of(model: str | ModelPath) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(model)
    assert caught.value.exit_code == Exit.MODEL
    return str(caught.value)


def test_unknown_name_is_answered_with_the_nearest_one() -> None:
    assert fault_of("compcat") == '"compcat" is not the name of a known model; did you mean compact?'


def test_unknown_name_that_is_near_none_is_answered_with_the_known_ones() -> None:
    assert fault_of("zhang") == '"zhang" is not the name of a known model; write one of: compact'


def test_missing_empty_and_unfit_files_are_told_apart(tmp_path: Path) -> None:
    missing, empty, folder, fifo = (tmp_path / f"{name}.onnx" for name in ("missing", "empty", "folder", "fifo"))
    empty.touch()
    folder.mkdir()
    os.mkfifo(fifo)
    assert f"There is no model file {missing}" in fault_of(own(missing))
    assert f"The model file {empty} is empty" in fault_of(own(empty))
    assert f"{folder} is no regular file" in fault_of(own(folder))
    assert f"{fifo} is no regular file" in fault_of(own(fifo))
    assert "cannot be opened" in fault_of(own(empty / "x.onnx"))


def test_shipped_file_that_is_nowhere_is_named() -> None:
    with pytest.raises(ColorwatchError, match=r"models/none\.onnx is missing from this installation"):
        shipped.find("models/none.onnx")


def test_shipped_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("models/compact.onnx", "config.example.yaml"):
        assert os.path.isabs(shipped.find(name))


def test_resolving_loads_no_picture_library() -> None:
    code = (
        "import sys, colorwatch.modelstore, colorwatch.recipe, colorwatch.log, colorwatch.config; "
        "colorwatch.modelstore.resolve('compact'); "
        "print(sorted({'cv2', 'numpy', 'pyvips', 'onnx'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert told.strip() == "[]"
