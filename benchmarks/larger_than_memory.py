"""Peak memory of restoring a small and a large volume, and one process beside two workers.

    python benchmarks/larger_than_memory.py --planes 50 800 --memory 2GB
    python benchmarks/larger_than_memory.py --planes 50 --workers 1 2 --network auto --rounds 3

Planes of 2048 x 2048 pixels of 16 bits, 8.4 MB each, from OME-Zarr to OME-Zarr. The memory is that
of all processes together, looked at every 50 ms; pages that they share are counted once a process.
The network is a small one, so that the large volume takes minutes, or with --network auto that of
`train denoise`; its weights are random. Runs take turns; before each, most of the free memory is
written to and given back, as a virtual machine's host may have to fetch it first, which takes
seconds a gigabyte and so favours who needs less. Needs psutil.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from carescope import model, net
from carescope.experiments.peers.carescope_peer import random_model
from carescope.experiments.races import TASKS
from carescope.files.processor import cores
from carescope.write import zarr

SIDE = 2048
NETWORKS = {
    "small": {"name": "shuffle", "ndim": 3, "cell": [1, 4, 4], "depth": 1, "first_filters": 8},
    "auto": net.resolve("auto", TASKS["3D"], planes=50),
}
OURS = "from carescope.app.cli import main; main()"


def simulate(path: Path, planes: int) -> None:
    """Noise about a level, a slab of planes at a time."""
    noise = np.random.default_rng(0).poisson(300, (64, SIDE, SIDE)).astype(np.uint16)
    shape = (planes, SIDE, SIDE)
    with zarr.create(
        path, shape=shape, axes="ZYX", dtype=np.uint16, voxel_um=(1.0, 0.2, 0.2)
    ) as volume:
        deep = volume.levels[0].shard[0]
        for first in range(0, planes, deep):
            count = min(deep, planes - first)
            volume[first : first + count, :, :] = noise[np.arange(count) % len(noise)]


def resident(process: psutil.Process) -> int:
    """Bytes that a process holds; none where it has just ended."""
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def fetch() -> None:
    """Write to most of the free memory, a byte a page."""
    np.empty(int(0.6 * psutil.virtual_memory().available), np.uint8)[::4096] = 0


def run(command: list[object]) -> tuple[float, int]:
    """Seconds that a program takes, and the most memory of it and its children, in bytes."""
    fetch()
    began, most = time.perf_counter(), 0
    environment = os.environ | {"OMP_NUM_THREADS": str(cores())}
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.DEVNULL
    ) as program:
        watched = psutil.Process(program.pid)
        while program.poll() is None:
            most = max(most, sum(map(resident, [watched, *watched.children(recursive=True)])))
            time.sleep(0.05)
    if program.returncode:
        raise SystemExit(f"ended with {program.returncode}: {command}")
    return time.perf_counter() - began, most


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--planes", type=int, nargs="+", default=[50])
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--memory", help="of all processes; the default lets a block take 4 GB")
    parser.add_argument("--network", choices=list(NETWORKS), default="small")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    found: dict[tuple[int, int], list[tuple[float, int]]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model.save(random_model(NETWORKS[given.network]), folder / "model")
        for planes in given.planes:
            simulate(folder / f"{planes}.zarr", planes)
        for _ in range(given.rounds):
            for planes in given.planes:
                for workers in given.workers:
                    command = [
                        sys.executable, "-c", OURS, "restore", folder / "model",
                        folder / f"{planes}.zarr", "--out", folder / "out.zarr", "--overwrite",
                        "--engine", given.engine, "--json",
                        *(["--memory", given.memory] if given.memory else []),
                        *(["--workers", workers] if workers > 1 else []),
                    ]  # fmt: skip
                    found.setdefault((planes, workers), []).append(run(command))
    print("| GB of 16 bits | processes | seconds | peak memory (GB) |\n|---|---|---|---|")
    for (planes, workers), each in found.items():
        size = planes * SIDE**2 * 2 / 1e9
        seconds = ", ".join(f"{s:.0f}" for s, _ in each)
        most = statistics.median(m for _, m in each) / 1e9
        print(f"| {size:.1f} | {workers} | {seconds} | {most:.2f} |")


if __name__ == "__main__":
    main()
