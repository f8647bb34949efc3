"""What docker/prometheus and docker/grafana hold, for the tests."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "docker" / "prometheus"
GRAFANA = ROOT / "docker" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "eabs.json").read_text())


def read_yaml(file: Path) -> Any:
    """What a file says."""
    return yaml.safe_load(file.read_text())


def rules(file: str) -> list[dict[str, Any]]:
    """The rules of a file in docker/prometheus, in its order."""
    return [rule for group in read_yaml(PROMETHEUS / file)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.rules.yml")}
RECORDED = {rule["record"]: rule for rule in rules("recording.rules.yml")}
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}


def panel_queries(panel: dict[str, Any]) -> list[str]:
    """What a panel asks Prometheus when all instances and models are chosen."""
    return [_filled(target["expr"]) for target in panel["targets"]]


def annotation_queries() -> list[str]:
    """What the dashboard's annotations ask."""
    return [_filled(annotation["expr"]) for annotation in DASHBOARD["annotations"]["list"]]


def variable_queries() -> dict[str, tuple[str, str]]:
    """Of each variable, the metric and the label whose values it offers."""
    found = {}
    for variable in DASHBOARD["templating"]["list"]:
        match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
        assert match, variable["query"]
        found[variable["name"]] = (match[1], match[2])
    return found


def recorded_in(query: str) -> set[str]:
    """The names of recorded series in a query."""
    return set(re.findall(r"\b[a-z_]+:\w+:\w+", query))


def metrics_in(query: str) -> set[str]:
    """The names of the server's own series in a query."""
    return set(re.findall(r"(?<![:\w])(?:eabs|process)_\w+", query))


def _filled(query: str) -> str:
    for variable in DASHBOARD["templating"]["list"]:
        query = query.replace(f"${variable['name']}", variable["allValue"])
    query = query.replace("$__rate_interval", "1m")
    assert "$" not in query, f"{query}: a variable that is none"
    return query
