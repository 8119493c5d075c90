import resource

import pytest
import torch

from mnasnet.train.memory import keep_freed_memory


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
