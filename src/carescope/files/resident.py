"""The memory that this process holds."""

from __future__ import annotations

import sys
from pathlib import Path


def resident_bytes() -> int:
    """The memory that this process holds; where only its maximum so far is known, that."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return _most_bytes()
    import resource

    return pages * resource.getpagesize()


def _most_bytes() -> int:
    if sys.platform == "win32":
        return 400 << 20  # about what torch and Python take
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
