"""A run's curves, as TensorBoard's own reader sees them."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.curves import Curves


def test_a_run_that_goes_on_replaces_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    with Curves(tmp_path, after=0) as curves:
        for step in (1, 2, 3):
            curves.add("loss", 1.0 / step, step)
    with Curves(tmp_path, after=3) as curves:
        curves.add("loss", 0.25, 3)
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(point.step, point.value) for point in read.Scalars("loss")] == [(1, 1.0), (2, 0.5), (3, 0.25)]
