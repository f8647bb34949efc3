"""How a device says that it has no memory left."""

import torch

# What PyTorch raises as a plain RuntimeError: its allocator on the CPU, CUDA's runtime, cuBLAS.
_PHRASES = (
    "not enough memory",
    "can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that less work at once might have fitted."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in _PHRASES)


def free_unused(device: torch.device) -> None:
    """Gives back what PyTorch holds of a GPU's memory for later use, in pieces that may be too small by now."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()
