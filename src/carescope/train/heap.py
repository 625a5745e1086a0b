"""Memory that one step of a training frees and the next one needs again, kept between them.

The C library of most Linux systems gives large pieces back to the system when they are freed, and
then every step begins with pages that have to be mapped and cleared anew: a third of the time of a
step of CARE's network in 3D, a tenth to a quarter of that of others. The price is memory, up to a
tenth more, as a heap has holes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from carescope.files.resident import glibc, release

# Parameters of mallopt(3), and what a process with large arrays comes to by itself.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = -1
_MOST_PIECES, _LARGE, _SPARE = 65_536, 32 << 20, 64 << 20


@contextmanager
def kept() -> Iterator[None]:
    """Let the heap keep what is freed, and give it back in the end; nothing but speed changes.

    Where the C library is another than glibc this does nothing.
    """
    library = glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_MMAP_MAX, _MOST_PIECES)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, _SPARE)
        release()
