from benchmarks.decoder_layouts import time_layouts
from eabs.architecture import PRESETS


def test_every_layout_and_the_product_are_timed() -> None:
    timings = time_layouts(PRESETS["mnist"], batch=2)
    assert len({timing.layout for timing in timings}) == 5
    assert all(timing.forward_ms > 0 and timing.backward_ms > 0 for timing in timings)
