"""``carescope psf beads``: a PSF that restoring can use, or one sentence."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from carescope import Image, read
from carescope.jobs.inputs import Optics
from carescope.physics.psf import gaussian
from carescope.physics.widths import fwhm_um
from carescope.write import tiff

VOXEL_UM = (0.3, 0.1, 0.1)
SIGMA = (2.5, 1.6, 1.6)


@pytest.fixture
def beads(tmp_path):
    """Five beads, one of them close to another, as a file of two channels."""

    def line(n, at, sigma):
        return np.exp(-0.5 * ((np.arange(n) - at) / sigma) ** 2)

    light = np.random.default_rng(0).normal(100, 3, (2, 25, 128, 128))
    for at in ((12.3, 30, 30.4), (12, 31, 95.5), (12.4, 90, 35), (11.8, 90, 90), (12, 97, 97)):
        z, y, x = (line(n, c, s) for n, c, s in zip((25, 128, 128), at, SIGMA, strict=True))
        light[1] += 800 * z[:, None, None] * y[:, None] * x
    stack = Image(light.astype(np.uint16), "CZYX", VOXEL_UM, ("empty", "beads"))
    tiff.save(tmp_path / "beads.ome.tif", stack)
    return tmp_path / "beads.ome.tif"


def test_it_writes_what_restoring_takes(carescope, beads, tmp_path):
    out = tmp_path / "psf.ome.tif"
    ended = carescope("psf", "beads", beads, "--channel", 1, "--out", out, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert facts["beads found"] == 5
    assert facts["beads used"] == 3
    assert facts["beads too near another"] == 2
    assert facts["warnings"] == []
    written = read.open(out)
    assert written.voxel() == pytest.approx(VOXEL_UM)
    assert written.dtype == np.float32
    assert written.array().sum() == pytest.approx(1, rel=1e-4)
    assert read.provenance_of(out)["beads"] == "3 of 5 in beads.ome.tif"
    true = gaussian(tuple(s * v for s, v in zip(SIGMA, VOXEL_UM, strict=True)), VOXEL_UM)
    used = Optics(psf=str(out)).point_spread(VOXEL_UM)
    np.testing.assert_allclose(fwhm_um(used), fwhm_um(true), rtol=0.05)
    told = [float(w) for w in facts["fwhm_um (z, y, x)"].split(", ")]
    np.testing.assert_allclose(told, fwhm_um(used), rtol=0.02)


def test_people_read_counts_and_warnings(carescope, beads, tmp_path):
    given = ("psf", "beads", beads, "--channel", 1, "--out", tmp_path / "psf.tif")
    ended = carescope(*given, "--bead-um", 0.3, "--voxel-um", "0.6,0.2,0.2")
    assert ended.code == 0
    assert "beads used" in ended.out
    assert "warning: Beads of 0.3 um are larger than a third of the lateral width" in ended.err
    assert read.open(tmp_path / "psf.tif").voxel() == pytest.approx((0.6, 0.2, 0.2))
    again = carescope(*given)
    assert again.code == 5
    assert "--overwrite" in again.err
    assert carescope(*given, "--overwrite").err == ""


@pytest.mark.parametrize(
    ("code", "arguments", "says"),
    [
        (3, ["beads", "FILE"], "--channel"),
        (3, ["beads", "FILE", "--channel", "0"], "shows no bead"),
        (2, ["beads"], "STACK"),
        (2, ["beads", "FILE", "--channel", "1", "--na", "1"], "--na"),
        (2, ["beads", "FILE", "--channel", "1", "--bead-um", "-1"], "--bead-um"),
        (3, ["beads", "absent.tif"], "absent.tif"),
        (2, ["gaussian", "FILE", "--sigma-um", "1", "--voxel-um", "0.1"], "beads.ome.tif"),
        (2, ["gaussian", "--sigma-um", "1", "--voxel-um", "0.1", "--bead-um", "1"], "--bead-um"),
        (2, ["gaussian", "--sigma-um", "1", "--voxel-um", "0.1", "--axes", "ZYX"], "--axes"),
        (2, ["gaussian", "--sigma-um", "1"], "--voxel-um"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(refused, beads, tmp_path, code, arguments, says):
    given = [str(beads) if a == "FILE" else a for a in arguments]
    said = refused(code, "psf", *given, "--out", tmp_path / "psf.tif")
    assert says in said
    assert said.count("\n") == 1


def test_its_own_input_is_never_replaced(refused, beads):
    said = refused(2, "psf", "beads", beads, "--channel", 1, "--out", beads, "--overwrite")
    assert "is what is read" in said


@pytest.mark.skipif("CARESCOPE_DATA" not in os.environ, reason="CARESCOPE_DATA is not set")
def test_a_real_stack_of_one_bead(carescope, tmp_path):
    source = Path(os.environ["CARESCOPE_DATA"]) / "psf_pyotf" / "BIL113_zstack_z300nm.tif"
    given = ("--axes", "ZYX", "--voxel-um", "0.3,0.1,0.1", "--json")
    ended = carescope("psf", "beads", source, "--out", tmp_path / "psf.tif", *given)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["beads used"] == 1
