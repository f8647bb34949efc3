import pytest
import torch

from service.inference.memory import is_out_of_memory


def raised_by_a_tensor_that_is_too_large() -> Exception:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 50, dtype=torch.uint8)
    return error.value


@pytest.mark.parametrize(
    "error",
    [
        raised_by_a_tensor_that_is_too_large(),
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["the CPU's allocator", "CUDA", "Python", "the CPU's allocator elsewhere", "cuBLAS"],
)
def test_a_shortage_of_memory_is_known_by_its_error(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: device-side assert triggered"), ValueError("not enough")])
def test_another_error_is_none(error: Exception) -> None:
    assert not is_out_of_memory(error)
