import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eabs.settings import EFFORTS, PAPER_SETTINGS
from service.cache.answer_cache import AnswerCache
from service.cache.shared import SharedCache
from service.images.served_image import ServedImage
from service.jobs import CertifyExactInference, Classify, Job, Scores
from service.telemetry.metrics import Metrics
from tests.service.cache.samples import image, scores

SCORES = scores()


def kept_for(job: Job[Scores], identity: str, asked: Job[Any], about: str = "image") -> object:
    """What a cache that keeps SCORES for one job and image answers to another."""

    async def run() -> object:
        answers = AnswerCache(max_bytes=100_000, ttl_s=10, metrics=Metrics())
        await answers.keep_answers(job, {identity: SCORES})
        return (await answers.answers(asked, [about])).get(about)

    return asyncio.run(run())


def test_an_answer_belongs_to_its_model_its_settings_and_its_image() -> None:
    kept = Classify("model", EFFORTS["fast"])
    assert kept_for(kept, "image", Classify("model", EFFORTS["fast"])) is SCORES
    assert kept_for(kept, "image", Classify("model", EFFORTS["standard"])) is None
    assert kept_for(kept, "image", Classify("model", PAPER_SETTINGS)) is None
    assert kept_for(kept, "image", Classify("other", EFFORTS["fast"])) is None
    assert kept_for(kept, "image", kept, about="other") is None


def test_an_answer_without_pictures_is_not_taken_for_an_explained_one() -> None:
    job = Classify("model", EFFORTS["fast"])
    assert kept_for(job, "image", replace(job, explain=True)) is None


def test_a_classification_is_not_taken_for_a_certificate() -> None:
    certify = CertifyExactInference("model")
    assert kept_for(Classify("model", certify.settings), "image", certify) is None


def test_an_image_is_kept_by_its_identity() -> None:
    image = ServedImage(np.zeros((1, 2, 2), np.float32), "sha256:0")

    async def run() -> None:
        answers = AnswerCache(max_bytes=100_000, ttl_s=10, metrics=Metrics())
        await answers.keep_images([image])
        assert await answers.image("sha256:0") is image
        assert await answers.image("sha256:1") is None

    asyncio.run(run())


def test_an_answer_that_is_kept_while_the_shared_tier_is_asked_is_found() -> None:
    job = Classify("model", EFFORTS["fast"])

    class Shared(SharedCache):
        def __init__(self) -> None:
            pass

        async def answers(self, job: Job[Any], identities: Sequence[str]) -> dict[str, Any]:
            assert identities == ["a", "b", "c"]
            answers._remember_answers(job, {"b": SCORES})
            return {"a": SCORES}

    answers = AnswerCache(max_bytes=100_000, ttl_s=10, metrics=Metrics(), shared=Shared())
    assert asyncio.run(answers.answers(job, ["a", "b", "c"])) == {"a": SCORES, "b": SCORES}


def test_memory_counts_what_it_held_and_what_not() -> None:
    metrics = Metrics()
    answers = AnswerCache(max_bytes=100_000, ttl_s=10, metrics=metrics)
    job = Classify("model", EFFORTS["fast"])

    async def run() -> None:
        await answers.keep_answers(job, {"a": SCORES})
        await answers.answers(job, ["a", "b", "c"])
        await answers.keep_images([image()])
        await answers.image(image().identity)

    asyncio.run(run())
    for kind, hits, misses in (("answer", 1, 2), ("image", 1, 0)):
        labels = {"tier": "memory", "kind": kind}
        assert metrics.registry.get_sample_value("eabs_cache_tier_hits_total", labels) == hits
        assert metrics.registry.get_sample_value("eabs_cache_tier_misses_total", labels) == misses
