from pathlib import Path

import torch

from training.datasets import Split, holdout, load_dataset, to_unit_range


def test_the_holdout_is_a_tenth_chosen_by_seed_and_disjoint_from_the_rest(mnist_folder: Path) -> None:
    split = load_dataset("mnist", mnist_folder).train
    split.images[:, 0, 0, 0] = torch.arange(180)
    kept, held_out = holdout(split, 0.1, seed=0)
    again = holdout(split, 0.1, seed=0)[1]
    other = holdout(split, 0.1, seed=1)[1]
    marks = [part.images[:, 0, 0, 0].tolist() for part in (kept, held_out)]
    assert len(held_out) == 18
    assert sorted(marks[0] + marks[1]) == list(range(180))
    assert torch.equal(held_out.images, again.images)
    assert not torch.equal(held_out.images, other.images)


def test_the_holdout_shows_no_object_that_is_trained_on() -> None:
    objects = torch.arange(300) // 3 * 7
    images = torch.arange(300, dtype=torch.int64).to(torch.uint8).view(300, 1, 1, 1)
    split = Split(images, torch.arange(300) % 10, objects)
    kept, held_out = holdout(split, 0.1, seed=0)
    assert kept.objects is not None
    assert held_out.objects is not None
    assert (len(kept), len(held_out)) == (270, 30)
    assert not set(kept.objects.tolist()) & set(held_out.objects.tolist())
    assert held_out.labels.tolist() != sorted(held_out.labels.tolist()), "its first images are a sample of it"
    assert torch.equal(held_out.labels, holdout(split, 0.1, seed=0)[1].labels)


def test_an_object_that_would_be_too_much_is_not_held_out() -> None:
    objects = torch.tensor([0] * 90 + list(range(1, 11)))
    split = Split(torch.zeros(100, 1, 1, 1, dtype=torch.uint8), torch.zeros(100, dtype=torch.int64), objects)
    for seed in range(20):
        assert len(holdout(split, 0.1, seed=seed)[1]) <= 10


def test_bytes_become_floats_in_the_unit_range() -> None:
    values = to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(values, torch.tensor([0.0, 0.2, 1.0]))
