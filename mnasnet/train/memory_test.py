import resource

import pytest
import torch

from mnasnet.train.memory import advice, keep_freed_memory


def faults_of_activations() -> int:
    """Page faults while 64 MB are asked for, filled and freed four times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(64, 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_memory_once_freed_is_used_again_without_a_page_fault() -> None:
    if not keep_freed_memory():
        pytest.skip("this C library cannot be told")
    faults_of_activations()
    assert faults_of_activations() < 1_000  # of 4 × 16,384 pages


def test_threads_that_would_wait_for_each_other_are_spoken_of() -> None:
    assert advice(load=1.0, cores=2, threads=2) is None  # a set-up that has just ended
    assert advice(load=3.0, cores=2, threads=1) is None
    assert advice(load=1.0, cores=8, threads=4) is None
    said = advice(load=3.4, cores=2, threads=2)
    assert said is not None
    assert "load 3.4 on 2 cores" in said
    assert "OMP_NUM_THREADS=1" in said
