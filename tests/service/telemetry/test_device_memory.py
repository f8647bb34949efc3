import pytest
import torch

from service.telemetry.device_memory import watch_device_memory
from service.telemetry.metrics import Metrics


def memory(metrics: Metrics, device: str, kind: str) -> float | None:
    metrics.refresh()
    return metrics.registry.get_sample_value("eabs_device_memory_bytes", {"device": device, "kind": kind})


def test_on_the_cpu_it_is_what_the_process_takes() -> None:
    metrics = Metrics()
    watch_device_memory(metrics, [torch.device("cpu")])
    resident = memory(metrics, "cpu", "resident")
    process = metrics.registry.get_sample_value("process_resident_memory_bytes")
    assert resident is not None
    assert process is not None
    assert abs(resident - process) < 0.1 * process


@pytest.mark.cuda
def test_on_a_gpu_it_is_what_tensors_take_and_what_is_held_for_them() -> None:
    metrics, device = Metrics(), torch.device("cuda", 0)
    watch_device_memory(metrics, [device])
    before = memory(metrics, "cuda:0", "allocated")
    assert before is not None
    tensor = torch.zeros(1 << 20, device=device)
    assert memory(metrics, "cuda:0", "allocated") == before + tensor.nbytes
    reserved = memory(metrics, "cuda:0", "reserved")
    assert reserved is not None
    assert reserved >= before + tensor.nbytes
