"""What the C library does with memory that tensors give back, on a CPU."""

import ctypes
import sys

_TRIM_THRESHOLD = -1
_TOP_PAD = -2
_MMAP_THRESHOLD = -3
_LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Makes this process keep what it frees, for its next tensors, until it ends.

    As a rule glibc gives large pieces back to the system at once. A training step frees and asks for the same hundreds
    of megabytes again and again, and the system would clear every page of them each time.
    With another C library nothing is changed.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 2**26)):
        mallopt(parameter, value)
