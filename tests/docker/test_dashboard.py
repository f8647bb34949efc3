"""What Grafana needs to show the dashboard. Grafana itself is not started here."""

import json
import re
from itertools import combinations, pairwise
from typing import Any

from tests.docker.monitoring import ALERTS, DASHBOARD, GRAFANA, PANELS, panel_queries, read_yaml

UNITS = {"none", "s", "bytes", "reqps", "percentunit"}
FILE = GRAFANA / "dashboards" / "eabs.json"
BOXES: list[dict[str, Any]] = DASHBOARD["panels"]


def test_the_file_is_tidy() -> None:
    assert FILE.read_text() == json.dumps(DASHBOARD, indent=2, ensure_ascii=False) + "\n"


def test_the_dashboard_has_what_a_provisioned_one_needs() -> None:
    assert DASHBOARD["uid"] == "eabs"
    assert DASHBOARD["schemaVersion"] >= 36, "the first whose data sources are named by type and uid"
    assert "id" not in DASHBOARD, "the database's own; one in a file is refused or hides another dashboard"
    assert "__inputs" not in DASHBOARD, "a question that nobody answers when it is provisioned"


def test_panels_have_ids_and_titles_of_their_own_in_ascending_order() -> None:
    assert all(before["id"] < after["id"] for before, after in pairwise(BOXES))
    assert len({box["title"] for box in BOXES}) == len(BOXES)


def test_no_panels_overlap_and_none_is_wider_than_the_page() -> None:
    for box in BOXES:
        at = box["gridPos"]
        assert at["x"] + at["w"] <= 24, box["title"]
    for one, other in combinations(BOXES, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart or above, (one["title"], other["title"])


def test_every_query_goes_to_the_provisioned_data_source() -> None:
    (source,) = read_yaml(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    expected = {"type": source["type"], "uid": source["uid"]}
    asking = [*PANELS.values(), *DASHBOARD["templating"]["list"], *DASHBOARD["annotations"]["list"]]
    asking += [target for panel in PANELS.values() for target in panel["targets"]]
    assert all(one["datasource"] == expected for one in asking)


def test_every_panel_has_queries_with_letters_of_their_own_and_a_unit() -> None:
    for title, panel in PANELS.items():
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters), title
        if panel["type"] != "table":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, title


def test_panels_use_the_variables_and_no_others() -> None:
    used = set(re.findall(r"\$(\w+)", json.dumps(BOXES)))
    assert used == {variable["name"] for variable in DASHBOARD["templating"]["list"]} | {"__rate_interval"}


def test_every_alert_has_a_line_in_the_panel_of_alerts() -> None:
    (query,) = panel_queries(PANELS["Alerts"])
    match = re.search(r'alertname=~"([^"]+)"', query)
    assert match
    assert all(re.fullmatch(match[1], alert) for alert in ALERTS)
