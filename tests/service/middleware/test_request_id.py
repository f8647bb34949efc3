import httpx
import pytest


@pytest.mark.parametrize("offered", ["a", "A-1_b.c", "x" * 64])
def test_a_harmless_identity_is_kept(client: httpx.Client, offered: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": offered}).headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", 'a"b', "é", "a/../b"])
def test_any_other_is_replaced(client: httpx.Client, offered: str) -> None:
    headers = {"X-Request-Id": offered.encode("latin-1")}
    given = client.get("/healthz", headers=headers).headers["x-request-id"]
    assert given != offered
    assert len(given) == 32


def test_every_request_has_its_own(client: httpx.Client) -> None:
    assert len({client.get("/healthz").headers["x-request-id"] for _ in range(5)}) == 5


def test_answers_carry_it_in_their_body(client: httpx.Client) -> None:
    answer = client.get("/nope", headers={"X-Request-Id": "mine"})
    assert answer.json()["request_id"] == "mine"
