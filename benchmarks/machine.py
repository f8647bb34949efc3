"""What the machine can do at best, measured now: the floor under every other number."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from eabs.architecture import Architecture
from eabs.processor import processor_name

_CPU = torch.device("cpu")
_NEIGHBOUR = """
import torch
torch.set_num_threads(1)
a = torch.randn(512, 512)
print("busy", flush=True)
while True:
    a @ a
"""


def best_seconds(work: Callable[[], object], *, repeats: int = 5, device: torch.device = _CPU) -> float:
    """The shortest of several timed calls, after one that is not timed; on a GPU, until it has done the work."""
    work()
    best = float("inf")
    for _ in range(repeats):
        _wait_for(device)
        started = time.perf_counter()
        work()
        _wait_for(device)
        best = min(best, time.perf_counter() - started)
    return best


@dataclass(frozen=True)
class Machine:
    """The processor's name, torch's version, the measured rates: float32 matrix products in GFLOP/s (10^9), and
    copies in GB/s (10^9 bytes, read and written)."""

    processor: str
    torch: str
    gemm_gflops: float
    copy_gb_per_s: float


def measure_machine(device: torch.device = _CPU) -> Machine:
    """Describes this machine, and measures a float32 matrix product and a copy on the device."""
    on_gpu = device.type == "cuda"
    size, values = (8192, 1 << 28) if on_gpu else (1024, 1 << 24)
    a, b = torch.randn(2, size, size, device=device).unbind()
    product_s = best_seconds(lambda: a @ b, repeats=10, device=device)
    source = torch.ones(values, device=device)
    target = torch.empty_like(source)
    copy_s = best_seconds(lambda: target.copy_(source), device=device)
    return Machine(
        processor=torch.cuda.get_device_name(device) if on_gpu else f"{processor_name()}, {os.cpu_count()} cores",
        torch=torch.__version__,
        gemm_gflops=2 * size**3 / product_s / 1e9,
        copy_gb_per_s=2 * 4 * values / copy_s / 1e9,
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


def step_bytes(architecture: Architecture) -> int:
    """Bytes that one inference step of one image must move at least: every activation written and read once on the
    way forward, and its gradient on the way back."""
    channels = (layer.channels for layer in architecture.decoder)
    values = sum(size * size * count for size, count in zip(architecture.decoded_sizes, channels, strict=True))
    return 4 * 4 * values * architecture.classes


def peak_memory_mb(process: int | str = "self") -> float:
    """The most memory a process ever had resident, in MB (10^6 bytes); 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Other processes that each keep one core busy with products of matrices, while the block runs."""
    command = [sys.executable, "-c", _NEIGHBOUR]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        for process in processes:
            if process.stdout is None or process.stdout.readline() != "busy\n":
                raise RuntimeError(f"a neighbour ended with {process.wait()} before it was busy")
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
