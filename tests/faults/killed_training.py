"""Runs one training command again and again and kills it, until it ends by itself.

A program of its own, so that it can fork children that have imported everything already:

    python killed_training.py FOLDER KILLS SEED -- train isotropic STACK --model MODEL ...

It trains in FOLDER/<n> until KILLS children were killed and all that was begun is finished, and
prints one JSON line for each finished training.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from carescope.app import cli
from carescope.jobs import learning  # noqa: F401 - imported once, for all children
from carescope.recipe import Recipe
from carescope.train import loop

DONE, THERE_ALREADY = 0, 5
TOUCHES = ("fsync", "replace", "link", "unlink", "rmdir")


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(number):
    """Die before or after the file system is touched for the `number`-th time, or half-way."""
    touched = [0]

    def deadly(work, halfway=None):
        def called(*arguments, **options):
            touched[0] += 1
            if touched[0] == number:
                moment = random.choice(["before", "after", "half-way" if halfway else "after"])
                if moment == "half-way":
                    halfway(*arguments)
                elif moment == "after":
                    work(*arguments, **options)
                die()
            return work(*arguments, **options)

        return called

    def half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])

    for name in TOUCHES:
        setattr(os, name, deadly(getattr(os, name)))
    Path.write_bytes = deadly(Path.write_bytes, half)


def child(arguments, die_after=None):
    """Run the command in a child; returns its process id."""
    number = os.fork()
    if number:
        return number
    torch.set_num_threads(1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    if die_after is None:
        os.dup2(silent, 2)
    sys.argv = ["carescope", *arguments]
    code = 1
    try:
        if die_after:
            die_at(die_after)
        cli.main()
        code = 0
    except SystemExit as ending:
        code = ending.code or 0
    finally:
        os._exit(code)


def ended(number, seconds=None):
    """Wait for a child, and kill it after some seconds; None where it was killed."""
    if seconds is not None:
        time.sleep(seconds)
        os.kill(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main():
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    command = sys.argv[5:]
    random.seed(seed)
    torch.set_num_threads(1)
    loop.SECONDS_BETWEEN_CHECKPOINTS = 0.02
    Recipe.model_fields["steps_per_epoch"].default = 7
    Recipe.model_rebuild(force=True)

    def arguments(place):
        return [str(place) if each == "MODEL" else each for each in command]

    def finished(place, killed):
        print(json.dumps({"place": str(place), "killed": killed}), flush=True)

    began = time.monotonic()
    code = ended(child(arguments(folder / "whole")))
    whole_s = time.monotonic() - began
    if code != DONE:
        sys.exit(f"the whole training ended with {code}")
    finished(folder / "whole", {})
    left, attempt = kills, 0
    while left > 0:
        place, killed, code = folder / str(attempt), Counter(), None
        while code is None:
            how = random.choice(["clock", "file"]) if left > 0 else "spared"
            if how == "clock":
                code = ended(child(arguments(place)), random.uniform(0.02, 0.7 * whole_s))
            elif how == "file":
                code = ended(child(arguments(place), random.randint(1, 150)))
            else:
                code = ended(child(arguments(place)))
            if code is None:
                killed[how] += 1
                left -= 1
        if code not in (DONE, THERE_ALREADY):
            sys.exit(f"{place} after {dict(killed)} kills ended with {code}")
        finished(place, dict(killed))
        attempt += 1


if __name__ == "__main__":
    main()
