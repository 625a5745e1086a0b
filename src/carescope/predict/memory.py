"""How much memory restoring may still take, when the whole process is to stay below a limit."""

from __future__ import annotations

import os

from carescope.errors import OutOfMemoryError
from carescope.files.resident import installed_bytes, resident_bytes

#: What a block and its halo may take while it is restored, where nothing else is said. In blocks of
#: a gigabyte a network in 3D sees each pixel 4 times, as halos overlap, and 2.5 times in blocks of
#: four.
WORKING_MEMORY_BYTES = 4 << 30
#: What it may take on a small machine too.
SMALL_MEMORY_BYTES = 1 << 30
#: What a block's plan does not know of: the allocator's reserve, pages of files, small arrays.
RESERVE_BYTES = 150 << 20
#: So much of a limit may blocks exceed it by, once they are chosen: programs vary.
SLACK = 0.1
#: With less than this a block is more halo than block.
LEAST_BYTES = 48 << 20


def room(memory_bytes: int | None) -> int:
    """What a block may take: `left` of a limit, or where there is none one to four gigabytes.

    So much that a process for each core takes half of this machine's memory, whatever the number of
    processes: bytes do not depend on that.
    """
    if memory_bytes is not None:
        return left(memory_bytes)
    share = installed_bytes() // (2 * (os.cpu_count() or 1))
    return min(WORKING_MEMORY_BYTES, max(SMALL_MEMORY_BYTES, share))


def left(memory_bytes: int) -> int:
    """What a block may take so that the process stays below a limit, all that it holds included.

    Parameters
    ----------
    memory_bytes
        The limit on resident memory.

    Raises
    ------
    OutOfMemoryError
        What the process holds already leaves too little.
    """
    held = resident_bytes() + RESERVE_BYTES
    if memory_bytes - held < LEAST_BYTES:
        raise OutOfMemoryError(
            f"{memory_bytes / 1e9:.2g} GB are too little: the program itself and its libraries "
            f"take {held / 1e9:.2g} GB",
            where="--memory",
            remedy=f"Give at least {(held + LEAST_BYTES) / 1e9:.2g}GB",
        )
    return memory_bytes - held
