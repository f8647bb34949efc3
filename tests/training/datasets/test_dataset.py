from pathlib import Path

import torch

from training.datasets import holdout, load_dataset, to_unit_range


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


def test_bytes_become_floats_in_the_unit_range() -> None:
    values = to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(values, torch.tensor([0.0, 0.2, 1.0]))
