from dataclasses import replace

import pytest
import torch
from torch import Tensor

from eabs.candidates import Objective
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.preparation import Preparation
from eabs.settings import EFFORTS, PAPER_SETTINGS, AdamSettings, InferenceSettings, QuasiNewtonSettings
from tests.eabs.toy import BruteForce

LONG = QuasiNewtonSettings(steps=100, starts=16)


@pytest.fixture(scope="module")
def inference(toy: EABS) -> LatentInference:
    return LatentInference.prepare(toy, beta=1.0, seed=0, candidates=100)


@pytest.fixture(scope="module")
def mnist_inference(mnist_model: EABS) -> LatentInference:
    return LatentInference.prepare(mnist_model, beta=1.0, seed=0, candidates=200)


@pytest.fixture(scope="module")
def mnist_images(mnist_model: EABS) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    decoded = mnist_model.decoders(torch.randn(40, 10, generator=generator))[:, 4]
    return (decoded + 0.1 * torch.randn(decoded.shape, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("objective", ["score", "distance"])
def test_exact_inference_finds_the_best_latent_that_the_prior_can_draw(
    inference: LatentInference,
    brute_force: BruteForce,
    toy_images: tuple[Tensor, Tensor],
    objective: Objective,
) -> None:
    images, _ = toy_images

    def truth(search: BruteForce) -> Tensor:
        found = search.scores(images) if objective == "score" else search.distances(images).square()
        return found.amin(2)

    found = inference.infer(images, replace(LONG, objective=objective)).scores.double()
    assert (found <= truth(brute_force.within(3.0)) + 1e-3).all()
    # The grid is 0.05 wide, so the true optimum lies a little below the grid's.
    assert (found >= truth(brute_force) - 0.05).all()


def test_scores_distances_latents_and_reconstructions_belong_together(
    toy: EABS, inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    result = inference.infer(images, LONG)
    reconstructions = inference.reconstruct(result.latents)
    torch.testing.assert_close(reconstructions, toy.decoders(result.latents), rtol=1e-4, atol=1e-5)
    residuals = (images[:, None] - reconstructions).flatten(2)
    torch.testing.assert_close(result.distances, residuals.norm(dim=2), rtol=1e-4, atol=1e-4)
    penalties = -torch.nn.functional.logsigmoid(toy.discriminator(result.latents))
    torch.testing.assert_close(result.scores, result.distances**2 + penalties, rtol=1e-4, atol=1e-4)


def test_a_variational_score_is_an_expectation_just_above_the_exact_optimum(
    inference: LatentInference, brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    settings = AdamSettings(steps=200, starts=16, initial_std=0.1, samples=64)
    found = inference.infer(images, settings).scores.double()
    truth = brute_force.scores(images).amin(2)
    assert (found >= truth - 0.05).all()
    assert (found - truth).median() < 0.2


def test_threads_change_no_answer(mnist_model: EABS, mnist_inference: LatentInference, mnist_images: Tensor) -> None:
    preparation = Preparation(mnist_inference.bank, mnist_inference.metric)
    threaded = LatentInference(mnist_model, preparation, beta=1.0, seed=0, threads=2)
    expected = mnist_inference.infer(mnist_images, EFFORTS["fast"])
    found = threaded.infer(mnist_images, EFFORTS["fast"])
    assert torch.equal(found.scores, expected.scores)
    assert torch.equal(found.latents, expected.latents)
    assert torch.equal(threaded.reconstruct(found.latents), mnist_inference.reconstruct(found.latents))


def test_a_class_that_is_given_up_keeps_a_score_that_is_an_upper_bound(
    mnist_inference: LatentInference, mnist_images: Tensor
) -> None:
    everything = mnist_inference.infer(mnist_images, QuasiNewtonSettings(steps=20))
    settings = QuasiNewtonSettings(steps=20, shortlist=1.5, finalists=5, patience=4.0)
    found = mnist_inference.infer(mnist_images, settings)
    assert not everything.upper_bounds.any()
    assert (found.upper_bounds.sum(1) >= 5).all()
    assert not found.upper_bounds.gather(1, found.predictions[:, None]).any()
    reconstructions = mnist_inference.reconstruct(found.latents)
    costs = (reconstructions - mnist_images[:, None]).square().flatten(2).sum(2)
    true = costs + mnist_inference.penalty.penalty(found.latents, torch.arange(10))
    assert (true <= found.scores + 1e-3).all()
    torch.testing.assert_close(true[~found.upper_bounds], found.scores[~found.upper_bounds], rtol=1e-4, atol=1e-3)


def test_optimising_lowers_every_score_below_its_start(mnist_inference: LatentInference, mnist_images: Tensor) -> None:
    start = mnist_inference.infer(mnist_images[:8], replace(LONG, steps=1, starts=1)).scores
    end = mnist_inference.infer(mnist_images[:8], replace(LONG, steps=10, starts=1)).scores
    assert (end <= start).all()
    assert (end < start - 0.01).float().mean() > 0.9


def test_the_encoders_proposal_is_a_start_where_it_is_better(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, _ = toy_images
    lonely = LatentInference.prepare(toy, beta=1.0, seed=0, candidates=1)
    result = lonely.infer(images, replace(LONG, steps=1, starts=1))
    mean, _ = toy.encoder(images)
    candidate = lonely.bank.latents[0]
    for latents, proposal in zip(result.latents, mean, strict=True):
        for latent in latents:
            assert torch.equal(latent, proposal) or torch.equal(latent, candidate)
    assert (result.latents == mean[:, None]).all(2).any()


@pytest.mark.parametrize(
    "settings", [EFFORTS["fast"], QuasiNewtonSettings(steps=20, starts=2), replace(PAPER_SETTINGS, steps=10)]
)
def test_an_answer_depends_on_neither_neighbours_nor_order_nor_batch_size(
    mnist_inference: LatentInference, mnist_images: Tensor, settings: InferenceSettings
) -> None:
    together = mnist_inference.infer(mnist_images, settings)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(7))
    shuffled = mnist_inference.infer(mnist_images[order], settings)
    some = order[:10]
    alone = torch.cat([mnist_inference.infer(mnist_images[index, None], settings).scores for index in some])
    assert torch.equal(shuffled.scores, together.scores[order])
    assert torch.equal(alone, together.scores[some])


def test_equal_input_gives_bitwise_equal_output(mnist_inference: LatentInference, mnist_images: Tensor) -> None:
    twice = mnist_images[:1].expand(2, -1, -1, -1)
    first = mnist_inference.infer(twice, EFFORTS["fast"])
    assert torch.equal(first.scores[0], first.scores[1])
    assert torch.equal(first.scores, mnist_inference.infer(twice, EFFORTS["fast"]).scores)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 1, 27, 28), r"expected \(B, \(1, 28, 28\)\), got \(1, 1, 27, 28\)"),
        (torch.zeros(1, 28, 28), "got"),
        (torch.zeros(0, 1, 28, 28), "got"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.float64), "expected float32, got torch.float64"),
    ],
)
def test_images_of_another_shape_or_type_are_refused(
    mnist_inference: LatentInference, images: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mnist_inference.infer(images, EFFORTS["fast"])


@pytest.mark.cuda
def test_cuda_gives_the_answers_of_the_cpu(mnist_model: EABS, mnist_images: Tensor) -> None:
    on_cpu = LatentInference.prepare(mnist_model, beta=1.0, seed=0, candidates=200)
    expected = on_cpu.infer(mnist_images, EFFORTS["fast"])
    on_cuda = LatentInference.prepare(mnist_model.to("cuda"), beta=1.0, seed=0, candidates=200)
    found = on_cuda.infer(mnist_images, EFFORTS["fast"])
    mnist_model.to("cpu")
    assert torch.equal(found.predictions.cpu(), expected.predictions)
    torch.testing.assert_close(found.scores.cpu(), expected.scores, rtol=1e-2, atol=0.1)


def test_another_seed_changes_the_noise_and_nothing_that_is_not_random(
    inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    other = inference.reseeded(7)
    assert torch.equal(other.infer(images, EFFORTS["fast"]).scores, inference.infer(images, EFFORTS["fast"]).scores)
    noisy = AdamSettings(steps=3)
    assert not torch.equal(other.infer(images, noisy).scores, inference.infer(images, noisy).scores)
    assert torch.equal(inference.reseeded(0).infer(images, noisy).scores, inference.infer(images, noisy).scores)
