from benchmarks.classes import time_classes
from tests.small_architectures import SMALL_GREY


def test_efforts_are_timed_at_every_number_of_classes() -> None:
    timings = time_classes(SMALL_GREY, (3, 20), candidates=16, threads=1, batch=2)
    assert [(timing.classes, timing.effort) for timing in timings] == [
        (3, "fast"), (3, "standard"), (20, "fast"), (20, "standard"),
    ]  # fmt: skip
    assert all(1 <= timing.finished <= timing.classes for timing in timings)
    assert timings[2].finished <= 16
