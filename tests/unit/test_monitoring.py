"""The dashboard, the alert rules and their description speak of metrics that there are; promtool accepts the rules."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

prometheus_client = pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from colorwatch.telling.metrics import Metrics, Snapshot  # noqa: E402 - only where prometheus-client is

MONITORING = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "monitoring")
NAME = re.compile(r"colorwatch_[a-z_]+")
SELECTOR = re.compile(r"(colorwatch_[a-z_]+)\{([^}]*)\}")


def text_of(name: str) -> str:
    with open(os.path.join(MONITORING, name), encoding="utf-8") as file:
        return file.read()


def given() -> dict[str, dict[str, set[str]]]:
    """What /metrics gives: name -> label -> values, of a daemon to which everything has happened."""
    from prometheus_client.parser import text_string_to_metric_families

    metrics = Metrics(0, None)
    metrics.expect(["in"])
    metrics.hear("job.done", {"folder": "in", "megapixels": 1.0, "seconds": {"net": 0.1}})
    metrics.snapshot = Snapshot(0.0, {("in", "queued"): 1}, blind={"in": ""})
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(prometheus_client.generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def expressions() -> dict[str, str]:
    """Every expression of rules and dashboard, by where it stands."""
    rules = yaml.safe_load(text_of("colorwatch.rules.yml"))
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    board = json.loads(text_of("grafana-dashboard.json"))
    for panel in board["panels"]:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    found |= {variable["name"]: variable.get("definition", "") for variable in board["templating"]["list"]}
    return found


@pytest.mark.parametrize("place", sorted(expressions()))
def test_each_metric_and_label_that_is_asked_for_exists(place: str) -> None:
    known = given()
    expression = expressions()[place]
    assert set(NAME.findall(expression)) <= set(known)
    for name, selector in SELECTOR.findall(expression):
        for label, operator, value in re.findall(r'(\w+)\s*(=~?)\s*"([^"]*)"', selector):
            if label == "instance":  # Prometheus's own
                continue
            values = known[name][label]
            assert set(value.split("|") if operator == "=~" else [value]) <= values, (name, label)


def test_each_metric_is_described() -> None:
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in given() if not name.endswith("_created")}
    table = {
        name for line in text_of("README.md").splitlines() if line.startswith("| `") for name in NAME.findall(line)
    }
    assert table == names


def test_each_alert_says_what_to_do() -> None:
    rules: Any = yaml.safe_load(text_of("colorwatch.rules.yml"))
    for rule in rules["groups"][0]["rules"]:
        assert len(rule["annotations"]["description"]) > 30, rule["alert"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    "arguments", [("check", "rules", "colorwatch.rules.yml"), ("test", "rules", "colorwatch.rules.test.yml")]
)
def test_prometheus_accepts_the_rules_and_they_fire_when_they_should(arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(
        ["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
