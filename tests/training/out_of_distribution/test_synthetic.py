from pathlib import Path

import torch

from training.datasets import load_dataset, to_unit_range
from training.out_of_distribution.synthetic import synthetic_images


def test_every_kind_has_as_many_images_that_a_file_can_hold(mnist_folder: Path) -> None:
    real = to_unit_range(load_dataset("mnist", mnist_folder).test.images)
    found = synthetic_images(real)
    for images in found.values():
        assert images.shape == real.shape
        assert images.dtype == torch.float32
        torch.testing.assert_close(images * 255, (images * 255).round().clamp(0, 255), rtol=0, atol=1e-4)
    assert torch.equal(found["inverted"], ((1 - real) * 255).round() / 255)
    assert torch.equal(found["upside down"], real.flip((2, 3)))
    assert torch.equal(found["quarter turn"].rot90(-1, (2, 3)), real)
    assert found["grey"].flatten(1).std(1).max() == 0
    assert (found["grey"].min(), found["grey"].max()) == (0, 1)
    shuffled = found["shuffled pixels"].flatten(1)
    assert torch.equal(shuffled.sort(1).values, real.flatten(1).sort(1).values)
    assert not torch.equal(shuffled[0].argsort(stable=True), shuffled[1].argsort(stable=True))


def test_equal_seeds_make_equal_noise() -> None:
    real = torch.zeros(2, 1, 4, 4)
    first, again, other = (synthetic_images(real, seed=seed)["uniform noise"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
