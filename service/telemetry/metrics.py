"""What Prometheus reads: of one server, or of several workers that share a port.

Workers keep their numbers in files of one folder, which each of them reads when it is asked for the metrics of all
(prometheus_client's multi-process mode). There counters and histograms add up by themselves; a gauge names the way
its workers' values become one by its `multiprocess_mode`, which starts with `live`: a dead worker's value goes.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

# When a counter was made is one more series for each, which nobody asks for.
disable_created_metrics()

logger = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REDIS_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 50, 60, 80, 100, 120)
_TYPICALITIES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
_RADII = (0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 5)
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(folder: Path, worker: int) -> None:
    """Keeps the metrics that are made from now on in files of the folder, where the other workers find them.

    A worker that replaces a dead one goes on with its predecessor's files: counters never fall, and however often
    workers are replaced there are no more files.

    Args:
        folder: exists, and is the same for all workers.
        worker: this process's number, which no other living process has.
    """
    os.environ[_FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: worker)


class Metrics:
    """The counters of one server; each has its own registry, so that two servers fit in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        r = self.registry
        ProcessCollector(registry=r)
        GCCollector(registry=r)
        self.requests = Counter(
            "eabs_requests_total", "HTTP requests answered", ["route", "method", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "eabs_request_seconds", "Time to answer an HTTP request", ["route"], buckets=_SECONDS, registry=r
        )
        self.requests_in_flight = Gauge(
            "eabs_requests_in_flight",
            "HTTP requests not answered yet, the one that asks included",
            multiprocess_mode="livesum",
            registry=r,
        )
        self.event_loop_lag_seconds = Histogram(
            "eabs_event_loop_lag_seconds", "How late the event loop runs what is due", buckets=_SECONDS, registry=r
        )
        self.queue_depth = Gauge(
            "eabs_queue_depth", "Images waiting for inference", multiprocess_mode="livesum", registry=r
        )
        self.queue_limit = Gauge(
            "eabs_queue_limit", "Images that may wait for inference", multiprocess_mode="livesum", registry=r
        )
        self.places = Gauge(
            "eabs_places",
            "Batches that can be inferred at the same time, on CPU threads and GPUs",
            multiprocess_mode="livesum",
            registry=r,
        )
        self.places_suspect = Gauge(
            "eabs_places_suspect",
            "Places whose last batch failed and that have not answered a probe since",
            multiprocess_mode="livesum",
            registry=r,
        )
        self.queue_wait_seconds = Histogram(
            "eabs_queue_wait_seconds", "Time an image waited for inference", buckets=_SECONDS, registry=r
        )
        self.batch_size = Histogram(
            "eabs_batch_size", "Images inferred together", ["task"], buckets=_BATCHES, registry=r
        )
        self.inference_seconds = Histogram(
            "eabs_inference_seconds", "Time to infer a batch", ["task"], buckets=_SECONDS, registry=r
        )
        self.optimisation_steps = Histogram(
            "eabs_optimisation_steps",
            "Gradients that latent inference took for an image",
            ["effort"],
            buckets=_STEPS,
            registry=r,
        )
        self.images_optimised = Counter(
            "eabs_images_optimised_total",
            "Images of which latent inference tells whether it converged",
            ["effort"],
            registry=r,
        )
        self.images_converged = Counter(
            "eabs_images_converged_total", "Images for which latent inference converged", ["effort"], registry=r
        )
        self.batch_failures = Counter("eabs_batch_failures_total", "Batches that raised", ["task"], registry=r)
        self.out_of_memory = Counter(
            "eabs_out_of_memory_total", "Batches that the device had no memory for", ["task"], registry=r
        )
        self.single_flight_shared = Counter(
            "eabs_single_flight_shared_total",
            "Answers that a request got from another's computation, under way at the same time",
            ["task"],
            registry=r,
        )
        self.cache_hits = Counter("eabs_cache_hits_total", "Answers found in the cache", ["task"], registry=r)
        self.cache_misses = Counter("eabs_cache_misses_total", "Answers not in the cache", ["task"], registry=r)
        self.cache_tier_hits = Counter(
            "eabs_cache_tier_hits_total", "What a tier of the cache held", ["tier", "kind"], registry=r
        )
        self.cache_tier_misses = Counter(
            "eabs_cache_tier_misses_total", "What a tier was asked for and did not hold", ["tier", "kind"], registry=r
        )
        self.cache_errors = Counter(
            "eabs_cache_errors_total", "What went wrong in a tier, at no request's cost", ["tier", "kind"], registry=r
        )
        self.cache_dropped_writes = Counter(
            "eabs_cache_dropped_writes_total", "Values that did not reach Redis", ["reason"], registry=r
        )
        self.redis_seconds = Histogram(
            "eabs_redis_seconds", "Time of a call to Redis", ["operation"], buckets=_REDIS_SECONDS, registry=r
        )
        self.redis_breaker_open = Gauge(
            "eabs_redis_breaker_open", "1 while Redis is left alone", multiprocess_mode="livemax", registry=r
        )
        self.cache_bytes = Gauge(
            "eabs_cache_bytes", "Memory that the cache holds", multiprocess_mode="livesum", registry=r
        )
        self.rejected = Counter("eabs_rejected_total", "Requests that got no result", ["reason"], registry=r)
        self.images = Counter("eabs_images_classified_total", "Images classified", ["model"], registry=r)
        self.predictions = Counter(
            "eabs_predictions_total", "Images by predicted class, or (rejected)", ["model", "label"], registry=r
        )
        self.out_of_distribution = Counter(
            "eabs_out_of_distribution_total",
            "Images whose typicality was below the model's threshold, rejected or not",
            ["model"],
            registry=r,
        )
        self.typicality = Histogram(
            "eabs_typicality",
            "Typicality of an image for its predicted class",
            ["model", "classifier"],
            buckets=_TYPICALITIES,
            registry=r,
        )
        self.certified_radius = Histogram(
            "eabs_certified_radius",
            "Certified L2 radius over pixels in [0, 1], 0 where nothing is certified",
            ["kind"],
            buckets=_RADII,
            registry=r,
        )
        self.model_info = Gauge(
            "eabs_model_info",
            "1 for a model that is served, 0 for one that was",
            ["name", "version", "digest", "device"],
            multiprocess_mode="livemax",
            registry=r,
        )
        self.model_loads = Counter("eabs_model_loads_total", "Versions loaded", ["model", "outcome"], registry=r)
        self.refresh_failures = Counter(
            "eabs_model_refresh_failures_total", "Times that following the store failed", ["model"], registry=r
        )
        self.device_memory_bytes = Gauge(
            "eabs_device_memory_bytes",
            "Memory that the process takes on a device",
            ["device", "kind"],
            multiprocess_mode="livesum",
            registry=r,
        )
        self.ready = Gauge(
            "eabs_ready", "1 while the server, every worker of it, takes work", multiprocess_mode="livemin", registry=r
        )
        self.worker_restarts = Counter(
            "eabs_worker_restarts_total", "Workers that took the place of one that died", registry=r
        )

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Lets a gauge take its value from `read`, at every `refresh`, so that it can never drift."""
        self._watched.append((gauge, read))

    def refresh(self) -> None:
        """Reads the watched gauges anew, on the thread that owns what they watch. Other workers read them so too:
        each has to refresh its own now and then, scraped or not."""
        for gauge, read in self._watched:
            try:
                gauge.set(read())
            except Exception:
                logger.exception("a gauge could not be read")

    def render(self) -> bytes:
        """All metrics in Prometheus' text format, the other workers' added; reads files where there are any."""
        if _FOLDER_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)
