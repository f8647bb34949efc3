"""How an image gets its answer: from the cache, or from the engine through the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.cache.answer_cache import AnswerCache
from service.deadline import Deadline
from service.images.served_image import ServedImage
from service.inference.batcher import Batcher
from service.inference.single_flight import SingleFlight
from service.jobs import Job, Outcome
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import span

A = TypeVar("A", bound=Outcome)


@dataclass(frozen=True)
class Solved(Generic[A]):
    """The engine's answer about an image: where it came from, and what it took, in seconds."""

    outcome: A
    cached: bool
    queue_s: float = 0.0
    inference_s: float = 0.0


class Solver:
    """Answers jobs about images. Belongs to one event loop."""

    def __init__(self, *, cache: AnswerCache, batcher: Batcher, metrics: Metrics) -> None:
        self._cache = cache
        self._flights = SingleFlight(batcher, metrics)
        self._metrics = metrics

    async def solve(self, job: Job[A], images: Sequence[ServedImage], *, deadline: Deadline) -> list[Solved[A]]:
        """The job's answers for the images, from the cache or the engine. Equal images are worked on once, in
        this request and in all that are under way.

        Raises:
            NotReady, QueueFull, EngineFailed, OutOfMemory, DeadlinePassed: as `Batcher.submit` says.
        """
        unique = {image.identity: image for image in images}
        name = type(job).__name__
        with span("cache put", kind="image", images=len(unique)):
            await self._cache.keep_images(unique.values())
        with span("cache get", job=name, images=len(unique)) as looking:
            found = await self._cache.answers(job, list(unique))
            looking.note(hits=len(found))
        solved = {identity: Solved(outcome, cached=True) for identity, outcome in found.items()}
        missing = {identity: image for identity, image in unique.items() if identity not in found}
        self._metrics.cache_hits.labels(name).inc(len(found))
        self._metrics.cache_misses.labels(name).inc(len(missing))
        if missing:
            pixels = {identity: image.pixels for identity, image in missing.items()}
            with self._flights.board(job, pixels, deadline=deadline) as boarded:
                for identity, answer in (await boarded.answers()).items():
                    solved[identity] = Solved(answer.outcome, False, answer.queue_s, answer.inference_s)
                fresh = {identity: solved[identity].outcome for identity in boarded.unkept()}
                with span("cache put", kind="answer", job=name, images=len(fresh)):
                    await self._cache.keep_answers(job, fresh)
        return [solved[image.identity] for image in images]
