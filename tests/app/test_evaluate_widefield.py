"""`carescope evaluate --widefield`: where no truth is known, the recorded image is the witness."""

import json

import numpy as np
import pytest
from scipy import ndimage

from carescope import Image, metrics, read
from carescope.write import tiff

USAGE, INPUT, OUTPUT = 2, 3, 5


@pytest.fixture
def film(tmp_path):
    """Points, two time points and two channels, and the same seen through a wider focus."""
    rng = np.random.default_rng(0)
    sharp = 1000 * (rng.random((2, 2, 48, 56)) > 0.97) * rng.random((2, 2, 48, 56))
    sharp = ndimage.gaussian_filter(sharp, (0, 0, 0.8, 0.8))
    wide = 3 * ndimage.gaussian_filter(sharp, (0, 0, 2, 2)) + rng.normal(50, 4, sharp.shape)
    for name, grey in (("sharp", sharp), ("wide", wide)):
        image = Image(grey.astype(np.float32), "TCYX", (1, 0.1, 0.1), ("DNA", "actin"), frame_s=5.0)
        tiff.save(tmp_path / f"{name}.tif", image)
    return sharp.astype(np.float32), wide.astype(np.float32)


def test_each_channel_and_time_is_held_to_its_own(carescope, film, tmp_path):
    out = tmp_path / "errors.ome.tif"
    command = ("evaluate", tmp_path / "sharp.tif", tmp_path / "wide.tif", "--widefield")
    ended = carescope(*command, "--error-map", out, "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    sharp, wide = film
    each = [
        metrics.resolution_scaled_error(wide[t, c], sharp[t, c]) for t in (0, 1) for c in (0, 1)
    ]
    for name in ("rse", "rsp", "sigma_px", "gain", "offset"):
        assert told[name] == pytest.approx(np.mean([getattr(one, name) for one in each]), rel=1e-6)
    kept = read.open(out)
    assert (kept.axes, kept.channel_names, kept.frame_s) == ("TCYX", ("DNA", "actin"), 5)
    np.testing.assert_allclose(kept.array()[1, 0], each[2].error, rtol=1e-5)
    again = carescope(*command, "--error-map", out)
    assert again.code == OUTPUT
    assert carescope(*command, "--error-map", out, "--overwrite").code == 0


def test_means_of_frames_are_held_to_the_film_that_they_were_made_of(carescope, film, tmp_path):
    sharp, wide = film
    recorded = np.concatenate([wide, wide[:1] - 7])  # of five frames the last is no part of a mean
    recorded = np.repeat(recorded, [2, 2, 1], axis=0) + np.array([3, -3, 3, -3, 0])[
        :, None, None, None
    ].astype(np.float32)
    tiff.save(tmp_path / "film.tif", Image(recorded, "TCYX"))
    command = ("evaluate", tmp_path / "sharp.tif", tmp_path / "film.tif", "--widefield", "--json")
    assert "--average N" in carescope(*command).out
    ended = carescope(*command, "--average", 2)
    assert ended.code == 0, ended.err
    each = [metrics.resolution_scaled_error(wide[t, c], sharp[t, c]) for t, c in np.ndindex(2, 2)]
    assert json.loads(ended.out)["rse"] == pytest.approx(
        np.mean([one.rse for one in each]), rel=1e-4
    )


def test_what_does_not_go_together_is_refused(carescope, film, tmp_path):
    two = (tmp_path / "sharp.tif", tmp_path / "wide.tif")
    for more in (
        ("--widefield", "--labels"),
        ("--error-map", tmp_path / "e.tif"),
        ("--average", 2),
    ):
        assert carescope("evaluate", *two, *more).code == USAGE
    tiff.save(tmp_path / "one.tif", Image(film[1][0, 0], "YX"))
    ended = carescope("evaluate", two[0], tmp_path / "one.tif", "--widefield")
    assert ended.code == INPUT
    assert "same channels and time points" in ended.err
    tiff.save(tmp_path / "small.tif", Image(film[0][0, 0, :20], "YX"))
    assert (
        carescope("evaluate", tmp_path / "small.tif", tmp_path / "one.tif", "--widefield").code
        == INPUT
    )
    assert not (tmp_path / "e.tif").exists()
