from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import ABSTAIN, SmoothingSettings
from eabs.inference import LatentInference
from eabs.settings import EFFORTS
from tests.eabs.toy import TOY, random_model
from tests.training.attacks.toy_bank import CLASSES, toy_bank, toy_images, toy_pixels
from training.attacks.attack import Attack
from training.attacks.ball import Ball
from training.attacks.certified import (
    CertifiedClassifier,
    certified_by_bank,
    certified_by_exact_inference,
    certified_by_smoothing,
)
from training.attacks.classifiers import PrototypeLogits
from training.attacks.ddn import DDN
from training.attacks.pgd import PGD
from training.attacks.rival import Rival
from training.attacks.standard import standard_attacks
from training.falsification import falsify

GRADIENTS: dict[str, Attack] = {"pgd": PGD(steps=20, restarts=1), "ddn": DDN(), "rival": Rival()}


def claiming(classifier: CertifiedClassifier, factors: Tensor) -> CertifiedClassifier:
    """The same, but with radii that are multiplied by factors (N,)."""

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, radii = classifier.certify(images)
        return predictions, radii * factors

    return replace(classifier, certify=certify)


def answering(answer: int) -> Callable[[Tensor], Tensor]:
    return lambda images: torch.full((len(images),), answer)


def test_no_attack_breaks_a_bank_certificate() -> None:
    bank, pixels = toy_bank(), toy_pixels(40)
    found = falsify(certified_by_bank(bank), pixels, standard_attacks(toy_images(40)))
    radii = certify_finite_bank(bank, toy_images(40)).radii
    assert {name: outcome.broken for name, outcome in found.attacks.items()} == dict.fromkeys(
        ("pgd", "ddn", "hop-skip-jump", "gaussian", "rival"), 0
    )
    assert not found.is_refuted
    assert (found.images, found.certified) == (40, int((radii > 0).sum()))
    assert all(outcome.tried == found.certified for outcome in found.attacks.values())
    assert found.mean_radius == pytest.approx(radii[radii > 0].mean().item())
    assert found.median_radius == pytest.approx(radii[radii > 0].median().item())


def test_beyond_the_radius_every_attack_breaks_it_and_refutes_nothing() -> None:
    found = falsify(certified_by_bank(toy_bank()), toy_pixels(24), standard_attacks(toy_images(24)), share=3.0)
    assert all(outcome.broken > 0 for outcome in found.attacks.values()), found
    assert not found.is_refuted


def test_a_certifier_that_claims_too_much_is_refuted_image_by_image() -> None:
    factors = torch.ones(24, dtype=torch.float64)
    factors[[3, 17]] = 3
    found = falsify(claiming(certified_by_bank(toy_bank()), factors), toy_pixels(24), GRADIENTS)
    assert [outcome.broken_images for outcome in found.attacks.values()] == [[3, 17]] * 3
    assert found.is_refuted


def test_a_broken_image_is_named_by_its_place_among_all() -> None:
    factors = torch.zeros(40, dtype=torch.float64)
    factors[[5, 39]] = 3
    classifier = certified_by_bank(toy_bank())
    by_image = dict(zip((tuple(image.flatten().tolist()) for image in toy_images(40)), factors.tolist(), strict=True))

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, radii = classifier.certify(images)
        return predictions, radii * torch.tensor([by_image[tuple(image.flatten().tolist())] for image in images])

    found = falsify(replace(classifier, certify=certify), toy_pixels(40), {"pgd": GRADIENTS["pgd"]})
    assert (found.certified, found.attacks["pgd"].tried) == (2, 2)
    assert found.attacks["pgd"].broken_images == [5, 39]


def test_a_radius_without_end_is_tried_as_far_as_there_are_images() -> None:
    found = falsify(claiming(certified_by_bank(toy_bank()), torch.full((8,), torch.inf)), toy_pixels(8), GRADIENTS)
    assert [outcome.broken for outcome in found.attacks.values()] == [8] * 3


