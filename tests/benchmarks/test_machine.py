import os
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import best_seconds, busy_neighbours, measure_machine, peak_memory_mb, step_bytes, step_flops
from eabs.architecture import PRESETS
from eabs.networks import EABS


def test_a_step_costs_twice_the_multiply_adds_of_ten_decoders_forward_and_back() -> None:
    architecture = PRESETS["mnist"]
    decoders = EABS(architecture).eval().decoders
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        decoders(torch.zeros(1, 10, architecture.latent))
    assert step_flops(architecture) == 2 * counter.get_total_flops()


def test_the_machine_is_described_and_measured() -> None:
    machine = measure_machine()
    assert machine.processor
    assert machine.gemm_gflops > 0
    assert machine.copy_gb_per_s > 0


def test_the_best_of_several_calls_is_kept_after_one_that_is_not_timed() -> None:
    calls = []
    assert best_seconds(lambda: calls.append(1), repeats=3) >= 0
    assert len(calls) == 4


def test_memory_is_that_of_a_process_with_torch_in_it() -> None:
    assert peak_memory_mb() > 50


def test_a_step_moves_every_activation_and_its_gradient_out_and_in() -> None:
    architecture = PRESETS["mnist"]
    activations = 4 * 4 * 32 + 11 * 11 * 32 + 25 * 25 * 16 + 28 * 28 * 8 + 28 * 28
    assert step_bytes(architecture) == 10 * activations * 4 * 4


def test_neighbours_are_busy_while_the_block_runs_and_gone_after_it() -> None:
    before = len(_children())
    with busy_neighbours(2):
        assert len(_children()) == before + 2
    assert len(_children()) == before


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
