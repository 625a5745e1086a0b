"""The axial blur that was found: in words, and as the figure of its fit."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from carescope import read
from carescope.errors import InputError
from carescope.physics import blind
from carescope.physics.blind import AxialBlur, Curves
from carescope.report.blur import axial_blur, fit, words
from carescope.report.figures import NARROW_IN, WIDE_IN

ESTIMATE = np.array([0xC1, 0x44, 0x0E]) / 255
INTERVAL = np.array([0xDB, 0xE6, 0xF1]) / 255


def found(sigma_um=0.5, interval_um=(0.4, 0.6), **changes):
    """What a fit of Gaussian blur would be without noise."""
    frequency = np.linspace(0, 1, 20)
    lateral = 1 / (1 + (4 * frequency) ** 2)
    blurred = lateral * np.exp(-((2 * np.pi * frequency * (sigma_um or 0.5)) ** 2))
    trials = np.append(0, np.geomspace(0.08, 5, 32))
    misfits = 0.1 + np.log((trials + 0.1) / ((sigma_um or 0.5) + 0.1)) ** 2
    given = {
        "sigma_split_um": sigma_um,
        "interval_um": interval_um,
        "sigma_xy_um": 0.25,
        "misfit": 0.08,
        "trials_um": trials,
        "misfits": misfits,
        "curves": (Curves(frequency, blurred - 1e-4, lateral, blurred, (0.1, 2.0)),),
    }
    return AxialBlur(**(given | changes))


def picture(png):
    return imread(io.BytesIO(png))[..., :3]


def columns_of(shown, colour):
    """In which columns of the right half most pixels have a colour."""
    half = shown[:, shown.shape[1] // 2 :]
    close = (np.abs(half - colour) < 0.02).all(axis=-1)
    close[: shown.shape[0] // 3] = False  # the legend
    return np.flatnonzero(close.sum(axis=0) > 0.1 * shown.shape[0])


def test_the_estimate_is_said_with_its_interval_and_what_follows():
    said = words(found())
    assert "σ = 0.5 µm (0.4 to 0.6 µm)" in said
    assert "differ by 8 %" in said
    # sqrt(0.5^2 + 0.25^2) = 0.559, and its width at half maximum 2.355 times that
    assert "σ = 0.559 µm in all, or 1.32 µm wide" in said


def test_no_blur_to_be_seen_is_said():
    said = words(found(0.0, (0.0, 0.12)))
    assert "no more blurred along z than across" in said
    assert "up to σ = 0.12 µm" in said


def test_what_cannot_be_told_is_said_in_one_sentence_without_a_figure():
    said, drawn = fit(AxialBlur(None, reason="7 planes are too few."))
    assert said == "The axial blur cannot be told from this stack. 7 planes are too few."
    assert drawn is None


def test_a_fit_that_is_not_believed_is_drawn_and_the_reason_said():
    said, drawn = fit(found(None, (0.1, 0.9), reason="Regions of the stack disagree."))
    assert said.endswith("Regions of the stack disagree.")
    assert drawn is not None
    shown = picture(axial_blur(found(None, (0.1, 0.9))))
    assert not columns_of(shown, ESTIMATE).size  # no estimate is marked


def test_the_estimate_is_marked_within_its_interval():
    shown = picture(axial_blur(found(0.5, (0.4, 0.6))))
    line, band = columns_of(shown, ESTIMATE), columns_of(shown, INTERVAL)
    assert 0 < line.max() - line.min() < 10
    assert band.min() < line.min()
    assert line.max() < band.max()
    # from the estimate the band reaches as far to either side
    assert line.mean() == pytest.approx((band.min() + band.max()) / 2, abs=4)


def test_of_several_stacks_the_first_is_shown_and_said():
    _, drawn = fit(found(curves=found().curves * 3))
    assert "first of 3 channels or stacks" in drawn.caption


@pytest.mark.parametrize("width", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sigma_um": 0.0, "interval_um": (0.0, 0.1)},
        {"interval_um": (0.0, 40.0)},
        {"interval_um": None},
        {"misfits": np.zeros(33)},
        {"misfits": None, "trials_um": None},
        {"curves": (Curves(np.linspace(0, 1, 4), *[np.full(4, -1e-9)] * 3, (0.1, 2)),)},
    ],
)
def test_fits_of_any_kind_are_drawn_at_the_width_asked(changes, width):
    shown = picture(axial_blur(found(**changes), width_in=width))
    assert shown.shape[1] == pytest.approx(200 * width, abs=1)
    assert shown.std() > 0.02


def test_without_curves_there_is_no_figure():
    with pytest.raises(InputError, match="no blur was fitted"):
        axial_blur(AxialBlur(None, reason="x"))


def test_the_fit_of_a_real_stack_is_drawn():
    data = os.environ.get("CARESCOPE_DATA")
    if not data:
        pytest.skip("CARESCOPE_DATA is not set: no real stack to find the blur of")
    path = Path(data) / "iso_cells3d_nuclei" / "nuclei.tif"
    blur = blind.estimate(read.open(path, axes="ZYX", voxel_um=(0.29, 0.26, 0.26)))
    said, drawn = fit(blur)
    assert f"σ = {blur.sigma_split_um:.3g} µm" in said
    assert drawn is not None
    line = columns_of(picture(axial_blur(blur)), ESTIMATE)
    assert 0 < line.max() - line.min() < 10
