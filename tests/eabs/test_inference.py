from dataclasses import replace

import pytest
import torch
from torch import Tensor

from eabs.candidates import Objective
from eabs.inference import EFFORTS, PAPER_SETTINGS, InferenceSettings, LatentInference
from eabs.networks import EABS
from tests.eabs.toy import BruteForce

EXACT = InferenceSettings(steps=150, starts=16, learning_rate=0.05, final_fraction=0.02, posterior="exact")


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

    found = inference.infer(images, replace(EXACT, objective=objective)).scores.double()
    assert (found <= truth(brute_force.within(3.0)) + 1e-3).all()
    # The grid is 0.05 wide, so the true optimum lies a little below the grid's.
    assert (found >= truth(brute_force) - 0.05).all()


def test_scores_distances_latents_and_reconstructions_belong_together(
    toy: EABS, inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    result = inference.infer(images, EXACT)
    torch.testing.assert_close(result.reconstructions, toy.decoders(result.latents), rtol=1e-4, atol=1e-5)
    residuals = (images[:, None] - result.reconstructions).flatten(2)
    torch.testing.assert_close(result.distances, residuals.norm(dim=2))
    penalties = -torch.nn.functional.logsigmoid(toy.discriminator(result.latents))
    torch.testing.assert_close(result.scores, result.distances**2 + penalties, rtol=1e-4, atol=1e-4)


def test_a_variational_score_is_an_expectation_just_above_the_exact_optimum(
    inference: LatentInference, brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    settings = InferenceSettings(steps=200, starts=16, learning_rate=0.05, initial_std=0.1, samples=64)
    found = inference.infer(images, settings).scores.double()
    truth = brute_force.scores(images).amin(2)
    assert (found >= truth - 0.05).all()
    assert (found - truth).median() < 0.2


def test_optimising_lowers_every_score_below_its_start(mnist_inference: LatentInference, mnist_images: Tensor) -> None:
    start = mnist_inference.infer(mnist_images[:8], replace(EXACT, steps=0, starts=1)).scores
    end = mnist_inference.infer(mnist_images[:8], replace(EXACT, steps=10, starts=1)).scores
    assert (end <= start).all()
    assert (end < start - 0.01).float().mean() > 0.9


def test_the_encoders_proposal_is_a_start_where_it_is_better(toy: EABS, toy_images: tuple[Tensor, Tensor]) -> None:
    images, _ = toy_images
    lonely = LatentInference.prepare(toy, beta=1.0, seed=0, candidates=1)
    result = lonely.infer(images, replace(EXACT, steps=0, starts=1))
    mean, _ = toy.encoder(images)
    candidate = lonely.bank.latents[0]
    for latents, proposal in zip(result.latents, mean, strict=True):
        for latent in latents:
            assert torch.equal(latent, proposal) or torch.equal(latent, candidate)
    assert (result.latents == mean[:, None]).all(2).any()


@pytest.mark.parametrize(
    "settings", [EFFORTS["fast"], replace(EXACT, steps=10, starts=2), replace(PAPER_SETTINGS, steps=10)]
)
def test_an_answer_depends_on_neither_neighbours_nor_order_nor_batch_size(
    mnist_inference: LatentInference, mnist_images: Tensor, settings: InferenceSettings
) -> None:
    together = mnist_inference.infer(mnist_images, settings)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(7))
    shuffled = mnist_inference.infer(mnist_images[order], settings)
    torch.testing.assert_close(shuffled.scores, together.scores[order], rtol=1e-4, atol=1e-3)
    for index in (0, 17, 39):
        alone = mnist_inference.infer(mnist_images[index : index + 1], settings)
        torch.testing.assert_close(alone.scores, together.scores[index : index + 1], rtol=1e-4, atol=1e-3)
        assert alone.predictions == together.predictions[index]


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


def test_the_learning_rate_falls_linearly_to_its_final_fraction() -> None:
    settings = InferenceSettings(steps=5, learning_rate=0.2, final_fraction=0.5)
    assert [settings.learning_rate_at(t) for t in range(5)] == pytest.approx([0.2, 0.175, 0.15, 0.125, 0.1])


def test_settings_without_a_start_are_refused() -> None:
    with pytest.raises(ValueError, match="starts: expected a positive count, got 0"):
        InferenceSettings(steps=1, starts=0)


@pytest.mark.cuda
def test_cuda_gives_the_answers_of_the_cpu(mnist_model: EABS, mnist_images: Tensor) -> None:
    on_cpu = LatentInference.prepare(mnist_model, beta=1.0, seed=0, candidates=200)
    expected = on_cpu.infer(mnist_images, EFFORTS["fast"])
    on_cuda = LatentInference.prepare(mnist_model.to("cuda"), beta=1.0, seed=0, candidates=200)
    found = on_cuda.infer(mnist_images, EFFORTS["fast"])
    mnist_model.to("cpu")
    assert torch.equal(found.predictions.cpu(), expected.predictions)
    torch.testing.assert_close(found.scores.cpu(), expected.scores, rtol=1e-2, atol=0.1)
