import json
import subprocess
import sys
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import EFFORTS, QuasiNewtonSettings
from service.cache.keys import answer_keys, canonical, image_key
from service.jobs import Bounds, CertifySmoothing, Classify, ClassifyByPrototypes, Job, Outcome, Scores, answer_class
from tests.service.cache.samples import JOBS, image, scores

IMAGE = image().identity


def key_of(job: Job[Any], identity: str = IMAGE) -> str:
    return answer_keys(job, [identity])[identity]


def concrete(kind: type[Any]) -> set[type[Any]]:
    """The classes below one that can be made, of the service alone."""
    below = {found for child in kind.__subclasses__() for found in concrete(child)}
    own = set() if getattr(kind, "__abstractmethods__", None) or kind is Outcome else {kind}
    return {found for found in below | own if found.__module__.startswith("service.")}


def changed(value: Any) -> Any:
    """A value that differs."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value / 2 if isinstance(value, float) and 0 < value < float("inf") else value + 1 if value < 1e9 else 2.5
    return 1 if value is None else f"{value}, another"


def variants(value: Any) -> list[tuple[str, Any]]:
    """A dataclass with each of its fields changed, those of the dataclasses in it too, and the field's name."""
    found = []
    for each in fields(value):
        content = getattr(value, each.name)
        inner = variants(content) if is_dataclass(content) else [("", changed(content))]
        for name, other in inner:
            found.append((f"{each.name}.{name}".strip("."), replace(value, **{each.name: other})))
    return found


def test_every_class_of_job_is_among_the_samples() -> None:
    assert concrete(Job) == {type(job) for job in JOBS}


def test_every_class_of_outcome_can_be_kept() -> None:
    assert concrete(Outcome) == {Scores, Bounds} == {answer_class(job) for job in JOBS}


CASES = [(job, name, other) for job in JOBS for name, other in variants(job)]


@pytest.mark.parametrize(
    ("job", "other"), [(job, other) for job, _, other in CASES], ids=[f"{type(j).__name__}-{n}" for j, n, _ in CASES]
)
def test_a_job_that_differs_in_one_field_has_another_key(job: Job[Any], other: Job[Any]) -> None:
    assert job != other
    assert key_of(job) != key_of(other)


def test_no_two_jobs_images_or_models_share_a_key() -> None:
    jobs = set(JOBS) | {other for _, _, other in CASES}
    keys = {key for job in jobs for key in answer_keys(job, [IMAGE, image(1).identity]).values()}
    assert len(keys) == 2 * len(jobs)


def test_a_key_is_namespaced_versioned_and_holds_a_whole_digest() -> None:
    prefix, version, kind, digest = key_of(JOBS[0]).split(":")
    assert (prefix, version, kind, len(digest)) == ("eabs", "1", "answer", 64)
    assert image_key(IMAGE) == "eabs:1:image:" + IMAGE.removeprefix("sha256:")


@pytest.mark.parametrize("wrong", ["", "sha256:", "sha256:" + "A" * 64, IMAGE + "0", IMAGE + "\n", "md5:" + "0" * 64])
def test_what_is_no_identity_has_no_key(wrong: str) -> None:
    assert image_key(wrong) is None


def test_equal_jobs_have_equal_keys() -> None:
    fast = EFFORTS["fast"]
    assert key_of(Classify("model", fast)) == key_of(Classify("model", replace(fast)))
    assert QuasiNewtonSettings(steps=6, tolerance=0) == QuasiNewtonSettings(steps=6, tolerance=-0.0)
    keys = {key_of(Classify("model", QuasiNewtonSettings(steps=6, tolerance=zero))) for zero in (0, 0.0, -0.0)}
    assert len(keys) == 1


def test_another_process_makes_the_same_keys() -> None:
    script = (
        "from service.cache.keys import answer_keys\n"
        "from tests.service.cache.samples import JOBS\n"
        "for job in JOBS: print(*answer_keys(job, ['image']).values())"
    )
    command = [sys.executable, "-c", script]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"})
    assert printed.stdout.split() == [key_of(job, "image") for job in JOBS]


@dataclass(frozen=True)
class Before:
    steps: int = 1


def test_a_field_that_is_added_changes_the_key_even_with_a_default() -> None:
    after = make_dataclass("Before", [("steps", int, 1), ("more", int, 0)], frozen=True)
    after.__module__, after.__qualname__ = Before.__module__, Before.__qualname__
    assert canonical(after()) != canonical(Before())


def test_a_field_that_does_not_count_in_comparisons_does_not_count_in_the_key() -> None:
    @dataclass(frozen=True)
    class Noted:
        steps: int
        note: str = field(default="", compare=False)

    assert canonical(Noted(1, "one")) == canonical(Noted(1, "other"))
    assert canonical(Noted(1)) != canonical(Noted(2))


def test_a_field_without_a_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="got ndarray"):
        canonical(scores())
    with pytest.raises(TypeError, match="got set"):
        canonical({1})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


@given(plain, plain)
def test_canonical_forms_are_equal_exactly_where_the_values_are(one: object, other: object) -> None:
    written = [json.dumps(canonical(value)) for value in (one, other)]
    assert (written[0] == written[1]) is (one == other)


sigmas = st.floats(0.01, 4.0)
seeds = st.integers(0, 2**32 - 1)


@given(sigmas, seeds, sigmas, seeds)
def test_jobs_share_a_key_exactly_where_they_are_equal(sigma: float, seed: int, sigma2: float, seed2: int) -> None:
    one = CertifySmoothing("model", SmoothingSettings(sigma=sigma, seed=seed), "latent")
    other = CertifySmoothing("model", SmoothingSettings(sigma=sigma2, seed=seed2), "latent")
    assert (key_of(one) == key_of(other)) is (one == other)


@given(st.text(), st.text(), st.text(), st.text())
def test_a_models_name_and_an_images_cannot_run_into_each_other(
    model: str, identity: str, model2: str, identity2: str
) -> None:
    same = (model, identity) == (model2, identity2)
    keys = [key_of(ClassifyByPrototypes(name), image) for name, image in ((model, identity), (model2, identity2))]
    assert (keys[0] == keys[1]) is same
