"""Runs one restoring command again and again and kills it, until it ends by itself.

A program of its own, so that it can fork children that have imported everything already:

    python killed_restoring.py FOLDER KILLS SEED -- restore MODEL INPUT --out OUT.zarr ...

LITTLE stands for what such a child holds, and a hundred megabytes. It restores in FOLDER/<n>, from
where the command's names are seen, until KILLS children were killed and all that was begun is
finished, and prints one JSON line for each finished folder.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import killed_training
import torch
import zarr  # noqa: F401 - imported once, for all children
from killed_training import DONE, THERE_ALREADY, child, ended

from carescope.files.resident import resident_bytes
from carescope.jobs import restore  # noqa: F401
from carescope.predict import memory

killed_training.TOUCHES = (*killed_training.TOUCHES, "rename", "mkdir")

LITTLE = "LITTLE"
#: A third of it goes into what a child imports; the rest lies between 64 and 76 MB, to which room
#: for blocks is rounded.
LEFT_BYTES = 100 << 20


def main():
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    random.seed(seed)
    torch.set_num_threads(1)
    memory.WORKING_MEMORY_BYTES = 1 << 20
    little = resident_bytes() + memory.RESERVE_BYTES + LEFT_BYTES
    command = [str(little) if word == LITTLE else word for word in sys.argv[5:]]

    def place(name):
        (folder / name).mkdir()
        os.chdir(folder / name)  # the command, which the metadata hold, is the same everywhere
        return str(folder / name)

    whole = place("whole")
    began = time.monotonic()
    code = ended(child(command))
    whole_s = time.monotonic() - began
    if code != DONE:
        sys.exit(f"the whole restoration ended with {code}")
    print(json.dumps({"place": whole, "killed": {}}), flush=True)
    left, attempt = kills, 0
    while left > 0:
        here, killed, code = place(str(attempt)), Counter(), None
        while code is None:
            how = random.choice(["clock", "file"]) if left > 0 else "spared"
            if how == "clock":
                code = ended(child(command), random.uniform(0.02, whole_s))
            elif how == "file":
                code = ended(child(command, random.randint(1, 160)))
            else:
                code = ended(child(command))
            if code is None:
                killed[how] += 1
                left -= 1
        if code not in (DONE, THERE_ALREADY):
            sys.exit(f"{here} after {dict(killed)} kills ended with {code}")
        print(json.dumps({"place": here, "killed": dict(killed)}), flush=True)
        attempt += 1


if __name__ == "__main__":
    main()
