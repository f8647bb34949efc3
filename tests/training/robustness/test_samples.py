import pytest
import torch

from training.datasets import Split
from training.robustness.samples import draw_samples

SPLIT = Split(torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1), torch.arange(30) % 3)


def test_a_sample_is_the_image_and_the_label_of_its_index() -> None:
    found = draw_samples(SPLIT, 10, seed=0)
    assert torch.equal(found.images.flatten().long(), found.indices)
    assert torch.equal(found.labels, found.indices % 3)


def test_no_image_is_drawn_twice() -> None:
    assert sorted(draw_samples(SPLIT, 30, seed=4).indices.tolist()) == list(range(30))


def test_fewer_samples_are_the_first_of_more() -> None:
    assert torch.equal(draw_samples(SPLIT, 5, seed=1).indices, draw_samples(SPLIT, 20, seed=1).indices[:5])


def test_another_seed_draws_others() -> None:
    assert not torch.equal(draw_samples(SPLIT, 20, seed=0).indices, draw_samples(SPLIT, 20, seed=1).indices)


@pytest.mark.parametrize("count", [0, 31])
def test_samples_beyond_the_split_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"samples: expected 1 to 30, the images of the split, got {count}"):
        draw_samples(SPLIT, count, seed=0)


def test_the_digest_tells_images_and_labels_from_others() -> None:
    found = draw_samples(SPLIT, 10, seed=0)
    relabelled = Split(SPLIT.images, (SPLIT.labels + 1) % 3)
    digests = {found.digest, draw_samples(SPLIT, 10, seed=1).digest, draw_samples(relabelled, 10, seed=0).digest}
    assert len(digests) == 3
    assert found.digest == draw_samples(SPLIT, 10, seed=0).digest


def test_bytes_become_the_unit_range() -> None:
    found = draw_samples(SPLIT, 3, seed=0)
    assert torch.equal(found.unit_range().flatten(), found.indices / 255)
