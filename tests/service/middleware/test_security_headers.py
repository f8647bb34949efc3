import httpx
import pytest

from tests.service.pictures import random_png


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/docs"),
        ("GET", "/models"),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
        ("POST", "/classify"),
        ("POST", "/v2/models/mnist/infer"),
    ],
)
def test_every_answer_tells_a_browser_to_take_care(client: httpx.Client, method: str, path: str) -> None:
    headers = client.request(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("unsafe-inline" in policy) == (path == "/docs")
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_answers_about_images_are_not_stored(client: httpx.Client) -> None:
    answer = client.post("/classify", content=random_png(3), headers={"Content-Type": "image/png"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


def test_the_documentation_may_load_what_it_refers_to(client: httpx.Client) -> None:
    answer = client.get("/docs")
    assert "https://cdn.jsdelivr.net/" in answer.text
    assert "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net" in answer.headers["content-security-policy"]
