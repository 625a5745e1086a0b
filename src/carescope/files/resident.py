"""The memory that this process holds, and that there is."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

_ARENA_MAX = -8  # a parameter of mallopt(3)


def resident_bytes() -> int:
    """The memory that this process holds; where only its maximum so far is known, that."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return _most_bytes()
    import resource

    return pages * resource.getpagesize()


def kept_bytes() -> int:
    """What this process holds when all that it freed is given back: it varies less by run."""
    release()
    return resident_bytes()


def share_heaps() -> None:
    """Have all threads of this process take memory from two heaps, where its C library is glibc.

    Each thread would get one of its own, with holes of its own: those that read, unpack and write
    blocks of 80 MB held 700 MB together, and 480 so. To be called before there are threads.
    """
    if library := glibc():
        library.mallopt(_ARENA_MAX, 2)


def release() -> None:
    """Give memory that was freed back to the system, where the C library is glibc."""
    if library := glibc():
        library.malloc_trim(0)


def glibc() -> ctypes.CDLL | None:
    """The C library of this process, where it is glibc; others have no mallopt like its own."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        return ctypes.CDLL(None)
    return None


def installed_bytes() -> int:
    """The memory of this machine, or what this program may take of it; 4 GB where nobody says."""
    found = [4 << 30]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container
        try:
            found.append(int((Path("/sys/fs/cgroup") / limit).read_text()))
        except (OSError, ValueError):
            continue
    return min(found)


def _most_bytes() -> int:
    if sys.platform == "win32":
        return 400 << 20  # about what torch and Python take
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
