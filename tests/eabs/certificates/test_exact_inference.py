import pytest
import torch
from torch import Tensor

from eabs.certificates.exact_inference import certify_exact_inference, rival_bounds
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import EFFORTS, QuasiNewtonSettings
from tests.eabs.toy import BruteForce


def brute_force_radii(brute_force: BruteForce, images: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions and radii by (7), with both minima taken over every latent of the grid."""
    scores, distances = brute_force.scores(images), brute_force.distances(images)
    best = scores.amin(2)
    predictions = best.argmin(1)
    own = predictions[:, None]
    at_optimum = scores.argmin(2, keepdim=True)
    own_distances = distances.gather(2, at_optimum).squeeze(2).gather(1, own).squeeze(1)
    own_scores = best.gather(1, own).squeeze(1)
    bounds = rival_bounds(own_scores, own_distances, distances.amin(2), predictions)
    return predictions, bounds.amin(1).clamp_min(0)


def test_bounds_are_equation_7() -> None:
    bounds = rival_bounds(torch.tensor([3.0]), torch.tensor([1.5]), torch.tensor([[1.6, 4.0, 1.0]]), torch.tensor([0]))
    assert bounds[0, 0] == torch.inf
    assert bounds[0, 1] == pytest.approx((16 - 3) / (8 + 3))
    assert bounds[0, 2] == pytest.approx((1 - 3) / (2 + 3))


def test_bounds_meet_where_the_proofs_two_claims_meet() -> None:
    score, own, rival = 2.0, 1.2, 5.0
    bounds = rival_bounds(torch.tensor([score]), torch.tensor([own]), torch.tensor([[0.0, rival]]), torch.tensor([0]))
    e = bounds[0, 1].item()
    assert (rival - e) ** 2 == pytest.approx(score + 2 * e * own + e**2, rel=1e-5)


def test_optimised_radii_agree_with_brute_force(
    toy: EABS, brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    inference = LatentInference.prepare(toy, beta=1.0, seed=0, candidates=100)
    settings = QuasiNewtonSettings(steps=100, starts=16)
    certificate = certify_exact_inference(inference, images, settings)
    predictions, radii = brute_force_radii(brute_force, images)
    assert torch.equal(certificate.predictions, predictions)
    torch.testing.assert_close(certificate.radii.double(), radii, rtol=0, atol=0.01)
    assert (radii > 0.05).float().mean() > 0.5, "the toy certifies too little to test anything"


def test_no_perturbation_found_by_search_inside_the_radius_flips_the_prediction(
    brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    predictions, radii = brute_force_radii(brute_force, images)
    generator = torch.Generator().manual_seed(8)
    tried = 0
    for x, y, radius in list(zip(images, predictions, radii, strict=True))[:9]:
        if radius == 0:
            continue
        own = brute_force.images[y, brute_force.scores(x[None])[0, y].argmin()]
        nearest_latents = brute_force.distances(x[None])[0].argmin(1)
        nearest = [brute_force.images[k, nearest_latents[k]] for k in range(3) if k != y]
        # The proof's worst cases are away from the own re-creation and towards a rival's; then at random.
        directions = [n - x.flatten() for n in nearest] + [n - own for n in nearest] + [x.flatten() - own]
        directions += list(torch.randn(10, x.numel(), generator=generator))
        steps = torch.stack([d / d.norm() for d in directions])
        attacked = x + 0.999 * radius * steps.view(-1, *x.shape)
        scores = brute_force.scores(attacked)
        # Then follow the gradient of the margin (8), projected to the sphere, from every one of them.
        for _ in range(3):
            margins, best = scores.min(2)
            rival = margins.scatter(1, y.expand(len(margins), 1), torch.inf).argmin(1)
            lanes = torch.arange(len(attacked))
            pull = brute_force.images[rival, best[lanes, rival]] - brute_force.images[y, best[:, y]]
            moved = (attacked - x).flatten(1) + pull
            attacked = x + 0.999 * radius * (moved / moved.norm(dim=1, keepdim=True)).view(-1, *x.shape)
            scores = brute_force.scores(attacked)
            assert (scores.amin(2).argmin(1) == y).all()
            tried += len(attacked)
    assert tried > 300


def test_the_same_search_does_flip_predictions_at_a_few_times_the_radius(
    brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    images, _ = toy_images
    predictions, radii = brute_force_radii(brute_force, images)
    rows = torch.arange(len(images))
    distances = brute_force.distances(images)
    distances[rows, predictions] = torch.inf
    rivals, latents = distances.amin(2).argmin(1), distances.argmin(2)
    nearest = brute_force.images[rivals, latents[rows, rivals]].view(images.shape)
    steps = nearest - images
    norms = steps.flatten(1).norm(dim=1).double()
    attacked = images + (4 * radii / norms).float().view(-1, 1, 1, 1) * steps
    flipped = int((brute_force.scores(attacked).amin(2).argmin(1) != predictions).sum())
    assert flipped > len(images) / 3


def test_inference_that_gives_classes_up_certifies_nothing(toy: EABS) -> None:
    inference = LatentInference.prepare(toy, beta=1.0, seed=0, candidates=10)
    with pytest.raises(ValueError, match="expected every class to be optimised"):
        certify_exact_inference(inference, torch.zeros(1, 1, 8, 8), EFFORTS["standard"])


def test_a_rival_that_is_nearer_makes_the_radius_zero() -> None:
    bounds = rival_bounds(torch.tensor([9.0]), torch.tensor([3.0]), torch.tensor([[3.0, 2.0]]), torch.tensor([0]))
    assert bounds.amin(1) < 0
    assert bounds.amin(1).clamp_min(0) == 0
