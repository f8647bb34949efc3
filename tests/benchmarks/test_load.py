import asyncio
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.load import LoadLevel, RequestForm, arrivals, drive, knee
from benchmarks.raw_http import post
from benchmarks.request_forms import request_forms
from client import Client
from service.settings import Settings
from tests.client.scripted_server import Scripted, scripted_server
from tests.service.conftest import settings, store_root  # noqa: F401 -- fixtures
from tests.service.pictures import random_pixels
from tests.service.running_server import RunningServer

PICTURES = random_pixels(shape=(64, 1, 28, 28))
HEALTHY = RequestForm("health", 1, [post("/classify", b"", {})])


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[RunningServer]:  # noqa: F811 -- the fixture
    with RunningServer(settings.model_copy(update={"models": "mnist", "cache_bytes": 0})) as running:
        yield running


def test_every_form_is_answered_and_counted_in_images(running: RunningServer) -> None:
    forms = request_forms(PICTURES, model="mnist", effort="fast", batch=4)
    assert [form.images for form in forms] == [1, 4] * 3
    for form in forms:
        level = drive(running.url, form, rate=20, seconds=0.5)
        assert (level.rejected, level.errors) == (0, 0), form.name
        assert 0 < level.achieved <= level.offered
        assert level.p50_ms is not None
        assert level.max_ms is not None
        assert 0 < level.p50_ms <= level.max_ms


def test_every_form_asks_about_the_same_images(running: RunningServer) -> None:
    async def outcome(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.settings.port)
        writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        answer = await reader.read()
        writer.close()
        return answer

    forms = request_forms(PICTURES[:2], model="mnist", effort="fast", batch=2)
    with Client(running.url) as client:
        results = client.classify(PICTURES[:2], effort="fast").results
    for form in forms:
        answer = asyncio.run(outcome(form.requests[0]))
        assert answer.startswith(b"HTTP/1.1 200")
        if "tensor" in form.name:
            expected = np.array([result.prediction.index for result in results if result.prediction], "<i8")
            assert expected[: form.images].tobytes() in answer
        else:
            for result in results[: form.images]:
                assert result.image_id.encode() in answer


def test_what_waits_behind_a_slow_answer_is_counted_as_slow() -> None:
    with scripted_server(Scripted(200, pause_s=0.2)) as server:
        level = drive(server.url, HEALTHY, rate=20, seconds=0.4, connections=1)
    sent = len(server.asked_at)
    assert sent > 3
    assert level.max_ms is not None
    # All were meant to be sent in the first 0.4 s, and the last was answered after all of the others.
    assert level.max_ms >= 200 * sent - 400
    assert level.errors == 0


def test_refusals_and_failures_are_shares_of_all_requests() -> None:
    with scripted_server(Scripted(429), Scripted(500), Scripted(0), Scripted(200)) as server:
        level = drive(server.url, HEALTHY, rate=40, seconds=0.5)
    sent = len(server.asked_at)
    assert sent > 4
    assert level.rejected == pytest.approx(1 / sent)
    assert level.errors == pytest.approx(2 / sent)
    assert not level.kept_up


def test_a_server_that_is_not_there_answers_nothing() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        level = drive(f"http://127.0.0.1:{closed.getsockname()[1]}", HEALTHY, rate=20, seconds=0.2)
    assert (level.achieved, level.errors, level.p50_ms, level.max_ms) == (0, 1, None, None)


def test_arrivals_are_a_poisson_process_that_repeats_by_its_seed() -> None:
    times = np.array(arrivals(10_000, 200))
    assert len(times) == 10_000
    assert 0 <= times[0] < times[-1] < 200
    gaps = np.diff(times)
    assert gaps.min() >= 0
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert arrivals(10_000, 200) == times.tolist()
    assert arrivals(10_000, 200, seed=1) != times.tolist()


def level(offered: float, achieved: float, *, rejected: float = 0.0, errors: float = 0.0) -> LoadLevel:
    return LoadLevel("PNG", offered, achieved, 1.0, 1.0, 1.0, 1.0, rejected=rejected, errors=errors)


def test_the_knee_is_the_last_rate_before_the_first_that_is_not_kept_up_with() -> None:
    levels = [level(40, 39), level(10, 10), level(20, 19.5), level(80, 60), level(90, 89)]
    assert knee(levels) == levels[0]
    assert knee([level(10, 10), level(20, 20, rejected=0.02)]) == level(10, 10)
    assert knee([level(10, 10, errors=0.02)]) is None
    assert knee([]) is None
