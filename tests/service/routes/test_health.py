import httpx


def test_a_living_server_says_so(client: httpx.Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_ready_server_names_its_models(client: httpx.Client) -> None:
    body = client.get("/readyz").json()
    assert body["status"] == "ready"
    assert [model["name"] for model in body["models"]] == ["mnist", "colour"]


def test_metrics_are_prometheus_text(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for name in ("eabs_requests_total", "eabs_queue_depth", "eabs_model_info", "eabs_ready 1.0"):
        assert name in answer.text
