from collections.abc import Iterator

import pytest

from benchmarks.pressure import PROBES, Pressure, measure_pressure, push, random_pictures
from service.settings import Settings
from tests.service.conftest import settings, slow_settings, slow_store_root, store_root  # noqa: F401 -- fixtures
from tests.service.running_server import RunningServer

SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def small(slow_settings: Settings) -> Iterator[RunningServer]:  # noqa: F811 -- the fixture
    changes = {"max_queue": 4, "max_images": 4, "cache_bytes": 0}
    with RunningServer(slow_settings.model_copy(update=changes)) as running:
        yield running


def test_a_crowd_is_answered_or_refused_and_counted(small: RunningServer) -> None:
    pressure = Pressure(seconds=1.0, clients=6, images=2, pause_s=0.01)
    result = push(small.url, pressure, random_pictures(24, SHAPE))
    assert set(result.statuses) == {200, 429}
    assert len(result.latencies) == result.statuses[200]
    assert min(result.latencies) > 0


def test_the_probes_are_asked_while_the_crowd_pushes(small: RunningServer) -> None:
    pressure = Pressure(seconds=0.5, clients=2, images=1)
    report = measure_pressure(small.url, pressure, shape=SHAPE, warm_up_s=0.1)
    assert report.images_per_s > 0
    assert set(report.probes) == set(PROBES)
    assert all(latencies for latencies in report.probes.values())


def test_its_pictures_are_all_different_and_the_same_every_time() -> None:
    pictures = random_pictures(20, (3, 32, 32))
    assert len(set(pictures)) == 20
    assert pictures == random_pictures(20, (3, 32, 32))
