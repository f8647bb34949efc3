import threading

import torch

from eabs.workers import Workers

CPU = torch.device("cpu")


def test_results_come_in_order_from_threads_of_one_torch_thread_each() -> None:
    torch.set_num_threads(2)

    def work(part: int) -> tuple[int, int, bool]:
        return part, torch.get_num_threads(), torch.is_inference_mode_enabled()

    assert Workers(2, CPU).map(work, range(5)) == [(part, 1, True) for part in range(5)]
    assert torch.get_num_threads() == 2


def test_parts_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=10)
    Workers(2, CPU).map(lambda _: together.wait(), range(2))
