"""From the model of the config to a file, or to a sentence that says why not; and models into the store and out."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from caffemodels import field, layer, varint
from colorwatch import shipped
from colorwatch.budget import MIB, net_small
from colorwatch.config import MODEL_NAMES, ModelPath
from colorwatch.errors import ColorwatchError, Exit, ModelError
from colorwatch.modelstore import (
    BY_DIGEST,
    CATALOGUE,
    Known,
    Model,
    Shelves,
    child,
    fetch,
    find,
    import_file,
    overview,
    remove,
    resolve,
    verify,
)
from colorwatch.modelstore.catalogue import BY_FILE
from colorwatch.published import PUBLISHED
from onnxnets import mixing_net

ROOT = Path(__file__).resolve().parents[2]
AB_NET = mixing_net(np.array([[0.1], [0.2]]), (224, 224), shrink=4)
RGB_NET = mixing_net(np.eye(3), (64, 64))
RGB_MANIFEST = "name: mixed\nlicence: MIT\nsource: here\ninput: {kind: grey_rgb, size: [64, 64]}\noutput: {kind: rgb}\n"


def own(path: Path) -> ModelPath:
    return ModelPath(path=str(path), trust=True)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    (tmp_path / "beside" / "models").mkdir(parents=True)
    (tmp_path / "state" / "models").mkdir(parents=True)
    return Shelves(str(tmp_path / "state"), str(tmp_path / "beside"))


@pytest.fixture(scope="module")
def weights() -> bytes:
    """A caffemodel of the published shapes and size; its numbers mean nothing."""
    rng = np.random.default_rng(0)
    layers = []
    for name, shapes in PUBLISHED.shapes().items():
        blobs = [np.abs(rng.standard_normal(shape, np.float32)) / 50 for shape in shapes]
        sizes = [field(7, field(1, b"".join(map(varint, shape)))) for shape in shapes]
        layers.append(
            layer(name, "Some", [size + field(5, one.tobytes()) for size, one in zip(sizes, blobs, strict=True)])
        )
    return b"".join(layers)


def known_as(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> Known:
    """Puts `content` into the catalogue, in the place of the published file: that one is not to be had for a test."""
    size = len(content) if CATALOGUE[name].size else None
    known = dataclasses.replace(CATALOGUE[name], sha256=sha256(content), size=size, at_most=len(content))
    monkeypatch.setitem(CATALOGUE, name, known)
    monkeypatch.setitem(BY_FILE, known.file, known)
    monkeypatch.setitem(BY_DIGEST, known.sha256, known)
    return known


def fault_of(model: str | ModelPath, shelves: Shelves | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(model, shelves)
    assert caught.value.exit_code == Exit.MODEL
    return str(caught.value)


def put(shelves: Shelves, where: str, name: str, content: bytes) -> Path:
    folder = shelves.state if where == "state" else shelves.beside
    assert folder is not None
    path = Path(folder, "models", name)
    path.write_bytes(content)
    return path


class TestCatalogue:
    def test_config_knows_the_same_names(self) -> None:
        assert ("auto", *CATALOGUE) == MODEL_NAMES

    def test_model_card_tells_the_digest_and_size_of_the_file_beside_it(self) -> None:
        card = (ROOT / "models" / "README.md").read_text()
        model = resolve("compact")
        assert model.digest == CATALOGUE["compact"].sha256 == sha256(Path(model.path).read_bytes())
        assert model.digest in card
        assert f"{CATALOGUE['compact'].size:,} bytes" in card
        assert os.path.getsize(model.path) == CATALOGUE["compact"].size

    @pytest.mark.parametrize("known", CATALOGUE.values(), ids=lambda known: known.name)
    def test_every_model_can_be_recognised_and_has_its_manifest(self, known: Known) -> None:
        assert re.fullmatch(r"[0-9a-f]{64}", known.sha256)
        assert known.licence
        assert known.source
        assert all(address.startswith("http") for address in known.addresses)
        assert known.at_most >= (known.size or 1)
        if known.manifest:
            assert os.path.isfile(shipped.find(known.manifest))


class TestFinding:
    def test_auto_is_compact_where_there_is_nothing_else(self, shelves: Shelves) -> None:
        model = resolve("auto", shelves)
        assert (model.name, model.path) == ("compact", shipped.find("models/compact.onnx"))
        assert model.why == "auto: the published net is not here; to get it: colorwatch models fetch zhang2016"
        assert resolve("auto").name == "compact"

    @pytest.mark.parametrize("where", ["state", "beside"])
    @pytest.mark.parametrize("name", ["colorization_release_v2.caffemodel", "renamed.caffemodel"])
    def test_auto_is_the_published_net_where_its_file_is(
        self, shelves: Shelves, monkeypatch: pytest.MonkeyPatch, where: str, name: str
    ) -> None:
        known = known_as(monkeypatch, "zhang2016", b"weights")
        path = put(shelves, where, name, b"weights")
        put(shelves, where, "colorization_deploy_v2.prototxt", b"layers")
        put(shelves, where, "pts_in_hull.npy", b"points")
        found = find("auto", shelves)
        assert (found.name, found.path, found.digest) == ("zhang2016", str(path), known.sha256)
        assert found.why == f"auto: the published net is in {path}"

    @pytest.mark.parametrize(
        ("content", "wrong"), [(b"weightz", "has another content"), (b"<html>", "has 6 bytes instead of 7")]
    )
    def test_auto_leaves_a_file_aside_that_only_has_the_name(
        self, shelves: Shelves, monkeypatch: pytest.MonkeyPatch, content: bytes, wrong: str
    ) -> None:
        known_as(monkeypatch, "zhang2016", b"weights")
        path = put(shelves, "beside", "colorization_release_v2.caffemodel", content)
        found = find("auto", shelves)
        assert found.name == "compact"
        assert f"({path} {wrong}" in found.why
        assert f"The model zhang2016 is not here ({path} {wrong}" in fault_of("zhang2016", shelves)

    def test_known_model_that_is_not_here_is_told_how_to_get(self, shelves: Shelves) -> None:
        assert fault_of("siggraph17", shelves) == (
            "The model siggraph17 is not here. Get it with: colorwatch models fetch siggraph17"
        )

    def test_unknown_name_is_answered_with_the_nearest_one(self, shelves: Shelves) -> None:
        assert fault_of("compcat", shelves) == '"compcat" is not the name of a known model; did you mean compact?'

    def test_known_port_has_the_manifest_that_comes_with_colorwatch(
        self, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = mixing_net(np.array([[1.0], [1.0]]), (256, 256))
        known = known_as(monkeypatch, "siggraph17", content)
        path = put(shelves, "beside", known.file, content)
        model = resolve("siggraph17", shelves)
        assert model == Model("siggraph17", str(path), known.sha256, manifest=shipped.find("models/siggraph17.yaml"))
        assert resolve(own(path), shelves).manifest == model.manifest

    def test_trusted_file_is_resolved_by_its_path(self, tmp_path: Path) -> None:
        file = tmp_path / "my\nown.onnx"
        file.write_bytes(b"net")
        assert resolve(own(file)) == Model("my\\nown.onnx", str(file), sha256(b"net"))

    def test_missing_empty_and_unfit_files_are_told_apart(self, tmp_path: Path) -> None:
        missing, empty, folder, fifo = (tmp_path / f"{name}.onnx" for name in ("missing", "empty", "folder", "fifo"))
        empty.touch()
        folder.mkdir()
        os.mkfifo(fifo)
        assert f"There is no model file {missing}" in fault_of(own(missing))
        assert f"The model file {empty} is empty" in fault_of(own(empty))
        assert f"{folder} is no regular file" in fault_of(own(folder))
        assert f"{fifo} is no regular file" in fault_of(own(fifo))
        assert "cannot be opened" in fault_of(own(empty / "x.onnx"))

    def test_shipped_files_are_found_from_any_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("models/compact.onnx", "config.example.yaml"):
            assert os.path.isabs(shipped.find(name))
        with pytest.raises(ColorwatchError, match=r"models/none\.onnx is missing from this installation"):
            shipped.find("models/none.onnx")

    def test_resolving_loads_no_picture_library(self) -> None:
        code = (
            "import sys, colorwatch.modelstore, colorwatch.recipe, colorwatch.log, colorwatch.config; "
            "colorwatch.modelstore.resolve('auto'); "
            "print(sorted({'cv2', 'numpy', 'pyvips', 'onnx'} & set(sys.modules)))"
        )
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        assert told.strip() == "[]"


class TestManifests:
    def test_net_that_fits_its_manifest_is_let_through(self, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(RGB_NET)
        (tmp_path / "my.yaml").write_text(RGB_MANIFEST)
        assert resolve(own(tmp_path / "my.onnx")).manifest == str(tmp_path / "my.yaml")

    def test_net_that_does_not_is_refused_with_what_differs(self, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(AB_NET)
        (tmp_path / "my.yaml").write_text(RGB_MANIFEST)
        assert fault_of(own(tmp_path / "my.onnx")) == (
            f"{tmp_path}/my.onnx cannot be used. The graph is not what mixed says: the input in is (1, 1, 224, 224), "
            "not (1, 3, 64, 64); the output out is (1, 2, 56, 56), not (1, 3, any, any)."
        )

    def test_faulty_manifest_is_refused_with_its_faults(self, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(AB_NET)
        (tmp_path / "my.yaml").write_text("name: x\n")
        assert f"{tmp_path}/my.yaml:1: input: is missing" in fault_of(own(tmp_path / "my.onnx"))

    @pytest.mark.parametrize("content", [b"<html>", b"\x08\x07" * 100, AB_NET[:200], b"PK\x03\x04" * 9])
    def test_what_is_no_onnx_model_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "my.onnx").write_bytes(content)
        (tmp_path / "my.yaml").write_text(RGB_MANIFEST)
        assert re.search(
            r"is damaged, or not an ONNX|has no layers|The graph is not", fault_of(own(tmp_path / "my.onnx"))
        )

    def test_net_in_several_files_or_of_other_numbers_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "my.yaml").write_text(RGB_MANIFEST)
        net = onnx.load_model_from_string(RGB_NET)
        net.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        (tmp_path / "my.onnx").write_bytes(net.SerializeToString())
        assert "keeps its weights in other files" in fault_of(own(tmp_path / "my.onnx"))
        net = onnx.load_model_from_string(RGB_NET)
        net.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
        (tmp_path / "my.onnx").write_bytes(net.SerializeToString())
        assert "in is not float32" in fault_of(own(tmp_path / "my.onnx"))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory, weights: bytes) -> tuple[Shelves, Path]:
    folder = tmp_path_factory.mktemp("converting")
    (folder / "my.caffemodel").write_bytes(weights)
    return Shelves(str(folder / "state")), folder / "my.caffemodel"


class TestConverting:
    def test_caffemodel_is_converted_once(self, converted: tuple[Shelves, Path], weights: bytes) -> None:
        shelves, source = converted
        first = resolve(own(source), shelves, "small")
        assert first.digest == sha256(weights)
        assert first.small
        assert os.path.dirname(first.path) == shelves.cache
        assert os.path.basename(first.path).startswith(first.digest)
        before = os.stat(first.path)
        assert resolve(own(source), shelves, "small") == first
        assert os.stat(first.path).st_ino == before.st_ino
        graph = onnx.load_model_from_string(Path(first.path).read_bytes()).graph
        assert [each.name for each in (*graph.input, *graph.output)] == ["data_l", "ab"]

    def test_damaged_conversion_is_made_again(self, converted: tuple[Shelves, Path]) -> None:
        shelves, source = converted
        model = resolve(own(source), shelves, "small")
        whole = Path(model.path).read_bytes()
        for damaged in (whole[:1000], whole[:-1] + bytes([whole[-1] ^ 1])):
            Path(model.path).write_bytes(damaged)
            assert verify(shelves)[1] == [f"{model.path} is damaged; it is made again when needed."]
            assert resolve(own(source), shelves, "small") == model
            assert Path(model.path).read_bytes() == whole
        os.unlink(model.path + ".sha256")
        assert resolve(own(source), shelves, "small") == model
        assert verify(shelves)[1] == []

    def test_what_killed_and_older_converters_left_is_cleared(self, converted: tuple[Shelves, Path]) -> None:
        shelves, source = converted
        model = resolve(own(source), shelves, "small")
        older = Path(re.sub(r"-\d+-", "-0-", model.path))
        left, busy = (Path(shelves.cache, f"new-{name}.part") for name in ("left", "busy"))
        for path in (older, left, busy):
            path.write_bytes(b"x")
        os.utime(left, (0, 0))
        os.unlink(model.path)
        resolve(own(source), shelves, "small")
        assert [path.exists() for path in (older, left, busy)] == [False, False, True]
        busy.unlink()

    def test_source_that_changed_since_it_was_looked_at_is_refused(self, converted: tuple[Shelves, Path]) -> None:
        shelves, source = converted
        with pytest.raises(ModelError, match="has changed while it was looked at"):
            child.ask("prepare", str(source), "0" * 64, shelves.cache, "small")

    @pytest.mark.parametrize("content", [b"<!doctype html>", b"\x0a\x03net", b"name: 'LtoAB'"])
    def test_foreign_file_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "my.caffemodel"
        path.write_bytes(content)
        assert f"{path} is no" in fault_of(own(path), Shelves(str(tmp_path)))

    def test_cache_that_cannot_be_written_is_told(self, converted: tuple[Shelves, Path], tmp_path: Path) -> None:
        (tmp_path / "models").write_bytes(b"a file")
        assert "cannot be made" in fault_of(own(converted[1]), Shelves(str(tmp_path)))

    def test_child_that_dies_is_told_as_a_sentence(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for program, told in (("no.such.module", r"exit code 1\): .*No module named"), ("this", "exit code 0")):
            monkeypatch.setattr(child, "PROGRAM", program)
            with pytest.raises(ModelError, match=told):
                child.ask("check", "x", "")
        # A child that the system kills for its memory has no last words.
        (tmp_path / "killed.py").write_text("import os; os.kill(os.getpid(), 9)")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(child, "PROGRAM", "killed")
        with pytest.raises(ModelError, match=r"ended badly \(killed by SIGKILL\)\.$"):
            child.ask("check", "x", "")
        monkeypatch.undo()
        with pytest.raises(ModelError, match="does not know the order"):
            child.ask("dance")


class TestImporting:
    def test_known_file_is_recognised_by_its_content(
        self, shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = known_as(monkeypatch, "zhang2016", b"weights")
        (tmp_path / "download (1)").write_bytes(b"weights")
        stored = import_file(str(tmp_path / "download (1)"), shelves)
        assert (stored.name, stored.path, stored.before) == (
            "zhang2016",
            os.path.join(shelves.store, known.file),
            False,
        )
        assert Path(stored.path).read_bytes() == b"weights"
        assert (tmp_path / "download (1)").exists()
        assert find("auto", shelves).path == stored.path
        assert import_file(str(tmp_path / "download (1)"), shelves).before

    def test_unknown_file_needs_trust(self, shelves: Shelves, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(AB_NET)
        with pytest.raises(ModelError, match=rf"none of the known models \(its sha256 is {sha256(AB_NET)}\).*--trust"):
            import_file(str(tmp_path / "my.onnx"), shelves)
        assert os.listdir(shelves.store) == []
        stored = import_file(str(tmp_path / "my.onnx"), shelves, trust=True)
        assert stored.name == "my"
        assert find("my", shelves).path == stored.path == os.path.join(shelves.store, "my.onnx")
        assert import_file(str(tmp_path / "my.onnx"), shelves, trust=True).before

    def test_manifest_beside_it_comes_along(self, shelves: Shelves, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(RGB_NET)
        (tmp_path / "my.yaml").write_text(RGB_MANIFEST)
        import_file(str(tmp_path / "my.onnx"), shelves, trust=True, name="mixed")
        model = resolve("mixed", shelves)
        assert model.manifest == os.path.join(shelves.store, "mixed.yaml")
        assert Path(model.manifest).read_text() == RGB_MANIFEST

    def test_net_that_cannot_be_used_does_not_get_in(self, shelves: Shelves, tmp_path: Path) -> None:
        for name, content in (("my.onnx", RGB_NET), ("page.onnx", b"<html>"), ("my.caffemodel", b"<html>")):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(ModelError):
                import_file(str(tmp_path / name), shelves, trust=True)
        assert set(os.listdir(shelves.store)) <= {"cache"}
        assert shelves.trusted() == {}

    @pytest.mark.parametrize("name", ["compact", "auto", "../x", "a b", "", "-x", "x" * 65])
    def test_unfit_names_are_refused(self, shelves: Shelves, tmp_path: Path, name: str) -> None:
        (tmp_path / f"{'compact' if not name else 'my'}.onnx").write_bytes(AB_NET)
        with pytest.raises(ModelError, match="cannot be the name of a model of your own"):
            import_file(str(next(tmp_path.glob("*.onnx"))), shelves, trust=True, name=name)

    def test_another_model_of_the_same_name_stays(self, shelves: Shelves, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(AB_NET)
        mine = put(shelves, "state", "my.onnx", b"other")
        with pytest.raises(ModelError, match="is there already, with another content"):
            import_file(str(tmp_path / "my.onnx"), shelves, trust=True)
        assert mine.read_bytes() == b"other"

    @pytest.mark.parametrize("name", ["colorization_deploy_v2.prototxt", "pts_in_hull.npy"])
    def test_files_that_are_not_needed_are_told_so(self, shelves: Shelves, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ModelError, match=r"is not needed: the \.caffemodel alone is enough"):
            import_file(str(tmp_path / name), shelves)

    def test_fetch_from_a_file_takes_that_model_alone(
        self, shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known_as(monkeypatch, "zhang2016", b"weights")
        (tmp_path / "page").write_bytes(b"<html>")
        with pytest.raises(ModelError, match=r"page is not zhang2016: it has 6 bytes .* and 7 bytes should be"):
            fetch("zhang2016", shelves, lambda *_: None, str(tmp_path / "page"))
        (tmp_path / "file").write_bytes(b"weights")
        assert fetch("zhang2016", shelves, lambda *_: None, str(tmp_path / "file")).name == "zhang2016"
        assert fetch("zhang2016", shelves, lambda *_: None).before

    def test_fetch_refuses_what_it_does_not_know(self, shelves: Shelves) -> None:
        for name, told in (("x", "x is not the name of a known model"), ("compact", "compact comes with colorwatch")):
            with pytest.raises(ModelError, match=f"{told}; to be fetched are: zhang2016, zhang2016-onnx, siggraph17"):
                fetch(name, shelves, lambda *_: None)

    def test_fetch_stops_at_a_wrong_file_in_the_place(self, shelves: Shelves) -> None:
        path = put(shelves, "state", "colorization_release_v2.caffemodel", b"<html>")
        with pytest.raises(ModelError, match=rf"{path} has 6 bytes .* colorwatch models remove zhang2016"):
            fetch("zhang2016", shelves, lambda *_: None)
        assert path.exists()


class TestUntrusted:
    def test_file_in_a_folder_of_models_is_not_used_by_its_name_alone(self, shelves: Shelves) -> None:
        path = put(shelves, "beside", "my.onnx", AB_NET)
        assert f"{path} is not a known model. If you trust" in fault_of("my", shelves)
        import_file(str(path), shelves, trust=True)
        assert find("my", shelves).digest == sha256(AB_NET)

    def test_trusted_file_that_was_changed_is_not_used(self, shelves: Shelves, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(AB_NET)
        stored = import_file(str(tmp_path / "my.onnx"), shelves, trust=True)
        Path(stored.path).write_bytes(RGB_NET)
        assert "is not a known model" in fault_of("my", shelves)
        assert "my.onnx: it is no known model" in verify(shelves)[1][0]

    def test_overview_names_what_is_here_and_what_is_not_trusted(
        self, shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known_as(monkeypatch, "zhang2016", b"weights")
        put(shelves, "beside", "any.caffemodel", b"weights")
        put(shelves, "state", "colorization-siggraph-17.onnx.part", b"123")
        put(shelves, "beside", "strange.caffemodel", b"what")
        (tmp_path / "my.onnx").write_bytes(AB_NET)
        import_file(str(tmp_path / "my.onnx"), shelves, trust=True)
        rows = {row.name: (row.standing.value, row.remark) for row in overview(shelves)}
        assert rows == {
            "compact": ("here", ""),
            "zhang2016": ("here", ""),
            "zhang2016-onnx": ("not here", ""),
            "siggraph17": ("not here", "3 bytes of it have been fetched"),
            "my": ("imported", ""),
            "strange": ("untrusted", "it is no known model, and was not imported with --trust"),
        }
        assert verify(shelves)[0] == 3


class TestRemoving:
    def test_model_and_what_was_made_of_it_go(self, shelves: Shelves, tmp_path: Path) -> None:
        (tmp_path / "my.onnx").write_bytes(RGB_NET)
        (tmp_path / "my.yaml").write_text(RGB_MANIFEST)
        import_file(str(tmp_path / "my.onnx"), shelves, trust=True)
        os.makedirs(shelves.cache)
        made, other = (Path(shelves.cache, f"{digest}-1-x.onnx") for digest in (sha256(RGB_NET), "0" * 64))
        made.touch()
        other.touch()
        assert [os.path.basename(path) for path in remove("my", shelves)] == ["my.onnx", "my.yaml"]
        assert shelves.trusted() == {}
        assert (made.exists(), other.exists()) == (False, True)

    def test_begun_fetch_goes(self, shelves: Shelves) -> None:
        part = put(shelves, "state", "colorization_release_v2.caffemodel.part", b"x")
        assert remove("zhang2016", shelves) == [str(part)]

    def test_files_beside_the_config_stay(self, shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
        known = known_as(monkeypatch, "zhang2016", b"weights")
        path = put(shelves, "beside", known.file, b"weights")
        with pytest.raises(ModelError, match=f"{path} was put there by hand"):
            remove("zhang2016", shelves)
        assert path.exists()

    @pytest.mark.parametrize("name", ["../lock", "x", "trusted", "", "cache"])
    def test_nothing_else_ever_goes(self, shelves: Shelves, name: str) -> None:
        lock = Path(shelves.state or "", "lock.onnx")
        lock.touch()
        with pytest.raises(ModelError, match="There is no model"):
            remove(name, shelves)
        assert lock.exists()

    def test_embedded_model_stays(self, shelves: Shelves) -> None:
        with pytest.raises(ModelError, match="compact comes with colorwatch and stays"):
            remove("compact", shelves)


@pytest.mark.parametrize(
    ("setting", "memory", "small"),
    [
        ("fast", 1, False),
        ("small", 1 << 40, True),
        ("auto", 2048 * MIB, True),
        ("auto", 2800 * MIB, True),
        ("auto", 3200 * MIB, False),
    ],
)
def test_memory_of_the_net_is_as_the_config_says_or_the_machine_allows(setting: str, memory: int, small: bool) -> None:
    assert net_small(setting, memory, 128_946_764) is small
