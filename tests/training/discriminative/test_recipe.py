from dataclasses import replace

import pytest

from training.discriminative.recipe import ADVERSARIAL, PRESETS, AdversarialTraining, adversarial_recipe, cnn_recipe


def test_the_paper_presets_are_the_papers_recipes() -> None:
    cnn = cnn_recipe("paper", "mnist")
    assert (cnn.epochs, cnn.batch, cnn.learning_rate, cnn.augmentation_std) == (500, 512, 1e-3, 0.2)
    assert [cnn.learning_rate_factor(epoch * 9, 9) for epoch in (199, 200, 400)] == [1, 0.5, 0.25]
    adversarial = adversarial_recipe("paper", "mnist", "linf", initial_weights="sha256:0")
    assert (adversarial.epochs, adversarial.batch, adversarial.augmentation_std) == (200, 512, 0)
    assert [adversarial.learning_rate * adversarial.learning_rate_factor(step, 9) for step in (0, 1799)] == [1e-4, 1e-4]


@pytest.mark.parametrize(
    ("dataset", "linf"), [("mnist", 0.3), ("fashion_mnist", 0.1), ("svhn", 8 / 255), ("supertraffic10", 8 / 255)]
)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_attack_goes_as_far_as_in_the_papers_tables(preset: str, dataset: str, linf: float) -> None:
    for kind, epsilon in (("adv-linf", linf), ("adv-l2", 1.5)):
        recipe = adversarial_recipe(preset, dataset, ADVERSARIAL[kind], initial_weights="sha256:0")
        assert recipe.kind == kind
        assert recipe.adversarial is not None
        assert recipe.adversarial.epsilon == epsilon


@pytest.mark.parametrize("preset", PRESETS)
def test_the_attack_s_steps_reach_across_the_ball(preset: str) -> None:
    pgd = PRESETS[preset]
    assert pgd.steps * pgd.relative_step_size > 1


@pytest.mark.parametrize("change", [{"epsilon": 0.0}, {"epsilon": float("nan")}, {"steps": 0}])
def test_an_attack_that_goes_nowhere_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(AdversarialTraining("l2", 1.5, 7, 0.25, "sha256:0"), **change)  # type: ignore[arg-type]


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="'slow': expected one of paper, quick"):
        cnn_recipe("slow", "mnist")
