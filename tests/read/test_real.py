"""Files from real microscopes; the voxel sizes are those that Fiji or their sources state."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from carescope import read
from carescope.errors import InputError

FOLDER = os.environ.get("CARESCOPE_DATA", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="set CARESCOPE_DATA to the folder of real images to run this"
)

KNOWN = {
    "iso_flybrain/flybrain.tif": ("ZYX", (57, 256, 256), (3.947, 2.676, 2.676)),
    "neubias_3d/xyzc_16bit__dna_conf_wf.tif": ("ZCYX", (45, 2, 130, 133), (0.499, 0.512, 0.512)),
    "neubias_3d/xyz_16bit__spots.tif": ("ZYX", (17, 88, 89), (0.4, 0.0941, 0.0941)),
    "neubias_3d/xyz_nuclear_envelope_drosophila.tif": ("ZYX", (14, 224, 305), (1, 0.2416, 0.2416)),
    "gran_telomeres/timelapse_telomeres_2d.tif": ("TYX", (200, 133, 162), (1, 0.11, 0.11)),
    "neubias_mt/xyc_16bit__cell_dna_mts_actin.tif": ("CYX", (3, 350, 350), (0.5, 0.1325, 0.1325)),
    "iso_iitgoa_nuclei/Series006.tif": ("ZYX", (28, 1024, 1024), None),
    "paired_w2s/avg1/001_0.tif": ("YX", (512, 512), None),
}  # fmt: skip

UNNAMED = {
    "iso_cells3d_nuclei/nuclei.tif": "ZYX",
    "proj_epitools_4d/181210_DM_CellMOr_subsub_reg_decon-1_cropped.tif": "TZYX",
    "psf_pyotf/BIL113_zstack_z300nm.tif": "ZYX",
}


@pytest.mark.parametrize("name", KNOWN)
def test_axes_and_voxel_size_are_found(name):
    image = read.open(Path(FOLDER) / name)
    axes, shape, voxel_um = KNOWN[name]
    assert (image.axes, image.shape) == (axes, shape)
    assert image.voxel_um == (voxel_um and pytest.approx(voxel_um, rel=2e-3))


@pytest.mark.parametrize("name", UNNAMED)
def test_unnamed_axes_are_asked_for(name):
    path = Path(FOLDER) / name
    with pytest.raises(InputError, match="--axes"):
        read.open(path)
    assert read.open(path, axes=UNNAMED[name]).axes == UNNAMED[name]


@pytest.mark.parametrize("name", [*KNOWN, *UNNAMED])
def test_pixels_are_those_of_another_reader(name):
    path = Path(FOLDER) / name
    image = read.open(path, axes=UNNAMED.get(name))
    np.testing.assert_array_equal(image.array(), tifffile.imread(path).reshape(image.shape))
