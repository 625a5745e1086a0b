"""Seconds from TIFF to TIFF, starts of programs included, by carescope and by CSBDeep in turns.

    python benchmarks/tiff_to_tiff.py --csbdeep ~/tfenv/bin/python --shape 100,1024,1024 --rounds 2

Both have two threads and a simulated stack; weights are drawn at random. --csbdeep names the Python
of an environment with csbdeep==0.8.2, tensorflow-cpu==2.19.1 and tifffile; its tiles are 128 pixels
wide, with which it takes about as much memory as carescope does.
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

import carescope as cs
from carescope import Recipe, model, net
from carescope.model import Model
from carescope.task import Task

NETWORKS = {
    "auto": {"name": "shuffle", "ndim": 3, "cell": [1, 2, 2]},
    "CARE": {"name": "care", "ndim": 3},
}
TILE_PX = 128
PEER = """
import sys, tempfile
import numpy as np, tensorflow as tf, tifffile
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(1)
from csbdeep.models import CARE, Config
config = Config("ZYX", 1, 1, unet_n_depth=2, unet_n_first=32, unet_kern_size=3)
with tempfile.TemporaryDirectory() as folder:
    network = CARE(config, "m", basedir=folder)
    stack = tifffile.imread(sys.argv[1])
    tiles = tuple(max(1, n // int(sys.argv[3])) for n in stack.shape[1:])
    tifffile.imwrite(sys.argv[2], network.predict(stack, "ZYX", n_tiles=(1, *tiles)))
"""
OURS = "from carescope.app.cli import main; main()"


def seconds(*command: object) -> float:
    """How long a program takes, on two threads."""
    began = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(list(map(str, command)), env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csbdeep", metavar="PYTHON")
    parser.add_argument("--shape", default="100,512,512")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    shape = tuple(map(int, given.shape.split(",")))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        grey = np.random.default_rng(0).poisson(20, shape).astype(np.uint16)
        cs.save(folder / "i.tif", cs.Image(grey, "ZYX", (1, 0.2, 0.2)))
        commands: dict[str, list[object]] = {}
        for name, architecture in NETWORKS.items():
            made = Model(net.build(**architecture), architecture, Recipe(),
                         Task(kind="denoise", axes="ZYX"))  # fmt: skip
            model.save(made, folder / name)
            out = ("--out", folder / f"{name}.tif", "--overwrite")
            commands[f"carescope, {name}"] = [
                sys.executable, "-c", OURS, "restore", folder / name, folder / "i.tif", *out,
            ]  # fmt: skip
        if given.csbdeep:
            files = (folder / "i.tif", folder / "csbdeep.tif")
            commands["csbdeep"] = [given.csbdeep, "-c", PEER, *files, TILE_PX]
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.rounds):
            for name, command in commands.items():
                took[name].append(seconds(*command))
    medians = {name: statistics.median(each) for name, each in took.items()}
    print("| program, network | seconds | times as fast as csbdeep |\n|---|---|---|")
    for name, each in took.items():
        beside = f"{medians['csbdeep'] / medians[name]:.1f}" if given.csbdeep else ""
        print(f"| {name} | {', '.join(f'{s:.0f}' for s in each)} | {beside} |")


if __name__ == "__main__":
    main()
