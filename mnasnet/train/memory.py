"""What training asks of the machine: of the C library's allocator, and cores that nobody else uses."""

import ctypes
import os
import platform

import torch

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

BUSY = 1.5
"""Of the load, what is not looked at: a set-up that has just ended is in it for a minute."""

KEPT_BYTES = 2**30
"""Blocks up to this size are reused, and as much may lie free, before memory goes back to the system."""


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, for the next step to use again; whether it does.

    It does not where libc is not glibc, or is an old one that refuses thresholds as large.

    glibc gives every freed activation above 32 MB, and the end of its heap, back to the system, which clears each
    page again one step later: a tenth to a fifth of the time of a step of MnasNet-B1
    (`benchmarks/evidence.jsonl`, freed-memory-64).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # In this order: either one set fixes both, and a small threshold for mmap is worse than glibc's moving one.
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


def busy_line() -> str | None:
    """What to tell a person before a training here, where other work has the cores; None where it has not.

    Nor where torch's threads sleep while they wait, as they do in the command (`mnasnet/cli/main.py`).
    """
    sleeping = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    if sleeping or torch.cuda.is_available() or not hasattr(os, "getloadavg"):
        return None
    return advice(load=os.getloadavg()[0], cores=os.cpu_count() or 1, threads=torch.get_num_threads())


def advice(*, load: float, cores: int, threads: int) -> str | None:
    """What to say of so many threads beside such a load; None where they have their cores.

    Torch's threads wait for the last of them: where one core was taken, the demonstration took ten times as long
    with two threads as with one (`benchmarks/evidence.jsonl`, busy-machine-training). How many there are is the
    user's to say, since it decides the last bits.
    """
    if threads == 1 or load + threads <= cores + BUSY:
        return None
    return (
        f"this machine is busy (load {load:.1f} on {cores} cores), and torch's {threads} threads wait for each "
        "other: with OMP_NUM_THREADS=1 before the command it may be several times as fast"
    )
