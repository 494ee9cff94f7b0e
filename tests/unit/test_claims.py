"""The choice of the next job, on a real ledger."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from colorwatch import log
from colorwatch.budget import MIB
from colorwatch.claims import MAX_PASSED_OVER, Claims
from colorwatch.ledger import Ledger
from colorwatch.messages import FolderSettings
from colorwatch.scan import Facts, Failure, Fingerprint, Originals, RenderSettings, Scan, State
from colorwatch.steps import Steps

FOLDER = FolderSettings("in", "/inbox", "/outbox", Originals.KEEP, None, "/quarantine", 1.0, 60.0, 60.0, True)


@pytest.fixture
def ledger(tmp_path: os.PathLike[str]) -> Iterator[Ledger]:
    ledger = Ledger(os.path.join(tmp_path, "ledger"))
    yield ledger
    ledger.close()


def test_a_scan_that_is_refused_for_its_size_keeps_no_other_waiting(ledger: Ledger) -> None:
    folders = {"in": FOLDER}

    def send(folder: str, command: object) -> None:
        """Nobody carries it out here."""

    steps = Steps(ledger, folders, send, log.get("test"))
    settings = {"in": RenderSettings()}
    claims = Claims(ledger, steps, folders, settings, 0, 200 * MIB, send, log.get("test"))

    def add(name: str, side: int) -> int:
        scan = Scan("in", name, Fingerprint(1, 2, 3, 4))
        facts = Facts(scan.fingerprint, name.rjust(64, "0"), "jpeg", ".jpg", 1, side, side, 1, 8)
        return ledger.add(scan, facts, "recipe", iter([name])).id

    tickets = itertools.count()

    def claim() -> int | None:
        request = claims.next_render(next(tickets), 0.0, ["in"], 0)
        return request.ticket if request else None

    add("first", 100)
    running = claim()
    assert running is not None
    large = add("large", 20_000)
    for number in range(MAX_PASSED_OVER):
        add(f"small-{number}", 100)
        ticket = claim()
        assert ticket is not None, "smaller ones go first for a while"
        claims.answered(ticket, Failure("damaged", "it is cut", False), 0.0)
    add("later", 100)
    claim()
    claims.answered(running, Failure("damaged", "it is cut", False), 0.0)
    while ledger.job(large).state is State.QUEUED:
        if claim() is None and len(claims):
            claims.release_all()
    assert ledger.job(large).state is State.QUARANTINED
    for name in ("two", "at once"):
        add(name, 100)
    claims.release_all()
    assert [claim() is not None for _ in range(2)] == [True, True]
