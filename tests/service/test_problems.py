import pytest
from fastapi import FastAPI

from model_store import ModelStore, StoreUnreachable
from service.app import create_app
from service.errors import QueueFull
from service.middleware.observation import ObservationMiddleware
from service.problems import error_response, install_problem_handlers
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.service.api import expect_problem
from tests.service.test_app import ask


@pytest.mark.parametrize("path", ["/v2", "/v2/models/mnist/infer"])
def test_an_error_below_v2_has_the_form_of_the_open_inference_protocol(path: str) -> None:
    answer = error_response(path, QueueFull("expected less", retry_after=7))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'{"error":"expected less"}'


@pytest.mark.parametrize("path", ["/classify", "/v2x", "/", "/models/v2"])
def test_an_error_elsewhere_is_a_problem(path: str) -> None:
    answer = error_response(path, QueueFull("expected less", retry_after=7))
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_path_that_is_not_there_is_told_in_the_form_of_its_protocol(settings: Settings) -> None:
    app = create_app(settings)
    answer = ask(app, "GET", "/v2/nowhere")
    assert (answer.status_code, answer.json()) == (404, {"error": "GET /v2/nowhere: Not Found"})
    expect_problem(ask(app, "GET", "/nowhere"), 404, "GET /nowhere: Not Found")


def test_an_error_that_nobody_expected_keeps_its_cause_in_either_form() -> None:
    app = FastAPI()

    @app.get("/broken")
    @app.get("/v2/broken")
    def broken() -> None:
        raise RuntimeError("a secret")

    install_problem_handlers(app)
    app.add_middleware(ObservationMiddleware, metrics=Metrics())
    native, other = ask(app, "GET", "/broken"), ask(app, "GET", "/v2/broken")
    assert native.status_code == other.status_code == 500
    assert native.json()["detail"] == other.json()["error"]
    assert "secret" not in native.text + other.text


@pytest.mark.parametrize("path", ["/models", "/models/mnist", "/v2/repository/index"])
def test_a_store_that_does_not_answer_is_told_without_saying_where_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnreachable("s3://inner-bucket: no answer")

    for method in ("names", "versions"):
        monkeypatch.setattr(ModelStore, method, fail)

    answer = ask(create_app(settings), "POST" if path.startswith("/v2") else "GET", path)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "the model store does not answer" in answer.text
    assert "bucket" not in answer.text
