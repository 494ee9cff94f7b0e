"""What a worker may take: memory up to its limit, a bounded error output, and never another scan's result."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from colorwatch import shipped
from colorwatch.pool import Answered, Died, Event, SpawnPool, Started, ZygotePool
from colorwatch.pool.children import ERROR_BYTES
from colorwatch.protocol import Answer, Failure, ProbeRequest, RenderRequest, WorkerSetup
from colorwatch.scan import Facts, Fingerprint, Rendering
from pools import SETUP, AnyPool, ask, death, wait_for
from waiting import eventually

MIB = 2**20
KINDS = {"spawn": SpawnPool, "zygote": ZygotePool}
NET = shipped.find("models/compact.onnx")
WIDTH, HEIGHT = 2000, 1500


def textured(width: int, height: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(1)
    ramp = np.linspace(0, 255, width, dtype=np.float32)[None, :]
    return np.clip(ramp + rng.normal(0, 4, (height, width)).astype(np.float32), 0, 255).astype(np.uint8)


def in_one_strip(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, compression="zlib", rowsperstrip=len(pixels))
    return buffer.getvalue()


def saved(pixels: NDArray[np.uint8], format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pictures that are read and written in as many ways as there are; and a small one."""
    folder = tmp_path_factory.mktemp("inbox")
    grey = textured(WIDTH, HEIGHT)
    colour = np.dstack([grey, grey, grey])
    pictures = {
        "grey.jpg": saved(grey, "JPEG"),
        "progressive.jpg": saved(colour, "JPEG", progressive=True),
        "grey.png": saved(grey, "PNG", compress_level=1),
        "colour.png": saved(colour, "PNG", compress_level=1),
        "colour.tif": saved(colour, "TIFF"),
        "strip.tif": in_one_strip(grey),
        "small.jpg": saved(grey[:100, :100], "JPEG"),
        "giant.png": saved(textured(7000, 5000), "PNG", compress_level=1),
    }
    for name, content in pictures.items():
        (folder / name).write_bytes(content)
    return str(folder)


def render(pool: AnyPool, root: str, name: str, spool: str) -> Answer | Died:
    """One scan by whichever worker is idle: what came of it."""
    eventually(lambda: pool.poll(time.monotonic()) is not None and pool.idle(), 30, "a worker")
    fingerprint = Fingerprint.of(os.stat(os.path.join(root, name)))
    pool.submit(RenderRequest(1, root, name, fingerprint, spool), time.monotonic() + 60)
    events: list[Event] = []
    eventually(lambda: events.extend(pool.poll(time.monotonic())) or any(map(is_end, events)), 60, f"an end of {name}")
    end = next(event for event in events if is_end(event))
    assert isinstance(end, Answered | Died)
    return end.answer if isinstance(end, Answered) else end


def is_end(event: Event) -> bool:
    return isinstance(event, Answered | Died)


def limited(kind: str, limit: int, net: str = "") -> AnyPool:
    setup = WorkerSetup(0, NET, net, memory_limit=limit) if net else WorkerSetup(0, NET, memory_limit=limit)
    return KINDS[kind](1, setup)


@pytest.mark.parametrize("kind", KINDS)
class TestMemory:
    def test_a_scan_that_takes_more_fails_for_want_of_memory_and_the_next_is_done(
        self, kind: str, inbox: str, tmp_path: Path
    ) -> None:
        pool = limited(kind, 30 * MIB)
        try:
            for name in ("giant.png", "small.jpg", "giant.png", "small.jpg"):
                found = render(pool, inbox, name, str(tmp_path / "spool"))
                if name == "small.jpg":
                    assert isinstance(found, Rendering)
                    (tmp_path / "spool").unlink()
                else:
                    assert isinstance(found, Failure), found
                    assert (found.kind, found.retryable) == ("memory", True)
                    assert not (tmp_path / "spool").exists()
        finally:
            pool.stop()

    def test_what_takes_all_that_it_can_get_gets_no_more_than_its_limit(
        self, kind: str, tmp_path: Path, inbox: str
    ) -> None:
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "black.png")
        pool = limited(kind, 200 * MIB, "fault_nets:hog_net")
        try:
            wait_for(pool, Started)
            pid = pool.pids[0]
            found = render(pool, str(tmp_path), "black.png", str(tmp_path / "spool"))
            assert isinstance(found, Failure)
            assert found.kind == "memory"
            # The worker is another one now: what it had taken is the machine's again.
            eventually(lambda: pool.poll(time.monotonic()) is not None and pool.pids not in ([], [pid]), 10)
            assert isinstance(render(pool, inbox, "small.jpg", str(tmp_path / "small")), Rendering)
        finally:
            pool.stop()

    def test_a_worker_has_few_open_files_and_leaves_no_core(self, kind: str) -> None:
        pool = limited(kind, 100 * MIB)
        try:
            wait_for(pool, Started)
            with open(f"/proc/{pool.pids[0]}/limits", encoding="ascii") as file:
                limits = {line[:26].strip(): line[26:].split()[:2] for line in file}
            assert limits["Max core file size"] == ["0", "0"]
            assert limits["Max open files"] == ["256", "256"]
            assert int(limits["Max data size"][1]) < 400 * MIB
        finally:
            pool.stop()


def test_a_limit_of_any_size_never_makes_a_good_scan_damaged_or_a_result_another(inbox: str, tmp_path: Path) -> None:
    """The libraries fail in many places when memory ends; each must come out as what it is."""
    wanted: dict[str, str] = {}
    ended = set()
    names = sorted(name for name in os.listdir(inbox) if name not in ("small.jpg", "giant.png"))
    for limit in (0, 36, 28, 22, 18, 16, 14, 12):
        pool = limited("zygote", limit * MIB)
        try:
            for name in names:
                spool = str(tmp_path / f"{limit}-{name}")
                match render(pool, inbox, name, spool):
                    case Rendering() as result:
                        assert wanted.setdefault(name, result.digest) == result.digest, (limit, name)
                        ended.add("done")
                    case Failure() as failure:
                        assert failure.kind == "memory", (limit, name, failure)
                        assert not os.path.exists(spool)
                        ended.add("memory")
                    case Died() as died:
                        assert not died.blameless, (limit, name, died)
                        ended.add("died")
        finally:
            pool.stop()
    assert len(wanted) == len(names)
    assert {"done", "memory"} <= ended


def test_probing_a_giant_takes_no_memory_to_speak_of(inbox: str) -> None:
    pool = limited("zygote", 16 * MIB)
    try:
        wait_for(pool, Started)
        pool.submit(ProbeRequest(1, inbox, "giant.png"), time.monotonic() + 60)
        (event,) = wait_for(pool, Answered)
        assert isinstance(event, Answered)
        assert isinstance(event.answer, Facts)
    finally:
        pool.stop()


@pytest.fixture(params=KINDS)
def scripted(request: pytest.FixtureRequest) -> Iterator[AnyPool]:
    pool = KINDS[request.param](1, SETUP, program="fault_workers")
    wait_for(pool, Started)
    yield pool
    pool.stop()


def test_a_worker_that_floods_its_error_output_fills_no_disk_and_waits_for_nobody(scripted: AnyPool) -> None:
    ask(scripted, "flood")
    errors = os.dup(scripted._workers[0].errors.fileno())
    died = death(wait_for(scripted, Died))
    assert "SIGSEGV" in died.why
    assert died.last_words in "not again"
    assert os.fstat(errors).st_size == ERROR_BYTES
    os.close(errors)
