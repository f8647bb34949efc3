"""What Prometheus says of a real server is true, and every query of the rules and the dashboard can be asked."""

import pytest

from tests.docker.conftest import IMAGES, Watched
from tests.docker.monitoring import ALERTS, PANELS, RECORDED, annotation_queries, panel_queries, variable_queries

REQUESTS = 2 * (IMAGES - 1)
"""Requests to /classify of one round: the first two images share one."""

# What did not happen: no failure, no shortage, no second version, no day before.
EMPTY_RECORDED = {
    "instance:eabs_redis_errors:ratio_rate5m",
    "job_task:eabs_batch_failures:ratio_rate5m",
    "job_model_label:eabs_predictions:increase1d",
    "job_model_label:eabs_predictions:share1d",
    "job_model:eabs_predictions:shift",
    "job_kind:eabs_certified_radius_count:increase1d",
    "job_kind:eabs_certified_radius:median1d",
}
EMPTY_PANELS = {
    "Batches that failed or found too little memory",
    "Failures to follow the store",
    "Shift of the predictions, an hour against the day before",
    "Alerts",
}


def test_the_server_is_found_up_and_ready_with_a_key(watched: Watched) -> None:
    (up,) = watched.prometheus.query('up{job="eabs"}')
    assert up["labels"]["instance"] == watched.address
    assert up["value"] == 1
    assert watched.prometheus.value("eabs_ready") == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum(eabs_requests_total{route="/classify", status="200"})', 2 * REQUESTS),
        ('sum(eabs_requests_total{route="/certify", status="200"})', 2),
        ('sum(eabs_requests_total{route="/classify", status=~"4.."})', 2),
        ('sum(eabs_request_seconds_count{route="/classify"})', 2 * REQUESTS + 2),
        ('eabs_images_classified_total{model="mnist"}', 2 * (2 * IMAGES)),
        ('sum(eabs_predictions_total{model="mnist"})', 2 * (2 * IMAGES)),
        ("sum(eabs_certified_radius_count)", 2),
        ("eabs_queue_depth", 0),
        ("eabs_queue_limit", 256),
        ("eabs_places_suspect", 0),
        ("eabs_redis_breaker_open", 0),
        ('eabs_model_info{name="mnist", version="1"}', 1),
    ],
)
def test_what_was_asked_is_what_is_counted(watched: Watched, query: str, expected: float) -> None:
    assert watched.prometheus.value(query) == expected


def test_a_batch_keeps_the_name_of_its_task_beside_prometheus_own_label(watched: Watched) -> None:
    (batches,) = watched.prometheus.query('eabs_batch_size_count{task="Classify"}')
    assert batches["labels"]["job"] == "eabs"


def test_recorded_rates_and_shares_agree_with_what_was_asked(watched: Watched) -> None:
    ask = watched.prometheus.value
    by_route = {
        one["labels"]["route"]: one["value"] for one in watched.prometheus.query("job_route:eabs_requests:rate5m")
    }
    assert by_route.keys() == {"/classify", "/certify"}
    assert by_route["/classify"] > by_route["/certify"] > 0
    assert ask("job:eabs_requests:rate5m") == pytest.approx(sum(by_route.values()))
    assert ask("job:eabs_request_errors:ratio_rate5m") == 0
    assert ask("job:eabs_request_deadlines:ratio_rate5m") == 0
    assert ask("job:eabs_request_queue_full:ratio_rate5m") == 0
    assert ask("instance:eabs_queue_depth:ratio") == 0
    assert ask("sum(job_model_label:eabs_predictions:share1h)") == pytest.approx(1)
    hits = ask("job:eabs_cache_hits:ratio_rate5m")
    assert hits is not None
    assert 0.3 < hits < 0.7  # every image twice; a certificate looks for its classification as well
    p99 = ask('job_route:eabs_request_seconds:p99_5m{route="/classify"}')
    assert p99 is not None
    assert 0 < p99 <= 60


@pytest.mark.parametrize("record", RECORDED)
def test_every_rule_records_what_there_is(watched: Watched, record: str) -> None:
    found = watched.prometheus.query(record)
    assert bool(found) == (record not in EMPTY_RECORDED), found
    assert all(one["value"] == one["value"] for one in found), "expected no NaN"


@pytest.mark.parametrize("alert", ALERTS)
def test_the_query_of_every_alert_can_be_asked(watched: Watched, alert: str) -> None:
    watched.prometheus.query(ALERTS[alert]["expr"])


def test_no_rule_failed(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in found} == ALERTS.keys() | RECORDED.keys()
    assert {rule["health"] for rule in found} == {"ok"}


def test_no_alert_fires_over_a_server_that_is_well(watched: Watched) -> None:
    assert not watched.prometheus.query('ALERTS{alertstate="firing"}')


def test_the_queries_of_the_annotations_can_be_asked(watched: Watched) -> None:
    for query in annotation_queries():
        watched.prometheus.query(query)


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_shows_what_there_is(watched: Watched, title: str) -> None:
    shown = {query: watched.prometheus.query(query) for query in panel_queries(PANELS[title])}
    if title in EMPTY_PANELS:
        assert not any(shown.values()), shown
    else:
        assert any(shown.values()), shown


def test_the_variables_of_the_dashboard_have_the_server_and_its_model(watched: Watched) -> None:
    found = {}
    for name, (metric, label) in variable_queries().items():
        found[name] = watched.prometheus.ask(f"label/{label}/values", **{"match[]": metric})
    assert found == {"instance": [watched.address], "model": ["mnist"]}
