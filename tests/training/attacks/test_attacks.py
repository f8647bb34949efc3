"""What all attacks have in common."""

import pytest
import torch
from torch import Tensor

from eabs.certificates.finite_bank import FiniteBankCertificate, certify_finite_bank
from eabs.prototypes import PrototypeBank
from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.attack import Attack
from training.attacks.ball import Ball
from training.attacks.classifiers import PrototypeLogits
from training.attacks.standard import standard_attacks

NAMES = ["pgd", "ddn", "hop-skip-jump", "gaussian", "rival"]


@pytest.fixture(scope="module")
def bank() -> PrototypeBank:
    return toy_bank()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return toy_images(24)


@pytest.fixture(scope="module")
def certificate(bank: PrototypeBank, images: Tensor) -> FiniteBankCertificate:
    found = certify_finite_bank(bank, images)
    assert (found.radii > 0).all()
    return found


@pytest.fixture(scope="module")
def attacks(images: Tensor) -> dict[str, Attack]:
    return standard_attacks(images)


def test_every_standard_attack_is_tried_here(attacks: dict[str, Attack]) -> None:
    assert sorted(attacks) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.99, 3.0])
def test_attacked_images_lie_within_their_own_radius_and_in_the_box(
    bank: PrototypeBank,
    images: Tensor,
    certificate: FiniteBankCertificate,
    attacks: dict[str, Attack],
    name: str,
    share: float,
) -> None:
    ball = Ball("l2", share * certificate.radii)
    attacked = attacks[name](PrototypeLogits(bank), images, certificate.predictions, ball)
    assert attacked.dtype == torch.float32
    assert 0 <= attacked.min() <= attacked.max() <= 1
    assert (ball.distances(images, attacked) <= ball.radii).all()
    assert (ball.distances(images, attacked) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_attack_changes_an_answer_inside_a_sound_radius(
    bank: PrototypeBank, images: Tensor, certificate: FiniteBankCertificate, attacks: dict[str, Attack], name: str
) -> None:
    attacked = attacks[name](
        PrototypeLogits(bank), images, certificate.predictions, Ball("l2", 0.99 * certificate.radii)
    )
    assert torch.equal(bank.classify(attacked).predictions, certificate.predictions)


@pytest.mark.parametrize(
    ("name", "least"), [("pgd", 24), ("ddn", 24), ("hop-skip-jump", 18), ("gaussian", 1), ("rival", 24)]
)
def test_at_three_times_the_radius_an_attack_does_find_other_answers(
    bank: PrototypeBank,
    images: Tensor,
    certificate: FiniteBankCertificate,
    attacks: dict[str, Attack],
    name: str,
    least: int,
) -> None:
    attacked = attacks[name](PrototypeLogits(bank), images, certificate.predictions, Ball("l2", 3 * certificate.radii))
    assert (bank.classify(attacked).predictions != certificate.predictions).sum() >= least


@pytest.mark.parametrize("name", ["pgd", "ddn", "rival"])
def test_five_per_cent_beyond_the_radius_a_gradient_is_enough(
    bank: PrototypeBank, images: Tensor, certificate: FiniteBankCertificate, attacks: dict[str, Attack], name: str
) -> None:
    attacked = attacks[name](
        PrototypeLogits(bank), images, certificate.predictions, Ball("l2", 1.05 * certificate.radii)
    )
    assert (bank.classify(attacked).predictions != certificate.predictions).sum() >= 18


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_repeats_itself_and_draws_from_no_generator_of_others(
    bank: PrototypeBank, images: Tensor, certificate: FiniteBankCertificate, attacks: dict[str, Attack], name: str
) -> None:
    ball = Ball("l2", 2 * certificate.radii[:4])
    arguments = PrototypeLogits(bank), images[:4], certificate.predictions[:4], ball
    state = torch.get_rng_state()
    first = attacks[name](*arguments)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(attacks[name](*arguments), first)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_with_another_answer_already_is_no_obstacle(
    bank: PrototypeBank, images: Tensor, certificate: FiniteBankCertificate, attacks: dict[str, Attack], name: str
) -> None:
    labels = certificate.predictions.clone()
    labels[0] = (labels[0] + 1) % 4
    attacked = attacks[name](PrototypeLogits(bank), images, labels, Ball("l2", 0.99 * certificate.radii))
    changed = bank.classify(attacked).predictions != labels
    assert changed.nonzero().flatten().tolist() == [0]
