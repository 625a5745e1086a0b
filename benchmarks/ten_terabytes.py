"""Into how many blocks ten terabytes fall, and what restoring them takes: computed, nothing is run.

    python benchmarks/ten_terabytes.py

The table of docs/cluster.md: an image of 5,000 planes of 31,623 x 31,623 pixels of 16 bits, and the
3D network that `train denoise` takes. Reading is counted in whole chunks of 64^3 voxels.
"""

from __future__ import annotations

import math

from carescope import Recipe, engine, net, predict
from carescope.engine.choose import operations
from carescope.model import Model
from carescope.task import Task

SHAPE, CHUNK, VOXEL_BYTES = (5000, 31623, 31623), 64, 2
#: What a process holds when it begins.
HELD = 330_000_000
MEMORY = (4_500_000_000, 32_000_000_000, 64_000_000_000)
ENGINES = ("torch float32", "openvino bfloat16")


def chunks_read(size: tuple[int, int, int], halo: tuple[int, ...]) -> float:
    """Voxels of all chunks that blocks with their halos touch, for each voxel that there is."""
    shares = []
    for length, block, reach in zip(SHAPE, size, halo, strict=True):
        touched = 0
        for start in range(0, length, block):
            first, last = max(start - reach, 0), min(start + block + reach, length)
            touched += min(-(-last // CHUNK) * CHUNK, length) - first // CHUNK * CHUNK
        shares.append(touched / length)
    return math.prod(shares)


def main() -> None:
    """Print the table."""
    task = Task(kind="denoise", axes="ZYX")
    architecture = net.resolve("auto", task, planes=SHAPE[0])
    network = net.build(**architecture)
    weights = sum(p.numel() for p in network.parameters())
    plain = Model(network, architecture, Recipe(), task)
    reach, voxels = net.reach(network), math.prod(SHAPE)
    print(f"{architecture}, {weights:,} weights, reach {reach}, {operations(plain):,.0f} a voxel\n")
    print("| engine | memory | block | blocks | seen | read | products |\n|" + "---|" * 7)
    for by in ENGINES:
        model = engine.accelerated(plain, by)
        for memory in MEMORY:
            size = predict.block_size(model, SHAPE, predict.room(memory, HELD, by))
            count = math.prod(-(-n // b) for n, b in zip(SHAPE, size, strict=True))
            seen = predict.seen_px(model, SHAPE, size)
            read = VOXEL_BYTES * voxels * chunks_read(size, reach) / 1e12
            print(
                f"| {by} | {memory / 1e9:g} GB | {' x '.join(map(str, size))} | {count:,} of "
                f"{math.prod(size) * VOXEL_BYTES / 1e6:.1f} MB | {seen / voxels:.2f} | "
                f"{read:.0f} TB | {seen * operations(plain):.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
