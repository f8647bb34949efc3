import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from eabs.descent import Descent, Finished, Start
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import QuasiNewtonSettings

LONG = QuasiNewtonSettings(steps=40)


@pytest.fixture(scope="module")
def inference(toy: EABS) -> LatentInference:
    return LatentInference.prepare(toy, beta=1.0, seed=0, candidates=50)


def finish(descent: Descent) -> tuple[dict[int, Tensor], dict[int, Tensor], int]:
    """Scores and upper bounds by ticket, and how many steps it took."""
    scores: dict[int, Tensor] = {}
    upper_bounds: dict[int, Tensor] = {}
    steps = 0
    with torch.inference_mode():
        while len(descent):
            steps += 1
            found = descent.step()
            if found is not None:
                scores |= dict(zip(found.tickets, found.scores, strict=True))
                upper_bounds |= dict(zip(found.tickets, found.upper_bounds, strict=True))
    return scores, upper_bounds, steps


def started(inference: LatentInference, images: Tensor, settings: QuasiNewtonSettings) -> Descent:
    descent = inference.descent(settings)
    with torch.inference_mode():
        descent.admit(images, inference.start(images, settings))
    return descent


def test_without_a_reason_to_end_every_lane_takes_all_its_steps(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    scores, upper_bounds, steps = finish(started(inference, toy_images[0][:5], replace(LONG, steps=7)))
    assert steps == 7
    assert sorted(scores) == [0, 1, 2, 3, 4]
    assert not torch.stack(list(upper_bounds.values())).any()


def test_a_lane_ends_when_little_is_promised(inference: LatentInference, toy_images: tuple[Tensor, Tensor]) -> None:
    images = toy_images[0][:5]
    exact, _, _ = finish(started(inference, images, LONG))
    scores, upper_bounds, steps = finish(started(inference, images, replace(LONG, tolerance=1e-3)))
    assert steps < 40
    assert not torch.stack(list(upper_bounds.values())).any()
    differences = torch.stack([scores[ticket] - exact[ticket] for ticket in range(5)])
    assert differences.median() < 0.01


def test_a_class_that_cannot_win_is_given_up_no_sooner_than_after_its_full_steps(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0][:6]
    settings = replace(LONG, patience=1.0, full_steps=3)
    descent = started(inference, images, settings)
    with torch.inference_mode():
        for _ in range(2):
            assert descent.step() is None
    _, upper_bounds, _ = finish(descent)
    given_up = torch.stack([upper_bounds[ticket] for ticket in range(6)])
    assert given_up.any()
    assert not given_up.all(1).any()


def test_boundless_patience_changes_no_prediction_and_gives_nothing_up(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0]
    every = inference.infer(images, LONG)
    patient = inference.infer(images, replace(LONG, tolerance=1e-6, patience=1e9))
    assert torch.equal(patient.predictions, every.predictions)
    assert not patient.upper_bounds.any()
    hasty = inference.infer(images, replace(LONG, patience=4.0))
    assert hasty.upper_bounds.any()
    assert (hasty.scores >= every.scores - 0.1).all()


def test_a_class_that_is_not_chosen_keeps_its_bound(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    image = toy_images[0][:1]
    with torch.inference_mode():
        start = inference.start(image, LONG)
        chosen = torch.tensor([[[True, False, True]]])
        descent = inference.descent(LONG)
        descent.admit(image, Start(start.latents, start.bounds, chosen))
    scores, upper_bounds, _ = finish(descent)
    assert upper_bounds[0].tolist() == [False, True, False]
    assert scores[0][1] == start.bounds[0, 0, 1]


def test_the_best_of_several_starts_answers(inference: LatentInference, toy_images: tuple[Tensor, Tensor]) -> None:
    images = toy_images[0][:4]
    many = inference.infer(images, replace(LONG, starts=6, start_patience=math.inf))
    one = inference.infer(images, LONG)
    assert (many.scores <= one.scores + 1e-3).all()
    pruned = inference.infer(images, replace(LONG, starts=6))
    assert (pruned.scores - many.scores).median() < 0.01


def test_images_that_join_later_get_the_answers_of_those_that_were_there_first(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0][:6]
    settings = replace(LONG, tolerance=1e-4, patience=4.0)
    together, _, _ = finish(started(inference, images, settings))
    found: list[Finished] = []
    descent = inference.descent(settings)
    with torch.inference_mode():
        for image in images.split(1):
            descent.admit(image, inference.start(image, settings))
            for _ in range(3):
                if len(descent) and (finished := descent.step()) is not None:
                    found.append(finished)
    rest, _, _ = finish(descent)
    joined = rest | {ticket: scores for f in found for ticket, scores in zip(f.tickets, f.scores, strict=True)}
    assert sorted(joined) == list(range(6))
    for ticket in range(6):
        assert torch.equal(joined[ticket], together[ticket])


def test_an_image_takes_as_many_steps_as_it_was_there_for(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    first, second = toy_images[0][:2].split(1)
    settings = replace(LONG, steps=5)
    descent = started(inference, first, settings)
    taken: dict[int, int] = {}
    with torch.inference_mode():
        descent.step()
        descent.step()
        descent.admit(second, inference.start(second, settings))
        while len(descent):
            if (found := descent.step()) is not None:
                taken |= dict(zip(found.tickets, found.steps.tolist(), strict=True))
    assert taken == {0: 5, 1: 5}


def test_an_image_has_converged_where_no_class_ran_out_of_steps(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0]
    settings = replace(LONG, tolerance=1e-3)
    ended = inference.infer(images, settings)
    assert ended.converged.tolist() == (ended.steps < settings.steps).tolist()
    assert not inference.infer(images, replace(settings, steps=1)).converged.any()


def test_a_class_that_could_not_win_any_more_does_not_keep_its_image_from_converging(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0]
    complete = inference.infer(images, replace(LONG, steps=6, tolerance=1e-3))
    patient = inference.infer(images, replace(LONG, steps=6, tolerance=1e-3, patience=2.0))
    gained = patient.converged & ~complete.converged
    assert gained.any()
    assert patient.upper_bounds[gained].any(1).all()
