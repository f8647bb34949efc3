"""How much memory is taken where the models are."""

import resource
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch

from service.telemetry.metrics import Metrics

_STATM = Path("/proc/self/statm")


def watch_device_memory(metrics: Metrics, devices: Iterable[torch.device]) -> None:
    """Lets the metrics tell the memory of each device: of a GPU what tensors take ("allocated") and what PyTorch holds
    for them ("reserved"), of the CPU what the process takes ("resident"), all in bytes."""
    for device in devices:
        for kind, read in _readings(device):
            metrics.watch(metrics.device_memory_bytes.labels(str(device), kind), read)


def _readings(device: torch.device) -> Iterator[tuple[str, Callable[[], float]]]:
    if device.type == "cuda":
        yield "allocated", partial(torch.cuda.memory_allocated, device)
        yield "reserved", partial(torch.cuda.memory_reserved, device)
    elif _STATM.exists():
        yield "resident", _resident_bytes


def _resident_bytes() -> float:
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()
