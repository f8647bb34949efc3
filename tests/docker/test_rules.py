"""The rules are valid, fire when they should, and are explained."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from service.telemetry.metrics import Metrics
from tests.docker.monitoring import (
    ALERTS,
    PANELS,
    PROMETHEUS,
    RECORDED,
    ROOT,
    annotation_queries,
    metrics_in,
    panel_queries,
    read_yaml,
    recorded_in,
)

CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))
QUERIES = [
    *(rule["expr"] for rule in [*ALERTS.values(), *RECORDED.values()]),
    *(query for panel in PANELS.values() for query in panel_queries(panel)),
    *annotation_queries(),
]


@cache
def expected_alerts() -> dict[str, Any]:
    """The tests of each file in docker/prometheus/tests."""
    return {case.stem: read_yaml(case)["tests"] for case in CASES}


def promtool(*arguments: str | Path) -> None:
    """Runs promtool, which must find nothing wrong; where none is installed the test is skipped."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    ended = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_promtool_accepts_the_configuration_and_the_rules_that_it_names(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "key").write_text("eabs_secret")
    config = tmp_path / "prometheus.yml"
    config.write_text(config.read_text().replace("/run/secrets/prometheus_key", str(tmp_path / "key")))
    promtool("check", "config", "--lint=all", "--lint-fatal", config)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(case: Path) -> None:
    promtool("test", "rules", case)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_to_stay_silent_and_to_mind_no_idle_server(alert: str) -> None:
    seen = {
        case: [one for test in tests for one in test["alert_rule_test"] if one["alertname"] == alert]
        for case, tests in expected_alerts().items()
    }
    silence = seen.pop("silence")
    assert silence
    assert not any(one["exp_alerts"] for one in silence)
    elsewhere = [bool(one["exp_alerts"]) for cases in seen.values() for one in cases]
    assert set(elsewhere) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_how_grave_it_is_what_it_saw_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert "for" in rule
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert "{{" in notes["description"] or alert in ("EabsDown", "EabsNotReady"), "expected a figure"
    assert notes["runbook_url"] == f"docs/operations.md#{alert.lower()}"


def test_the_runbook_has_an_entry_for_every_alert_and_no_other() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert re.findall(r"^### (Eabs\w+)$", page, re.M) == list(ALERTS)


def test_links_within_the_runbook_lead_somewhere() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^##+ (.+)$", page, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def test_queries_ask_only_for_what_the_server_tells_or_a_rule_records() -> None:
    families = {family.name for family in Metrics().registry.collect()}
    told = {f"{name}{end}" for name in families for end in ("", "_total", "_bucket", "_count", "_sum")}
    for query in QUERIES:
        assert recorded_in(query) <= RECORDED.keys(), query
        assert metrics_in(query) <= told, query


def test_whatever_is_recorded_is_asked_for() -> None:
    assert {name for query in QUERIES for name in recorded_in(query)} == RECORDED.keys()
