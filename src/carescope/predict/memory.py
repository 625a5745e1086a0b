"""How much memory restoring may still take, when the whole process is to stay below a limit."""

from __future__ import annotations

import math
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
#: What an engine takes itself, once it is ready; measured with networks of a megabyte.
READY_BYTES = {"openvino": 90 << 20}
#: So much of a limit may blocks exceed it by, once they are chosen: programs vary.
SLACK = 0.1
#: With less than this a block is more halo than block.
LEAST_BYTES = 48 << 20


def room(memory_bytes: int | None, held: int | None = None, by: str = "") -> int:
    """What a block may take: `left` of a limit, or where there is none one to four gigabytes.

    So much that a process for each core takes half of this machine's memory, whatever the number of
    processes: bytes do not depend on that. Nor are they to depend on what a process did before the
    first block, such as trying engines. So what is left is counted from what it held when it began,
    and rounded down by up to a sixth, to a power of the fourth root of 2.

    Parameters
    ----------
    memory_bytes
        The limit on resident memory.
    held
        What the process held when it began; what it holds now where None, or where that is more by
        more than the limit may be exceeded by.
    by
        The engine that restores.
    """
    if memory_bytes is not None:
        now = resident_bytes()
        if held is not None:
            ready = held + READY_BYTES.get(by.partition(" ")[0], 0)
            now = max(ready, now - int(SLACK * memory_bytes))
        return int(2 ** (math.floor(4 * math.log2(left(memory_bytes, now))) / 4))
    share = installed_bytes() // (2 * (os.cpu_count() or 1))
    return min(WORKING_MEMORY_BYTES, max(SMALL_MEMORY_BYTES, share))


def left(memory_bytes: int, held: int) -> int:
    """What a block may take so that the process stays below a limit, all that it holds included.

    Parameters
    ----------
    memory_bytes
        The limit on resident memory.
    held
        What the process holds.

    Raises
    ------
    OutOfMemoryError
        What the process holds already leaves too little.
    """
    held += RESERVE_BYTES
    if memory_bytes - held < LEAST_BYTES:
        raise OutOfMemoryError(
            f"{memory_bytes / 1e9:.2g} GB are too little: the program itself and its libraries "
            f"take {held / 1e9:.2g} GB",
            where="--memory",
            remedy=f"Give at least {(held + LEAST_BYTES) / 1e9:.2g}GB",
        )
    return memory_bytes - held
