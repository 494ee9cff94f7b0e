"""Some six hundred damaged pictures, each followed by a good one: no half picture comes out, the good ones always."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import damaged
from colorwatch.pool import Answered, Died, Event, Started, ZygotePool
from colorwatch.protocol import Answer, Failure, Incomplete, ProbeRequest, RenderRequest, WorkerSetup
from colorwatch.scan import Facts, Rendering, RenderSettings
from damaged import EITHER, HARMLESS, LOST, Damaged
from pictures import encoded, gradient, opened, written
from pools import wait_for
from waiting import eventually

Picture = NDArray[np.uint8]
SECONDS = 20  # for one small picture, on a machine that is busy


@pytest.fixture(scope="module")
def pool() -> Iterator[ZygotePool]:
    """One real worker, so that what a damaged picture leaves behind in it meets the good one after it."""
    pool = ZygotePool(1, WorkerSetup(0, "none", "fault_nets:grey_net", memory_limit=256 * 2**20))
    try:
        wait_for(pool, Started)
        yield pool
    finally:
        pool.stop()


def ask(pool: ZygotePool, request: ProbeRequest | RenderRequest) -> Answer:
    pool.submit(request, time.monotonic() + SECONDS)
    events: list[Event] = []
    eventually(lambda: events.extend(pool.poll(time.monotonic())) or events, SECONDS + 10)
    assert not any(isinstance(event, Died) for event in events), events
    (found,) = [event.answer for event in events if isinstance(event, Answered)]
    eventually(lambda: pool.poll(time.monotonic()) is not None and pool.idle(), 20)
    return found


def work(
    pool: ZygotePool,
    folder: str,
    name: str,
    settings: RenderSettings = RenderSettings(),  # noqa: B008 - frozen
) -> tuple[Answer, str]:
    """Probes and renders, as the daemon does: the last answer, and the spool file's path."""
    spool = os.path.join(folder, f"spool-{name}")
    found = ask(pool, ProbeRequest(1, folder, name, 200))
    if isinstance(found, Facts):
        found = ask(pool, RenderRequest(2, folder, name, found.fingerprint, spool, 200, settings))
    assert os.path.exists(spool) == isinstance(found, Rendering)
    return found, spool


def pixels_of(path: str) -> Picture:
    return np.asarray(opened(path))


# A picture of a few shades passes for a blank page: `ANYWAY` has it coloured, else it is copied as it is.
ANYWAY = RenderSettings(colored="recolor", text="color")


@pytest.mark.parametrize(
    ("family", "settings"),
    [("jpeg", ANYWAY), ("png", ANYWAY), ("tiff", ANYWAY), ("jpeg", RenderSettings())],
    ids=["jpeg", "png", "tiff", "jpeg that is left"],
)
def test_no_damaged_picture_is_coloured_by_half_and_the_good_one_after_it_always(
    pool: ZygotePool, family: str, settings: RenderSettings, tmp_path: Path
) -> None:
    good = written(str(tmp_path), "good.png", encoded(gradient(64, 48), "PNG"))
    digest = ""
    results: dict[bytes, Picture] = {}
    wrong: list[tuple[str, object]] = []
    ends = {LOST: 0, EITHER: 0, HARMLESS: 0}
    for variant in damaged.make():
        if not variant.name.startswith(family):
            continue
        if variant.original not in results:
            path = written(str(tmp_path), "original" + variant.extension, variant.original)
            found, spool = work(pool, str(tmp_path), os.path.basename(path), settings)
            results[variant.original] = pixels_of(spool)
            os.unlink(spool)
        path = written(str(tmp_path), variant.name + variant.extension, variant.content)
        found, spool = work(pool, str(tmp_path), os.path.basename(path), settings)
        if not as_it_should(variant, found, spool, results[variant.original]):
            wrong.append((variant.name, found))
        ends[variant.harm] += isinstance(found, Rendering)
        os.unlink(path)
        found, spool = work(pool, str(tmp_path), os.path.basename(good), settings)
        assert isinstance(found, Rendering), variant.name
        digest = digest or found.digest
        assert found.digest == digest, variant.name
        os.unlink(spool)
    assert not wrong, "\n".join(map(str, wrong))
    assert ends[LOST] == 0
    assert ends[HARMLESS] > 0


def as_it_should(variant: Damaged, found: Answer, spool: str, wanted: Picture) -> bool:
    """`wanted`: the result of the whole original."""
    match found:
        case Incomplete(reason=sentence) | Failure(message=sentence):
            told = sentence.endswith(".") and sentence[0].isupper() and len(sentence) > 15
            mild = not isinstance(found, Failure) or (not found.retryable and found.kind not in ("internal", "failed"))
            return told and mild and variant.harm != HARMLESS
        case Rendering():
            result = pixels_of(spool)
            os.unlink(spool)
            if variant.harm == HARMLESS:
                return np.array_equal(result, wanted)
            return variant.harm == EITHER and result.shape[:2] == (found.height, found.width)
    return False
