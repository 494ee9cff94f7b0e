"""A worker answers every request over its socket, and nothing that it says is too long for one packet."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from colorwatch.metadata.provenance import MAX_MODEL, MAX_PATH
from colorwatch.protocol import Failure, Ready, Recalled, RecallRequest, RenderRequest, Request, WorkerSetup
from colorwatch.scan import Fingerprint, Provenance, Rendering
from colorwatch.wire import MAX_BYTES, decode, encode
from colorwatch.workers.worker import attend, server
from pictures import encoded, gradient, written

TOLD = Provenance("ab" * 32, "1955/\udcff.jpg", "0123456789abcdef", "compact", "cd" * 32)


def asked(requests: list[Request]) -> list[object]:
    """What a worker with a grey net answers."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    serve = server(WorkerSetup(os.getppid(), "none", "fault_nets:grey_net"))
    worker = threading.Thread(target=attend, args=(its, serve))
    worker.start()
    try:
        assert isinstance(decode(ours.recv(MAX_BYTES)), Ready)
        answers = []
        for request in requests:
            ours.send(encode(request))
            answers.append(decode(ours.recv(MAX_BYTES)))
        return answers
    finally:
        ours.shutdown(socket.SHUT_RDWR)
        worker.join(30)
        ours.close()
        its.close()


def test_a_result_is_rendered_and_recalled(tmp_path: Path) -> None:
    path = written(str(tmp_path), "scan", encoded(gradient(), "JPEG"))
    root, print_ = str(tmp_path), Fingerprint.of(os.stat(path))
    render = RenderRequest(1, root, "scan", print_, str(tmp_path / "result"), provenance=TOLD)
    rendering, found, scan, gone = asked(
        [render, *(RecallRequest(number, root, name) for number, name in enumerate(("result", "scan", "gone")))]
    )
    assert isinstance(rendering, Rendering)
    assert found == Recalled(Fingerprint.of(os.stat(tmp_path / "result")), rendering.digest, TOLD)
    assert isinstance(scan, Recalled)
    assert scan.provenance is None
    assert isinstance(gone, Failure)
    assert gone.kind == "gone"


@pytest.mark.parametrize("letter", ["\udcff", "é", "\U00010400", "a"])
def test_the_longest_path_and_name_fit_into_one_packet(tmp_path: Path, letter: str) -> None:
    path = letter * (MAX_PATH // len(os.fsencode(letter)))
    told = Provenance("ab" * 32, path, "0123456789abcdef", "\U00010400" * MAX_MODEL, "cd" * 32)
    scan = written(str(tmp_path), "scan", encoded(gradient(), "PNG"))
    render = RenderRequest(
        1, str(tmp_path), "scan", Fingerprint.of(os.stat(scan)), str(tmp_path / "result"), provenance=told
    )
    _, found = asked([render, RecallRequest(2, str(tmp_path), "result")])
    assert isinstance(found, Recalled)
    assert found.provenance == told
