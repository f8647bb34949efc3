from typing import Any

import pytest

from service.app import create_app
from service.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_what_needs_a_key_says_so_and_how_it_refuses(document: dict[str, Any]) -> None:
    operation = document["paths"]["/classify"]["post"]
    assert operation["security"] == [{"bearer": []}, {"header": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    for status in ("401", "403", "429"):
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


def test_below_v2_refusals_have_the_form_of_the_protocol(document: dict[str, Any]) -> None:
    responses = document["paths"]["/v2/repository/models/{name}/load"]["post"]["responses"]
    assert list(responses["403"]["content"]) == ["application/json"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_what_is_open_asks_for_nothing(document: dict[str, Any], path: str) -> None:
    assert "security" not in document["paths"][path]["get"]


def test_what_any_key_may_ask_for_is_neither_forbidden_nor_counted(document: dict[str, Any]) -> None:
    operation = document["paths"]["/metrics"]["get"]
    assert operation["security"] == [{"bearer": []}, {"header": []}]
    assert set(operation["responses"]) == {"200", "401"}


def test_every_problem_of_a_status_and_the_scope_are_named(document: dict[str, Any]) -> None:
    operation = document["paths"]["/classify"]["post"]
    assert operation["x-scope"] == "classify"
    refused = operation["responses"]["429"]["description"]
    assert refused == "`queue-full`: Too many images are waiting; `rate-limited`: Too many requests"
