"""Draw the README's picture from what ``make demo`` left in demo/.

python benchmarks/readme_picture.py demo docs/images/cells3d.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from carescope import read
from carescope.grid import Grid
from carescope.jobs.demo import EVERY, VOXEL_UM
from carescope.physics import sampling
from carescope.report.figures import comparison

ROW_Y, COLUMNS = 221, slice(40, 190)


def main(demo: Path, out: Path) -> None:
    """One axial section: interpolated, restored, restored with the optics, recorded."""
    thin = read.open(demo / "every_4th_plane.ome.tif")
    grid = Grid.of(thin, factor=float(EVERY))
    whole = read.open(demo / "nuclei.tif", axes="ZYX", voxel_um=VOXEL_UM)
    volumes = [
        ("every 4th plane, interpolated", sampling.upsample(thin.array().astype("f4"), grid)),
        ("restored", read.open(demo / "restored.ome.tif").array()),
        ("recorded: all planes", whole.array()[: grid.restored_planes]),
        ("restored, optics undone too", read.open(demo / "restored_with_optics.ome.tif").array()),
    ]
    panels = [(name, volume[:, ROW_Y, COLUMNS]) for name, volume in volumes]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(comparison(panels, (VOXEL_UM[0], VOXEL_UM[2]), columns=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
