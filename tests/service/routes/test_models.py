from pathlib import Path

import httpx
import pytest

from tests.service.api import expect_problem


def test_every_model_of_the_store_is_listed(client: httpx.Client) -> None:
    models = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert set(models) == {"mnist", "colour"}
    assert models["mnist"] == {
        "name": "mnist",
        "versions": ["1"],
        "aliases": {"production": "1"},
        "loaded": ["1"],
        "default": True,
    }
    assert models["colour"]["default"] is False


def test_a_model_is_described(client: httpx.Client) -> None:
    body = client.get("/models/colour").json()
    (details,) = body["details"]
    assert details["input_shape"] == [3, 32, 32]
    assert details["classes"] == [f"class {index}" for index in range(10)]
    assert details["metrics"] == {"accuracy": 0.1}
    assert details["training_data"]["dataset"] == "none"
    assert (details["training_data"]["licence"], details["training_data"]["citation"]) == (None, None)
    assert details["evaluations"] == []
    assert details["default_effort"] == "fast"


@pytest.mark.parametrize("name", ["nope", "NOPE", "..%2f..%2fetc"])
def test_an_unknown_model_is_not_found_and_the_answer_names_no_folder(
    client: httpx.Client, store_root: Path, name: str
) -> None:
    answer = client.get(f"/models/{name}")
    expect_problem(answer, 404)
    assert str(store_root) not in answer.text


def test_unknown_parameters_are_refused(client: httpx.Client) -> None:
    expect_problem(client.get("/models", params={"page": 2}), 422, "'page'")
