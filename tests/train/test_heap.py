"""Freed memory is kept while a training runs, and given back after it."""

import ctypes
import platform
import resource
import sys
from pathlib import Path

import numpy as np
import pytest

from carescope.train import heap

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="only glibc can be told to keep freed memory",
)
LARGE = 100 << 20


@pytest.fixture(autouse=True)
def nothing_kept_from_earlier_tests():
    """What they freed would be used again, and no new memory be asked for."""
    ctypes.CDLL(None).malloc_trim(0)


def faults() -> int:
    """Pages mapped while a large array is made and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(LARGE // 8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_pages_are_mapped_once():
    pages = LARGE // resource.getpagesize()
    with heap.kept():
        faults()
        assert faults() < pages / 20


def test_what_was_kept_is_given_back():
    with heap.kept():
        before = resident()
        faults()
        assert resident() - before > LARGE / 2
    assert resident() - before < LARGE / 2


def test_it_ends_with_an_exception_too():
    before = resident()
    with pytest.raises(KeyError), heap.kept():
        raise KeyError(faults())
    assert resident() - before < LARGE / 2
