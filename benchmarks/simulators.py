"""Time and peak memory of each phantom, and of what a microscope sees of it.

    python benchmarks/simulators.py --sides 128 256
    python benchmarks/simulators.py --phantoms nuclei --sides 512

Each run is a process of its own: density and labels are made and kept, then the density is
blurred by a confocal PSF and exposed. Times are those of one processor core, so that others at
work on the machine do not count; memory is the peak of the whole process, interpreter included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

COLUMNS = (
    "phantom",
    "voxels",
    "objects",
    "made (CPU s)",
    "peak (GB)",
    "recorded (CPU s)",
    "peak then (GB)",
)


def one(kind: str, side: int) -> list[str]:
    """Make one phantom and record it; a row of the table."""
    import numpy as np

    from carescope import phantoms, rng
    from carescope.jobs.settings import parsed
    from carescope.physics import camera, exposure, psf

    shape = (64, side, side) if kind == "epithelium" else (side,) * 3
    began = time.process_time()
    world = phantoms.KINDS[kind](shape, 1, **parsed(kind, []))
    density, labels = world.whole()
    made, memory = time.process_time() - began, peak_gb()
    spread = psf.confocal(1.1, 0.52, 1.33, (0.2, 0.2, 0.2))
    noise = camera.Noise(1.0, 100.0, 2.0)
    for channel in density if world.channels else [density]:
        clean = exposure.expected(channel, noise, photons=100.0, psf=spread)
        camera.expose(clean, noise, rng.generator(1, "benchmark"))
    recorded = time.process_time() - began - made
    count = np.count_nonzero(np.bincount(labels.ravel())[1:])
    size = " × ".join(map(str, shape))
    times = [f"{made:.1f}", f"{memory:.1f}", f"{recorded:.1f}", f"{peak_gb():.1f}"]
    return [kind, size, str(count), *times]


def peak_gb() -> float:
    """Largest memory of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms", nargs="+")
    parser.add_argument("--sides", nargs="+", type=int, default=[128, 256])
    parser.add_argument("--one", action="store_true", help="this process makes the only one")
    given = parser.parse_args()
    if given.one:
        print(f"| {' | '.join(one(given.phantoms[0], given.sides[0]))} |")
        return
    from carescope.phantoms import KINDS

    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for side in given.sides:
        for kind in given.phantoms or KINDS:
            again = ["--one", "--phantoms", kind, "--sides", str(side)]
            subprocess.run([sys.executable, Path(__file__), *again], check=True)


if __name__ == "__main__":
    main()
