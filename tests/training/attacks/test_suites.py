"""What all attacks have in common, on a network and on latent inference."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eabs.inference import LatentInference
from model_store import ModelStore
from tests.training.attacks.counting import Counting
from tests.training.conftest import Trained
from training.attacks.attack import Attack
from training.attacks.ball import Ball, Norm
from training.attacks.boundary import Boundary
from training.attacks.classifiers import LatentLogits
from training.attacks.estimated_pgd import EstimatedPGD
from training.attacks.gaussian import Gaussian
from training.attacks.hop_skip_jump import HopSkipJump
from training.attacks.suites import NamedAttack, suite

BUNDLED = Path(__file__).parents[3] / "model_store" / "bundled"
RADII: dict[Norm, float] = {"linf": 0.2, "l2": 2.0}
QUICK = [f"{name}-linf" for name in ("pgd", "deepfool", "noise")] + [
    f"{name}-l2" for name in ("pgd", "ddn", "cw", "deepfool", "noise")
]
BLIND = ["estimated-pgd-linf", "boundary-l2", "hop-skip-jump-l2", "hop-skip-jump-linf"]
EVERY = QUICK + BLIND


def attack_named(name: str, pool: Tensor) -> tuple[Attack, Norm]:
    """A quick attack, or one that sees only answers with few steps."""
    norm: Norm = "linf" if name.endswith("linf") else "l2"
    if name in QUICK:
        return next(one.attack for one in suite("quick", pool=pool, seed=0) if one.name == name), norm
    blind: dict[str, Attack] = {
        "estimated-pgd-linf": EstimatedPGD(steps=10, samples=40),
        "boundary-l2": Boundary(pool=pool, steps=400),
        "hop-skip-jump-l2": HopSkipJump(pool=pool, steps=4, samples=30),
        "hop-skip-jump-linf": HopSkipJump(pool=pool, steps=4, samples=30),
    }
    return blind[name], norm


def standing(classifier: nn.Module, attacked: Tensor, labels: Tensor) -> int:
    return int((classifier(attacked).argmax(1) == labels).sum())


@pytest.fixture(scope="module")
def latent() -> nn.Module:
    loaded = ModelStore(BUNDLED).load("mnist", None)
    return LatentLogits(LatentInference.prepare(loaded.model, beta=loaded.manifest.beta, seed=0, candidates=300))


@pytest.mark.parametrize("name", EVERY)
def test_every_attack_keeps_to_its_balls_and_to_the_box(digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    ball = Ball(norm, torch.linspace(0.02, 1.0, 20, dtype=torch.float64) * RADII[norm])
    attacked = attack(digits.classifier, digits.images, digits.labels, ball)
    assert attacked.dtype == torch.float32
    assert 0 <= attacked.min() <= attacked.max() <= 1
    assert (ball.distances(digits.images, attacked) <= ball.radii).all()


@pytest.mark.parametrize("name", [name for name in EVERY if not name.startswith("noise")])
def test_every_attack_finds_more_than_noise_does(digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    # What only sees answers gets less far with as few of them.
    ball = Ball.around(digits.images, norm, RADII[norm] * (2 if name in BLIND else 1))
    noisy = Gaussian(samples=20, levels=2)(digits.classifier, digits.images, digits.labels, ball)
    attacked = attack(digits.classifier, digits.images, digits.labels, ball)
    left = standing(digits.classifier, noisy, digits.labels)
    assert left >= 15
    assert standing(digits.classifier, attacked, digits.labels) < left - 2


@pytest.mark.parametrize("name", EVERY)
def test_an_attack_repeats_itself_and_draws_from_no_generator_of_others(digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    arguments = digits.classifier, digits.images[:4], digits.labels[:4], Ball.around(digits.images[:4], norm, 0.1)
    state = torch.get_rng_state()
    first = attack(*arguments)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(attack(*arguments), first)


@pytest.mark.parametrize("name", QUICK)
def test_an_image_is_attacked_as_it_would_be_alone(digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    ball = Ball.around(digits.images, norm, RADII[norm] / 2)
    together = attack(digits.classifier, digits.images, digits.labels, ball)
    for index in (0, 7, 19):
        one = torch.tensor([index])
        alone = attack(digits.classifier, digits.images[one], digits.labels[one], ball.select(one))
        torch.testing.assert_close(alone, together[one], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_an_image_that_has_fallen_before_it_begins_is_asked_about_once_more(digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    wrong = digits.labels.clone()
    wrong[3] = (wrong[3] + 1) % 10
    counting = Counting(digits.classifier)
    attacked = attack(counting, digits.images, wrong, Ball.around(digits.images, norm, 1e-4))
    # To see that it has; attacks that walk the boundary look once more whether there is one, and at their pool.
    assert counting.about(digits.images[3], 0.1) <= (3 if name in BLIND else 1)
    assert torch.equal(attacked[3], digits.images[3])


@pytest.mark.parametrize("name", ["pgd-linf", "pgd-l2", "ddn-l2", "cw-l2", "deepfool-l2", "noise-l2"])
def test_where_all_have_fallen_nothing_more_is_asked(digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    counting = Counting(digits.classifier)
    attack(counting, digits.images, (digits.labels + 1) % 10, Ball.around(digits.images, norm, 0.1))
    assert counting.count == 20


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_restarts_go_on_only_with_images_that_are_standing(digits: Trained, norm: Norm) -> None:
    attack = next(one.attack for one in suite("paper", pool=digits.images, seed=0) if one.name == f"pgd-{norm}")
    some, all_fall = Counting(digits.classifier), Counting(digits.classifier)
    attack(some, digits.images[:4], digits.labels[:4], Ball.around(digits.images[:4], norm, 1e-3))
    assert some.count >= 4 * 5 * 80
    attacked = attack(all_fall, digits.images, digits.labels, Ball.around(digits.images, norm, 5 * RADII[norm]))
    assert standing(digits.classifier, attacked, digits.labels) == 0
    assert all_fall.count < 20 * 80


@pytest.mark.parametrize("name", ["pgd-linf", "ddn-l2", "deepfool-linf", "deepfool-l2"])
def test_attacks_move_latent_inference(latent: nn.Module, digits: Trained, name: str) -> None:
    attack, norm = attack_named(name, digits.images)
    images, labels = digits.images[:4], digits.labels[:4]
    assert standing(latent, images, labels) == 4
    ball = Ball.around(images, norm, 2 * RADII[norm])
    attacked = attack(latent, images, labels, ball)
    assert (ball.distances(images, attacked) <= ball.radii).all()
    assert standing(latent, attacked, labels) <= 2


def names(attacks: list[NamedAttack]) -> list[str]:
    return [one.name for one in attacks]


def test_the_papers_suite_has_the_rows_and_the_steps_of_its_tables() -> None:
    grey, coloured = (suite("paper", pool=torch.zeros(1, channels, 4, 4), seed=0) for channels in (1, 3))
    assert names(grey) == QUICK[:3] + QUICK[3:]
    settings = {one.name: one.settings for one in grey}
    assert settings["pgd-linf"] == settings["pgd-l2"] == {"steps": 80, "restarts": 5}
    assert settings["ddn-l2"]["steps"] == 80
    assert (settings["cw-l2"]["searches"], settings["cw-l2"]["steps"], settings["cw-l2"]["step_size"]) == (5, 100, 0.2)
    assert settings["deepfool-linf"]["steps"] == settings["deepfool-l2"]["steps"] == 100
    coloured_settings = {one.name: one.settings for one in coloured}
    assert coloured_settings["pgd-linf"]["restarts"] == 20
    assert coloured_settings["cw-l2"] == settings["cw-l2"] | {"step_size": 0.05}
    fewer = suite("all", pool=torch.zeros(1, 3, 8, 8), seed=0, restarts=2)
    assert {one.settings["restarts"] for one in fewer if one.name.startswith("pgd")} == {2}


def test_blind_attacks_have_the_papers_steps() -> None:
    settings = {one.name: one.settings for one in suite("gradient-free", pool=torch.zeros(1, 1, 4, 4), seed=0)}
    assert settings["boundary-l2"]["steps"] == 100_000
    assert settings["estimated-pgd-linf"]["steps"] == 50


def test_all_is_every_attack_once() -> None:
    pool = torch.zeros(1, 1, 4, 4)
    every = [name for part in ("paper", "beyond", "gradient-free") for name in names(suite(part, pool=pool, seed=0))]
    assert names(suite("all", pool=pool, seed=0)) == every
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("one", suite("all", pool=torch.zeros(1, 1, 4, 4), seed=0), ids=lambda one: one.name)
def test_a_name_ends_with_its_norm_and_settings_are_flat(one: NamedAttack) -> None:
    assert one.name.endswith(f"-{one.norm}")
    assert all(isinstance(value, int | float | str) for value in one.settings.values())


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="got papers"):
        suite("papers", pool=torch.zeros(1, 1, 4, 4), seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ddn-l2", "cw-l2", "boundary-l2"])
def test_an_attack_for_l2_balls_refuses_others(digits: Trained, name: str) -> None:
    attack, _ = attack_named(name, digits.images)
    with pytest.raises(ValueError, match="expected l2, got linf"):
        attack(digits.classifier, digits.images, digits.labels, Ball.around(digits.images, "linf", 0.1))
