"""Numbers of one process, and numbers of several that are read as one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Gauge
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry.metrics import Metrics

WORKER = """
import sys
from pathlib import Path
from service.telemetry.metrics import Metrics, share_metrics
share_metrics(Path(sys.argv[1]), int(sys.argv[2]))
metrics = Metrics()
exec(sys.argv[3])
metrics.refresh()
sys.stdout.write(metrics.render().decode())
"""


def worker(folder: Path, number: int, code: str = "") -> dict[str, float]:
    """What /metrics says in a worker of its own process that has run the code and ends."""
    command = [sys.executable, "-c", WORKER, str(folder), str(number), code]
    return samples(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def samples(text: str) -> dict[str, float]:
    """Values by `name{label="value",...}`."""
    return {
        sample.name + "{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_watched_gauge_says_what_was_true_at_the_last_refresh() -> None:
    metrics, waiting = Metrics(), [1, 2, 3]
    metrics.watch(metrics.queue_depth, lambda: len(waiting))
    metrics.refresh()
    waiting.clear()
    assert samples(metrics.render().decode())["eabs_queue_depth{}"] == 3
    metrics.refresh()
    assert samples(metrics.render().decode())["eabs_queue_depth{}"] == 0


def test_a_gauge_that_cannot_be_read_spares_the_others(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    metrics.watch(metrics.queue_depth, lambda: 1 / 0)
    metrics.watch(metrics.ready, lambda: 1.0)
    metrics.refresh()
    assert samples(metrics.render().decode())["eabs_ready{}"] == 1
    assert "a gauge could not be read" in caplog.text


def test_two_servers_in_one_process_keep_their_numbers_apart() -> None:
    one, other = Metrics(), Metrics()
    one.images.labels("mnist").inc(5)
    assert "eabs_images_classified_total{model=mnist}" not in samples(other.render().decode())


def test_every_gauge_says_how_the_values_of_workers_become_one_and_ends_with_its_worker() -> None:
    gauges = [value for value in vars(Metrics()).values() if isinstance(value, Gauge)]
    assert gauges
    for gauge in gauges:
        mode = gauge._multiprocess_mode
        assert mode in ("livesum", "livemin", "livemax"), f"{gauge._name} has multiprocess_mode={mode!r}"


def test_the_numbers_of_workers_add_up(tmp_path: Path) -> None:
    classified = "metrics.images.labels('mnist').inc({0}); metrics.batch_size.labels('Classify').observe({0})"
    worker(tmp_path, 0, classified.format(3))
    seen = worker(tmp_path, 1, classified.format(4))
    assert seen["eabs_images_classified_total{model=mnist}"] == 7
    assert seen["eabs_batch_size_count{task=Classify}"] == 2
    assert seen["eabs_batch_size_sum{task=Classify}"] == 7
    assert seen["eabs_batch_size_bucket{le=4.0,task=Classify}"] == 2
    assert seen["eabs_batch_size_bucket{le=2.0,task=Classify}"] == 0


def test_gauges_of_workers_become_one(tmp_path: Path) -> None:
    gauges = "metrics.watch(metrics.queue_depth, lambda: {0}); metrics.watch(metrics.ready, lambda: {1})"
    model = "; metrics.model_info.labels('mnist', '1', 'sha256:0', 'cpu').set(1)"
    worker(tmp_path, 0, gauges.format(3, 0) + model)
    seen = worker(tmp_path, 1, gauges.format(4, 1) + model)
    assert seen["eabs_queue_depth{}"] == 7
    assert seen["eabs_ready{}"] == 0
    assert seen["eabs_model_info{device=cpu,digest=sha256:0,name=mnist,version=1}"] == 1


def test_what_a_dead_worker_counted_stays_and_what_it_held_goes(tmp_path: Path) -> None:
    both = "metrics.images.labels('mnist').inc({0}); metrics.watch(metrics.queue_depth, lambda: {0})"
    worker(tmp_path, 0, both.format(3))
    worker(tmp_path, 1, both.format(4))
    mark_process_dead(0, tmp_path)
    seen = worker(tmp_path, 1)
    assert seen["eabs_images_classified_total{model=mnist}"] == 7
    assert seen["eabs_queue_depth{}"] == 4


def test_a_replaced_worker_counts_on_in_the_files_of_its_predecessor(tmp_path: Path) -> None:
    counting = "metrics.images.labels('mnist').inc()"
    worker(tmp_path, 0, counting)
    files = sorted(tmp_path.iterdir())
    assert worker(tmp_path, 0, counting)["eabs_images_classified_total{model=mnist}"] == 2
    assert sorted(tmp_path.iterdir()) == files


def test_names_follow_prometheus_conventions() -> None:
    families = list(Metrics().registry.collect())
    for family in families:
        exposed = f"{family.name}_total" if family.type == "counter" else family.name
        assert re.fullmatch(r"(eabs|process|python)(_[a-z]+)+", exposed)
        assert family.documentation
        assert not re.search(r"_(total|count|sum|bucket)(_|$)", family.name), family.name
        assert not re.search(r"_(ms|millis\w+|minutes|kb|mb|percent)$", family.name), family.name


def test_a_metric_is_one_series_a_label_and_not_one_more_for_its_birth() -> None:
    metrics = Metrics()
    metrics.images.labels("mnist").inc()
    assert "_created" not in metrics.render().decode()
