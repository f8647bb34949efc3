from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from eabs.certificates.finite_bank import certify_finite_bank
from eabs.prototypes import PrototypeBank
from training.certified_accuracy import measure_bank
from training.datasets import Split, to_unit_range
from training.prototypes.loop import Epoch, PrototypeTrainer, _bounds, first_of_each_class
from training.prototypes.recipe import PrototypeRecipe

RECIPE = PrototypeRecipe(per_class=4, components=12, margin=1.0, epochs=6, batch=20, learning_rate=2.0, average=0.9)


def blobs(count: int, *, seed: int) -> Split:
    """Two classes: a bright square left or right of the middle, in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = 60 * torch.rand(count, 1, 8, 8, generator=generator)
    for index, label in enumerate(labels.tolist()):
        row = int(torch.randint(0, 4, (), generator=generator))
        images[index, 0, row : row + 4, 4 * label : 4 * label + 3] += 150
    return Split(images.to(torch.uint8), labels)


def starts(split: Split, recipe: PrototypeRecipe) -> Tensor:
    return to_unit_range(first_of_each_class(split, recipe.per_class).images)


def trained(split: Split, recipe: PrototypeRecipe, checkpoint: Path | None = None) -> PrototypeBank:
    trainer = PrototypeTrainer(split, starts(split, recipe), recipe, checkpoint)
    trainer.resume()
    return trainer.run()


def untrained(split: Split) -> PrototypeBank:
    return trained(split, replace(RECIPE, epochs=1, learning_rate=0.0))


def test_training_certifies_more_of_images_that_it_has_not_seen() -> None:
    train, held_out = blobs(400, seed=0), blobs(200, seed=1)
    before, after = (measure_bank(bank, held_out) for bank in (untrained(train), trained(train, RECIPE)))
    assert after.clean >= before.clean
    assert after.certified[1.0] > before.certified[1.0] + 0.1, (before, after)


def test_the_loss_is_what_the_certificates_bound_lacks_of_the_margin() -> None:
    generator = torch.Generator().manual_seed(2)
    bank = PrototypeBank.of_images(
        torch.rand(2, 1, 4, 4, generator=generator), torch.rand(2, generator=generator), torch.tensor([0, 1])
    )
    images = torch.rand(20, 1, 4, 4, generator=generator)
    found = certify_finite_bank(bank, images)
    levels = bank.levels(images)
    own, rival = found.predictions, 1 - found.predictions
    row = torch.arange(20)
    needed = (levels[row, rival] - levels[row, own]) / 2
    normals = bank.coordinates[rival] - bank.coordinates[own]
    torch.testing.assert_close(_bounds(images.flatten(1).double(), needed, normals), found.radii, atol=1e-4, rtol=0)


def test_the_bounds_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(6, 10, generator=generator, dtype=torch.float64)
    normals = torch.randn(6, 10, generator=generator, dtype=torch.float64).requires_grad_()
    needed = (0.3 + torch.rand(6, generator=generator, dtype=torch.float64)).requires_grad_()

    def total(c: Tensor, n: Tensor) -> Tensor:
        return _bounds(images, c, n).sum()

    assert torch.autograd.gradcheck(total, (needed, normals), eps=1e-5, atol=1e-3)


def test_a_misclassified_image_is_pulled_back_too() -> None:
    needed = torch.tensor([-0.5], requires_grad=True)
    bound = _bounds(torch.full((1, 4), 0.5), needed, torch.ones(1, 4))
    assert bound.item() == pytest.approx(-0.25)
    bound.sum().backward()
    assert needed.grad is not None
    assert needed.grad.item() > 0


def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    split, file = blobs(200, seed=0), tmp_path / "checkpoint.safetensors"
    unbroken = trained(split, replace(RECIPE, epochs=3))

    def kill(epoch: Epoch) -> None:
        if epoch.done == 2:
            raise KeyboardInterrupt

    trainer = PrototypeTrainer(split, starts(split, RECIPE), replace(RECIPE, epochs=3), file)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(kill)
    resumed = PrototypeTrainer(split, starts(split, RECIPE), replace(RECIPE, epochs=3), file)
    assert resumed.resume() == 1
    bank = resumed.run()
    assert torch.equal(bank.points, unbroken.points)
    assert torch.equal(bank.offsets, unbroken.offsets)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    split, file = blobs(200, seed=0), tmp_path / "checkpoint.safetensors"
    trained(split, replace(RECIPE, epochs=1), file)
    other = PrototypeTrainer(split, starts(split, RECIPE), replace(RECIPE, margin=2.0), file)
    with pytest.raises(ValueError, match="another recipe"):
        other.resume()


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(ValueError, match="class 0 has 100 images, got 101"):
        first_of_each_class(blobs(200, seed=0), 101)


def test_prototypes_start_with_their_classs_first_images() -> None:
    split = blobs(200, seed=0)
    first = first_of_each_class(split, 3)
    assert first.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(first.images[3:], split.images[split.labels == 1][:3])
    with pytest.raises(ValueError, match="expected 4 of 2 classes, got 6"):
        PrototypeTrainer(split, to_unit_range(first.images), RECIPE)


def test_the_bank_can_be_published_as_it_is() -> None:
    bank = trained(blobs(100, seed=0), replace(RECIPE, epochs=1))
    assert bank.points.dtype == torch.float16
    assert bank.shape == (1, 8, 8)
    assert bank.counts == [4, 4]
