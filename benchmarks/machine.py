"""What the machine can do at best, measured now: the floor under every other number."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from eabs.architecture import Architecture

_GEMM_SIZE = 1024


def best_seconds(work: Callable[[], object], *, repeats: int = 5) -> float:
    """The shortest of several timed calls, after one that is not timed."""
    work()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


@dataclass(frozen=True)
class Machine:
    """The processor's name, the threads in use, torch's version, and the measured GEMM rate in GFLOP/s."""

    processor: str
    threads: int
    torch: str
    gemm_gflops: float


def measure_machine() -> Machine:
    """Describes this machine and measures a float32 matrix product on it."""
    a, b = torch.randn(2, _GEMM_SIZE, _GEMM_SIZE).unbind()
    seconds = best_seconds(lambda: a @ b, repeats=10)
    return Machine(
        processor=_processor(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        gemm_gflops=2 * _GEMM_SIZE**3 / seconds / 1e9,
    )


def step_flops(architecture: Architecture) -> int:
    """Floating-point operations of one inference step of one image: all K decoders, forward and back to z.

    Two operations a multiply-add, and as many for the gradient to the activations as for the activations.
    """
    multiply_adds = architecture.latent * architecture.decoder_linear
    size, channels = 1, architecture.decoder_linear
    for layer in architecture.decoder:
        multiply_adds += size * size * channels * layer.channels * layer.kernel**2
        size, channels = layer.deconvolved(size), layer.channels
    return 2 * 2 * multiply_adds * architecture.classes


def peak_memory_mb(process: int | str = "self") -> float:
    """The most memory a process ever had resident, in MB (10^6 bytes); 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            return f"{names[0]}, {os.cpu_count()} cores"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
