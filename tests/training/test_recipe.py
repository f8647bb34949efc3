from dataclasses import replace

import pytest

from eabs.objective import ObjectiveWeights
from eabs.variant import Kind
from training.recipe import PRESETS, Parent, recipe_for


def test_the_paper_preset_is_the_papers_recipe() -> None:
    paper = recipe_for("paper", "mnist")
    assert (paper.epochs, paper.batch, paper.learning_rate, paper.augmentation_std) == (500, 512, 1e-3, 0.2)
    assert (paper.objective.beta, paper.objective.gamma, paper.objective.rival_search) == (1.0, 10.0, 0.0)
    assert paper.validation_fraction == 0.1


def test_halving_halves_every_200_epochs() -> None:
    paper = PRESETS["paper"]
    assert [paper.learning_rate_factor(epoch * 7, 7) for epoch in (0, 199, 200, 399, 400, 499)] == [
        1, 1, 0.5, 0.5, 0.25, 0.25,
    ]  # fmt: skip


def test_one_cycle_warms_up_and_falls_to_zero() -> None:
    quick = replace(PRESETS["quick"], epochs=10)
    factors = [quick.learning_rate_factor(step, 10) for step in range(100)]
    assert factors[0] == pytest.approx(0.04)
    assert max(factors) == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.001


@pytest.mark.parametrize("preset", ["paper", "quick", "best"])
def test_a_kind_without_the_discriminative_loss_has_the_same_recipe_but_for_that(preset: str) -> None:
    e_abs, abs_ = recipe_for(preset, "mnist"), recipe_for(preset, "mnist", "abs")
    assert abs_.objective == ObjectiveWeights(gamma=0.0)
    assert replace(abs_, kind="e-abs", objective=e_abs.objective) == e_abs
    assert recipe_for(preset, "mnist", "d-abs").objective == e_abs.objective


def test_a_discriminative_loss_is_refused_where_there_is_none() -> None:
    recipe = recipe_for("quick", "mnist", "av-abs")
    objective = replace(recipe.objective, rival_search=3.0)
    with pytest.raises(ValueError, match=r"av-abs: expected a weight of 0 .* got \(0.0, 3.0, 0.0, 0.0\)"):
        replace(recipe, objective=objective)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="'slow': expected one of paper, quick, best"):
        recipe_for("slow", "mnist")


@pytest.mark.parametrize("dataset", ["svhn", "gtsrb", "supertraffic10"])
def test_colour_images_get_little_noise(dataset: str) -> None:
    assert recipe_for("paper", dataset).augmentation_std == 0.01


@pytest.mark.parametrize(("dataset", "strength"), [("mnist", 0), ("fashion_mnist", 0), ("supertraffic10", 1)])
def test_best_deforms_and_lights_images_in_colour(dataset: str, strength: float) -> None:
    recipe = recipe_for("best", dataset)
    assert (recipe.deformation, recipe.lighting) == (strength, strength)
    assert recipe_for("quick", dataset).deformation == 0


@pytest.mark.parametrize("name", ["discriminator_steps", "wide_start"])
def test_less_than_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected at least 1, got"):
        replace(PRESETS["quick"], **{name: 0})


@pytest.mark.parametrize(("name", "complaint"), [("deformation", "got -1 and 0"), ("lighting", "got 0.0 and -1")])
def test_a_negative_strength_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"deformation, lighting: expected strengths of at least 0, {complaint}"):
        replace(PRESETS["quick"], **{name: -1})


@pytest.mark.parametrize(
    ("kind", "name", "value", "complaint"),
    [
        ("e-abs", "epsilon", -1.0, "epsilon, attack_steps: expected at least 0 and 1, got -1.0 and 3"),
        ("e-abs", "attack_steps", 0, "epsilon, attack_steps: expected at least 0 and 1, got 0.0 and 0"),
        ("abs", "epsilon", 1.0, "abs: expected an epsilon of 0, since no encoder is shared, got 1.0"),
    ],
)
def test_an_attack_on_the_encoder_that_cannot_be_is_refused(
    kind: Kind, name: str, value: float, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(recipe_for("quick", "mnist", kind), **{name: value})


def test_rivals_descend_only_where_a_training_starts_from_another_run() -> None:
    quick = PRESETS["quick"]
    with pytest.raises(ValueError, match=r"rival_steps: expected a run to start from, .*, with 3 steps"):
        replace(quick, objective=replace(quick.objective, rival_steps=3))


def test_a_flat_recipe_names_the_run_that_it_starts_from() -> None:
    quick = PRESETS["quick"]
    flat = replace(quick, parent=Parent("sha256:12", quick.flat())).flat()
    assert flat["rival_search"] == flat["parent.rival_search"] == quick.objective.rival_search
    assert flat["parent.weights"] == "sha256:12"
    assert quick.flat() == {name: value for name, value in flat.items() if not name.startswith("parent")}
