"""Every class of error, raised by the real server where it can be brought to it."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from pydantic import SecretStr

import client as eabs_client
from client import ONCE, Client, EABSError, Problem, RequestLimits
from service.errors import ServiceError
from service.security.keys import create_key
from service.settings import Settings
from tests.client.scripted_server import Scripted, scripted_server
from tests.service.pictures import random_pixels, random_png
from tests.service.running_server import RunningServer

CLASSIFY, CLASSIFY_KEY = create_key("app", ["classify"])
ADMIN, ADMIN_KEY = create_key("ops", ["admin"])


@pytest.fixture(scope="module")
def guarded(settings: Settings) -> Iterator[RunningServer]:
    changes = {
        "models": "mnist",
        "api_keys": SecretStr(f"{CLASSIFY_KEY.entry};{ADMIN_KEY.entry}"),
        "rate_limit": "2/day",
    }
    with RunningServer(settings.model_copy(update=changes)) as running:
        yield running


def expect_problem(error: Problem, status: int, kind: str, *words: str) -> None:
    assert (error.status, error.kind) == (status, kind)
    assert error.request_id
    for word in words:
        assert word in error.detail
        assert word in str(error)


def test_a_truncated_image_is_malformed(client: Client) -> None:
    with pytest.raises(eabs_client.Malformed) as error:
        client.classify(random_png()[:100], request_id="mine")
    expect_problem(error.value, 400, "malformed", "image")
    assert error.value.request_id == "mine"
    assert error.value.retry_after is None


def test_an_unknown_model_and_image_are_not_found(client: Client) -> None:
    for ask in (
        lambda: client.classify(random_png(), model="svhn"),
        lambda: client.model("svhn"),
        lambda: client.certify_image_id("sha256:" + 64 * "0"),
    ):
        with pytest.raises(eabs_client.NotFound) as error:
            ask()
        expect_problem(error.value, 404, "not-found", "expected")


def test_more_images_than_the_server_takes_are_too_large(server: RunningServer) -> None:
    with (
        Client(server.url, limits=RequestLimits(images=100)) as client,
        pytest.raises(eabs_client.TooLarge) as error,
    ):
        client.classify([random_png()] * 65)
    expect_problem(error.value, 413, "too-large", "64")


def test_a_file_of_another_format_is_unsupported(client: Client) -> None:
    with pytest.raises(eabs_client.Unsupported) as error:
        client.classify(b"GIF89a")
    expect_problem(error.value, 415, "unsupported-format", "expected PNG, JPEG or WebP")


def test_pixels_of_another_shape_and_options_that_do_not_fit_are_unprocessable(client: Client) -> None:
    with pytest.raises(eabs_client.Unprocessable) as error:
        client.classify(np.zeros((3, 5), np.uint8))
    expect_problem(error.value, 422, "invalid", "expected shape (1, 28, 28)")
    with pytest.raises(eabs_client.Unprocessable, match="effort"):
        client.classify(random_pixels(), solver="adam", effort="fast")


def test_keys_are_asked_for_and_their_scopes_and_rates_are_kept(guarded: RunningServer) -> None:
    with Client(guarded.url) as nobody, pytest.raises(eabs_client.Unauthorised) as no_key:
        nobody.classify(random_png())
    expect_problem(no_key.value, 401, "unauthenticated", "got none")
    with Client(guarded.url, api_key=ADMIN) as admin, pytest.raises(eabs_client.Forbidden) as no_scope:
        admin.classify(random_png())
    expect_problem(no_scope.value, 403, "forbidden", "classify")
    with Client(guarded.url, api_key=CLASSIFY, retries=ONCE) as app:
        for seed in range(2):
            app.classify(random_png(seed))
        with pytest.raises(eabs_client.Overloaded) as many:
            app.classify(random_png(2))
    expect_problem(many.value, 429, "rate-limited")
    assert many.value.retry_after is not None
    assert many.value.retry_after >= 1


def test_a_server_that_is_about_to_end_is_unavailable(settings: Settings) -> None:
    with (
        RunningServer(settings.model_copy(update={"models": "mnist"})) as ending,
        Client(ending.url) as client,
    ):
        ending.app.state.runtime.announce_drain()
        with pytest.raises(eabs_client.Unavailable) as error:
            client.ready()
        expect_problem(error.value, 503, "not-ready", "about to end")
        assert error.value.retry_after is not None
        assert client.health().status == "ok"


def test_a_server_without_time_says_that_the_deadline_passed(slow_settings: Settings) -> None:
    changes = {"request_timeout_s": 0.02}
    with (
        RunningServer(slow_settings.model_copy(update=changes)) as hasty,
        Client(hasty.url) as client,
        pytest.raises(eabs_client.DeadlinePassed) as error,
    ):
        client.classify([random_png(seed) for seed in range(20)], effort="thorough")
    expect_problem(error.value, 504, "deadline-passed", "within 0.02 s")


def test_a_server_that_is_not_there_is_a_failed_connection() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with Client(f"http://127.0.0.1:{port}", retries=ONCE) as client, pytest.raises(eabs_client.ConnectionFailed):
            client.classify(random_png())


def test_an_answer_that_does_not_come_is_a_time_that_is_over() -> None:
    with (
        scripted_server(Scripted(200, pause_s=60)) as server,
        Client(server.url, timeout_s=0.3) as client,
        pytest.raises(eabs_client.TimedOut),
    ):
        client.health()
    assert len(server.asked_at) == 1


def test_a_proxys_page_is_a_server_that_failed() -> None:
    with (
        scripted_server(Scripted(502, b"<h1>Bad Gateway</h1>")) as server,
        Client(server.url) as client,
        pytest.raises(eabs_client.ServerFailed, match="502: Bad Gateway: <h1>") as error,
    ):
        client.models()
    assert error.value.kind == ""


@pytest.mark.parametrize("body", [b"{}", b"<h1>Hello</h1>", b'{"status": "very well"}'])
def test_an_answer_of_another_kind_is_unexpected(body: bytes) -> None:
    with (
        scripted_server(Scripted(200, body)) as server,
        Client(server.url) as client,
        pytest.raises(eabs_client.UnexpectedAnswer, match="expected a Health"),
    ):
        client.health()


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with (
        scripted_server(Scripted(307, headers={"Location": "http://elsewhere.invalid/"})) as server,
        Client(server.url, api_key="secret") as client,
        pytest.raises(Problem, match="307"),
    ):
        client.classify(random_png())


def test_every_status_that_the_service_knows_has_a_class() -> None:
    statuses = {form.status for form in every_subclass(ServiceError)} - {499}
    with scripted_server(*(Scripted(status) for status in sorted(statuses))) as server:
        for status in sorted(statuses):
            with Client(server.url, retries=ONCE) as client, pytest.raises(EABSError) as error:
                client.models()
            assert type(error.value) is not Problem
            assert isinstance(error.value, Problem)
            assert error.value.status == status


def every_subclass(form: type[ServiceError]) -> set[type[ServiceError]]:
    return {form}.union(*(every_subclass(below) for below in form.__subclasses__()))
