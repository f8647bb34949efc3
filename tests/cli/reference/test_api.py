"""The reference of the routes says what a caller needs, whatever FastAPI's document looks like."""

import pytest

from cli.reference.api import api_page
from service.errors import OutOfMemory, QueueFull, RateLimited


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The page's parts below headings of the third level, and of the second where there is none."""
    parts = api_page().replace("\n## ", "\n### ").split("\n### ")
    return dict(part.split("\n", 1) for part in parts[1:])


def test_a_route_names_its_scope_and_every_problem_of_a_status(sections: dict[str, str]) -> None:
    route = sections["POST /classify"]
    assert "needs a key of the scope `classify`" in route
    assert f"429 `{QueueFull.kind}`, `{RateLimited.kind}`" in route
    assert "503 `not-ready`, `out-of-memory`" in route
    assert "needs no key" in sections["GET /healthz"]
    assert "needs a key of any scope" in sections["GET /metrics"]
    assert "a key of the scope `admin`" in sections["POST /v2/repository/models/{name}/load"]


def test_a_parameter_has_its_values_and_its_default(sections: dict[str, str]) -> None:
    assert "| `sigma` | number, 0.01 to 4 | `0.5` |" in sections["GET /certify"]
    assert "| `X-Request-Timeout-Ms` (header) | integer, ≥ 1 | - |" in sections["POST /classify"]


def test_fields_of_a_body_are_told_however_deep_they_are(sections: dict[str, str]) -> None:
    assert "| `images[].scale` | `1` or `255` | `1` |" in sections["POST /classify"]
    assert "| `inputs[].parameters.binary_data_size` |" in sections["POST /v2/models/{name}/infer"]


def test_an_answer_leads_to_the_objects_that_it_is_made_of(sections: dict[str, str]) -> None:
    assert "Answer: [ClassifyAnswer](#classifyanswer)." in sections["POST /classify"]
    assert "| `results` | list of [ImageClassification](#imageclassification) |" in sections["ClassifyAnswer"]


def test_every_route_shows_a_call(sections: dict[str, str]) -> None:
    routes = [name for name in sections if name.startswith(("GET ", "POST "))]
    assert len(routes) == 20
    for name in routes:
        assert sections[name].count("\n$ curl ") == 1, name
        assert "{name}" not in sections[name].partition("```console")[2]


def test_a_problem_says_when(sections: dict[str, str]) -> None:
    row = f"| `{OutOfMemory.kind}` | 503 | {OutOfMemory.title} | "
    assert row in sections["Problems"]
