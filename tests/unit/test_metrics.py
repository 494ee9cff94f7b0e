"""Figures as prometheus-client's own parser reads them, from a real port and from a textfile."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch import log
from colorwatch.errors import ConfigError
from colorwatch.telling.metrics import STALE_SECONDS, Metrics, Snapshot
from waiting import eventually

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics(free_port(), None)
    made.start()
    yield made
    made.close()


def fetched(metrics: Metrics, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics._port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_the_log_says_is_counted(metrics: Metrics) -> None:
    told = log.get("test")
    told.info("job.done", folder="inbox", megapixels=2.5, seconds={"net": 0.2, "decode": 0.01})
    told.info("job.done", folder="inbox", megapixels=1.5, seconds={"net": 0.4})
    told.warning("job.quarantined", folder='in"b\nox', reason="x")
    told.warning("worker.died", pid=1)
    found = samples(fetched(metrics, "/metrics")[1])
    assert found["colorwatch_scans_total", (("folder", "inbox"), ("outcome", "done"))] == 2
    assert found["colorwatch_scans_total", (("folder", 'in"b\nox'), ("outcome", "quarantined"))] == 1
    assert found["colorwatch_megapixels_total", (("folder", "inbox"),)] == 4
    assert found["colorwatch_stage_seconds_count", (("stage", "net"),)] == 2
    assert found["colorwatch_worker_deaths_total", ()] == 1


def test_levels_are_those_of_the_last_snapshot(metrics: Metrics) -> None:
    metrics.snapshot = Snapshot(
        metrics._clock(),
        queued={("inbox", "queued"): 7},
        oldest_seconds=12.5,
        workers=2,
        blind={"inbox": "", "share": "the share is gone"},
    )
    found = samples(fetched(metrics, "/metrics")[1])
    assert found["colorwatch_jobs", (("folder", "inbox"), ("state", "queued"))] == 7
    assert found["colorwatch_oldest_waiting_seconds", ()] == 12.5
    assert found["colorwatch_folder_seen", (("folder", "share"),)] == 0
    assert found["colorwatch_folder_seen", (("folder", "inbox"),)] == 1


def test_health_says_what_is_wrong(metrics: Metrics) -> None:
    assert fetched(metrics, "/healthz")[0] == 200
    metrics.snapshot = Snapshot(metrics._clock(), blind={"share": "the share is gone"})
    code, text = fetched(metrics, "/healthz")
    assert code == 503
    assert json.loads(text)["blind"] == {"share": "the share is gone"}
    metrics.snapshot = Snapshot(metrics._clock() - STALE_SECONDS - 1)
    assert fetched(metrics, "/healthz")[0] == 503
    assert fetched(metrics, "/")[0] == 404


def test_only_this_machine_is_answered(metrics: Metrics) -> None:
    assert metrics._server is not None
    assert metrics._server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_a_fault_of_the_config(metrics: Metrics) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.port: port \d+ .*; write another one"):
        Metrics(metrics._port, None).start()


def test_a_textfile_is_whole_whenever_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "colorwatch.prom"
    made = Metrics(0, str(path))
    made.start()
    eventually(path.exists, 5, "the file")
    made.close()
    assert ("colorwatch_workers", ()) in samples(path.read_text())
    assert [entry.name for entry in tmp_path.iterdir()] == ["colorwatch.prom"]
