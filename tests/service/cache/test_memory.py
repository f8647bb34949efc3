import asyncio
from dataclasses import replace
from typing import Any

import numpy as np

from eabs.settings import EFFORTS, PAPER_SETTINGS
from service.cache.memory import AnswerCache, LruCache
from service.images.served_image import ServedImage
from service.jobs import CertifyExactInference, Classify, Job, Scores

SCORES = Scores(np.zeros(2, np.float32), np.zeros(2, np.float32), np.zeros(2, bool))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(max_bytes: int = 10_000, clock: Clock | None = None) -> LruCache[str]:
    return LruCache(max_bytes=max_bytes, ttl_s=10, clock=clock or Clock())


def test_what_was_put_is_got() -> None:
    held = cache()
    held.put("key", "value", 5)
    assert held.get("key") == "value"
    assert held.get("other") is None


def test_the_least_recently_used_makes_room() -> None:
    held = cache()
    for key in "abc":
        held.put(key, key, 2000)
    held.get("a")
    held.put("d", "d", 2000)
    assert [key for key in "abcd" if held.get(key)] == ["a", "c", "d"]


def test_it_never_holds_more_bytes_than_allowed() -> None:
    held = cache()
    for index in range(100):
        held.put(index, "x", index * 50)
        assert held.nbytes <= 10_000


def test_a_value_put_twice_counts_once() -> None:
    held = cache()
    held.put("key", "old", 3000)
    before = held.nbytes
    held.put("key", "new", 3000)
    assert held.nbytes == before
    assert held.get("key") == "new"


def test_what_cannot_fit_is_not_held_and_evicts_nothing() -> None:
    held = cache()
    held.put("small", "value", 5)
    held.put("large", "value", 20_000)
    assert held.get("large") is None
    assert held.get("small") == "value"


def test_what_is_too_old_is_forgotten_with_its_bytes() -> None:
    clock = Clock()
    held = cache(clock=clock)
    held.put("key", "value", 5)
    clock.now = 10
    assert held.get("key") is None
    assert (len(held), held.nbytes) == (0, 0)


def test_no_memory_holds_nothing() -> None:
    held = cache(max_bytes=0)
    held.put("key", "value", 0)
    assert held.get("key") is None


def kept_for(job: Job[Scores], identity: str, asked: Job[Any], about: str = "image") -> object:
    """What a cache that keeps SCORES for one job and image answers to another."""

    async def run() -> object:
        answers = AnswerCache(max_bytes=100_000, ttl_s=10)
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
        answers = AnswerCache(max_bytes=100_000, ttl_s=10)
        await answers.keep_images([image])
        assert await answers.image("sha256:0") is image
        assert await answers.image("sha256:1") is None

    asyncio.run(run())
