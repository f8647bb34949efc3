import torch
from torch import Tensor

from training.attacks.memory import Memory


class Doubling:
    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(rows.flatten().tolist())
        return 2 * rows, rows.sum(1)


def column(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1)


def test_a_row_is_computed_once_wherever_it_stands() -> None:
    doubling = Doubling()
    memory = Memory(doubling)
    memory(column(1, 2))
    doubled, sums = memory(column(2, 3, 1, 3))
    assert doubled.flatten().tolist() == [4, 6, 2, 6]
    assert sums.tolist() == [2, 3, 1, 3]
    assert doubling.seen == [[1, 2], [3]]


def test_the_rows_that_were_asked_about_last_are_kept() -> None:
    doubling = Doubling()
    memory = Memory(doubling, capacity=2)
    for value in (1, 2, 1, 3, 1, 2):
        memory(column(value))
    assert doubling.seen == [[1], [2], [3], [2]]


def test_a_call_that_is_larger_than_the_memory_is_answered_and_kept() -> None:
    doubling = Doubling()
    memory = Memory(doubling, capacity=1)
    for _ in range(2):
        assert memory(column(1, 2, 3))[0].flatten().tolist() == [2, 4, 6]
    assert doubling.seen == [[1, 2, 3]]
