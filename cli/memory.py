"""The C library's allocator, told to keep what inference frees."""

import ctypes

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_HEAP_BLOCK = 32 << 20
_NEVER = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Lets this process keep freed blocks of up to 32 MiB; False where the C library is not glibc.

    glibc gives such blocks back to the kernel, which has to map and clear them again a millisecond later, at every
    step of inference.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_HEAP_BLOCK)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