def test_an_unsound_certificate_is_counted_and_not_refuted() -> None:
    classifier = replace(certified_by_bank(toy_bank()), sound=False)
    found = falsify(claiming(classifier, torch.full((8,), 3.0)), toy_pixels(8), GRADIENTS)
    assert found.attacks["pgd"].broken == 8
    assert not found.is_refuted


def test_where_another_class_is_served_there_is_no_certificate_to_break() -> None:
    found = falsify(replace(certified_by_bank(toy_bank()), serve=answering(CLASSES)), toy_pixels(8), GRADIENTS)
    assert (found.certified, found.mean_radius, found.median_radius) == (0, 0.0, 0.0)
    assert [outcome.tried for outcome in found.attacks.values()] == [0, 0, 0]


@pytest.mark.parametrize(("answer", "broken"), [(ABSTAIN, 0), (CLASSES, 8)])
def test_another_answer_breaks_a_certificate_and_an_answer_withheld_does_not(answer: int, broken: int) -> None:
    found = falsify(replace(certified_by_bank(toy_bank()), predict=answering(answer)), toy_pixels(8), GRADIENTS)
    assert [outcome.broken for outcome in found.attacks.values()] == [broken] * 3


def test_an_attack_that_leaves_the_ball_breaks_nothing() -> None:
    def afar(_: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        assert len(images) == len(labels) == len(ball.radii)
        return 1 - images

    classifier = certified_by_bank(toy_bank())
    assert (classifier.predict(1 - toy_images(8)) != classifier.predict(toy_images(8))).any()
    assert falsify(classifier, toy_pixels(8), {"afar": afar}).attacks["afar"].broken == 0


def test_exact_inference_holds_on_a_model_whose_optimum_can_be_found_and_the_attacks_reach_beyond() -> None:
    model = random_model(TOY, contrast=3.0, seed=3)
    inference = LatentInference.prepare(model, beta=1.0, seed=0, candidates=200)
    classifier = certified_by_exact_inference(inference, EFFORTS["standard"])
    generator = torch.Generator().manual_seed(5)
    decoded = model.decoders(torch.randn(6, 2, generator=generator))[torch.arange(6), torch.arange(6) % 3]
    pixels = (decoded * 255).round().byte()
    inside, beyond = (falsify(classifier, pixels, GRADIENTS, share=share) for share in (0.99, 3.0))
    assert inside.certified >= 4
    assert [outcome.broken for outcome in inside.attacks.values()] == [0, 0, 0]
    assert all(outcome.broken >= 3 for outcome in beyond.attacks.values()), beyond


def test_smoothing_holds_and_the_attacks_reach_beyond() -> None:
    bank = toy_bank()
    classifier = certified_by_smoothing(
        lambda images: bank.classify(images).predictions,
        PrototypeLogits(bank),
        SmoothingSettings(sigma=0.1, n=500),
        shape=(1, 8, 8),
        classes=CLASSES,
        device=torch.device("cpu"),
    )
    inside, beyond = (falsify(classifier, toy_pixels(12), GRADIENTS, share=share) for share in (0.99, 3.0))
    assert inside.certified >= 6
    assert [outcome.broken for outcome in inside.attacks.values()] == [0, 0, 0]
    assert inside.allowed == pytest.approx(2 * 0.001 * inside.certified)
    assert all(outcome.broken >= 4 for outcome in beyond.attacks.values()), beyond
    assert not beyond.is_refuted


def test_every_image_is_reported_once() -> None:
    heard: list[int] = []
    falsify(certified_by_bank(toy_bank()), toy_pixels(40), {}, advance=heard.append)
    assert sum(heard) == 40


@pytest.mark.parametrize(
    ("count", "share", "complaint"), [(4, 0.0, "share"), (4, float("nan"), "share"), (0, 0.99, "images")]
)
def test_what_cannot_be_attacked_is_refused(count: int, share: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        falsify(certified_by_bank(toy_bank()), toy_pixels(count), GRADIENTS, share=share)
