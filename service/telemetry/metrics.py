"""What Prometheus reads from one server."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The counters of one server; each has its own registry, so that two servers fit in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "eabs_requests_total", "HTTP requests answered", ["route", "method", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "eabs_request_seconds", "Time to answer an HTTP request", ["route"], buckets=_SECONDS, registry=r
        )
        self.queue_depth = Gauge("eabs_queue_depth", "Images waiting for inference", registry=r)
        self.queue_wait_seconds = Histogram(
            "eabs_queue_wait_seconds", "Time an image waited for inference", buckets=_SECONDS, registry=r
        )
        self.batch_size = Histogram(
            "eabs_batch_size", "Images inferred together", ["job"], buckets=_BATCHES, registry=r
        )
        self.inference_seconds = Histogram(
            "eabs_inference_seconds", "Time to infer a batch", ["job"], buckets=_SECONDS, registry=r
        )
        self.batch_failures = Counter("eabs_batch_failures_total", "Batches that raised", ["job"], registry=r)
        self.cache_hits = Counter("eabs_cache_hits_total", "Answers found in the cache", ["job"], registry=r)
        self.cache_misses = Counter("eabs_cache_misses_total", "Answers not in the cache", ["job"], registry=r)
        self.cache_bytes = Gauge("eabs_cache_bytes", "Memory that the cache holds", registry=r)
        self.rejected = Counter("eabs_rejected_total", "Requests that got no result", ["reason"], registry=r)
        self.images = Counter("eabs_images_classified_total", "Images classified", ["model"], registry=r)
        self.predictions = Counter(
            "eabs_predictions_total", "Images by predicted class", ["model", "label"], registry=r
        )
        self.model_info = Gauge(
            "eabs_model_info", "Models in memory, always 1", ["name", "version", "digest", "device"], registry=r
        )
        self.ready = Gauge("eabs_ready", "1 while the server takes work", registry=r)

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Lets a gauge read its value when it is scraped, so that it can never drift."""
        gauge.set_function(read)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
