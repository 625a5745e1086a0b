"""Freed memory is kept while a training runs, and given back after it."""

import json
import platform
import resource
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="only glibc can be told to keep freed memory",
)
LARGE = 100 << 20
#: In a program of its own: what earlier tests did to the heap shows.
PROGRAM = f"""
import json, resource
import numpy as np
from carescope.train import heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones({LARGE} // 8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

told = {{"before": resident()}}
with heap.kept():
    faults()
    told["second"] = faults()
    told["kept"] = resident()
told["after"] = resident()
try:
    with heap.kept():
        raise KeyError(faults())
except KeyError:
    told["after an exception"] = resident()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(in_a_process):
    """Pages mapped while a large array is made and freed, and bytes resident."""
    ended = in_a_process(PROGRAM)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_pages_are_mapped_once(told):
    pages = LARGE // resource.getpagesize()
    assert told["second"] < pages / 20


def test_what_was_kept_is_given_back(told):
    assert told["kept"] - told["before"] > LARGE / 2
    assert told["after"] - told["before"] < LARGE / 2


def test_it_ends_with_an_exception_too(told):
    assert told["after an exception"] - told["before"] < LARGE / 2
