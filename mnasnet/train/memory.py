"""What training asks of the C library's allocator."""

import ctypes
import platform

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

KEPT_BYTES = 2**30
"""Blocks up to this size are reused, and as much may lie free, before memory goes back to the system."""


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, for the next step to use again; whether it does.

    It does not where libc is not glibc, or is an old one that refuses thresholds as large.

    glibc gives every freed activation above 32 MB, and the end of its heap, back to the system, which clears each
    page again one step later: 17,000 to 64,000 page faults a step of MnasNet-B1, a tenth to a fifth of its time
    (`benchmarks/memory.py`).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # In this order: either one set fixes both, and a small threshold for mmap is worse than glibc's moving one.
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
