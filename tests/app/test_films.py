"""Films through `restore`, file to file: order of axes, sizes, names, and grey levels in time."""

import numpy as np
import pytest
import tifffile
import torch

from carescope import Ensemble, Image, Recipe, net, normalize, predict, read
from carescope import model as models
from carescope.model import Model
from carescope.task import Task
from carescope.write import tiff

LENGTHS = {"T": 3, "C": 2, "Z": 6, "Y": 40, "X": 52}
VOXEL_UM = (0.5, 0.1, 0.1)


def model(ndim, channels, seed=0):
    """A network that changes what it sees, and predicts scales."""
    architecture = {"name": "shuffle", "ndim": ndim, "channels": channels, "depth": 1}
    architecture |= {"first_filters": 4, "scales": True}
    network = net.build(**architecture, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=generator)
    sizes = {"channels_in": channels, "channels_out": channels}
    task = Task(kind="denoise", axes="ZYX"[-ndim:], **sizes)
    return Model(network, architecture, Recipe(loss="laplace"), task)


def film(axes):
    """Dimmer from time point to time point, each channel with grey levels of its own."""
    rng = np.random.default_rng(0)
    grey = 100 + 900 * rng.random([LENGTHS[a] for a in axes])
    for axis, step in (("T", 0.8), ("C", 0.3)):
        if axis in axes:
            at = axes.index(axis)
            by = step ** np.arange(LENGTHS[axis])
            grey = grey * by.reshape([-1 if i == at else 1 for i in range(grey.ndim)])
    return grey.astype(np.uint16)


def save_as(kind, path, axes, grey):
    """A file as other programs write it; ImageJ knows one order of axes alone."""
    pixel = 1 / VOXEL_UM[2]
    if kind == "imagej":
        known = "".join(a for a in "TZCYX" if a in axes)
        grey = grey.transpose([axes.index(a) for a in known])
        metadata = {"axes": known, "unit": "um", "spacing": VOXEL_UM[0], "finterval": 2.0}
        tifffile.imwrite(path, grey, imagej=True, resolution=(pixel, pixel), metadata=metadata)
        return
    metadata = {"axes": axes, "TimeIncrement": 2.0}
    for axis, size in zip("ZYX", VOXEL_UM, strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if "C" in axes:
        metadata["Channel"] = {"Name": ["DNA", "actin"]}
    tifffile.imwrite(path, grey, ome=True, metadata=metadata)


@pytest.mark.parametrize(
    ("kind", "ndim", "axes"),
    [
        ("imagej", 2, "TYX"),
        ("imagej", 2, "TCYX"),
        ("imagej", 3, "TZYX"),
        ("imagej", 3, "TZCYX"),
        ("ome", 2, "CTYX"),
        ("ome", 2, "TZYX"),
        ("ome", 3, "ZTYX"),
        ("ome", 3, "TCZYX"),
    ],
)
def test_a_film_comes_back_as_it_was_laid_out(carescope, tmp_path, kind, ndim, axes):
    channels = 2 if "C" in axes else 1
    learnt, grey, path = model(ndim, channels), film(axes), tmp_path / "film.tif"
    models.save(learnt, tmp_path / "m")
    save_as(kind, path, axes, grey)
    ended = carescope("restore", tmp_path / "m", path, "--out", tmp_path / "o.tif", "--spread")
    assert ended.code == 0, ended.err
    restored = read.open(tmp_path / "o.tif")
    ordered = "".join(a for a in "TCZYX" if a in axes)
    assert restored.axes == ordered
    assert restored.shape == tuple(LENGTHS[a] for a in ordered)
    assert restored.voxel_um[1:] == pytest.approx(VOXEL_UM[1:])
    assert restored.frame_s == 2
    if "Z" in axes:
        assert restored.voxel_um[0] == pytest.approx(VOXEL_UM[0])
    if kind == "ome" and "C" in axes:
        assert restored.channel_names == ("DNA", "actin")
    scale = read.open(tmp_path / "o_scale.ome.tif")
    assert (scale.axes, scale.shape) == (restored.axes, restored.shape)
    # Each frame is what the network makes of it under the film's percentiles.
    whole = Image(grey.transpose([axes.index(a) for a in ordered]), ordered, VOXEL_UM)
    maps = normalize.fit(whole, learnt.recipe.percentiles)
    wanted = np.empty(whole.shape, np.float32)
    for t, frame in enumerate(whole.frames()):
        block = tuple(slice(0, n) for n in frame.shape[1:])
        mean = predict.restore_block(learnt, frame, maps, block).mean
        wanted[t] = mean.reshape(wanted[t].shape)
    np.testing.assert_allclose(restored.array(), wanted, atol=1e-5 * np.ptp(wanted))
    seen = tifffile.imread(tmp_path / "o.tif")
    np.testing.assert_array_equal(seen, restored.array())  # others find the axes in place too


@pytest.mark.parametrize("axes", ["TYX", "TZYX"])
def test_a_film_does_not_flicker(carescope, tmp_path, axes):
    """What lights up in one time point leaves the grey levels of the same thing elsewhere alike."""
    frame = film(axes[1:])
    still = np.stack([frame] * 3)
    lit = [np.arange(n) < n // 4 for n in frame.shape]
    still[1][np.ix_(*lit)] = 60_000
    ndim = len(axes) - 1
    several = Ensemble([model(ndim, 1, seed) for seed in range(2)])
    for one in several.members:  # adds the same to every pixel, in units of the film's range
        torch.nn.init.zeros_(one.network.head.weight)
    models.save(several, tmp_path / "m")
    tiff.save(tmp_path / "film.ome.tif", Image(still, axes, VOXEL_UM))
    command = ("restore", tmp_path / "m", tmp_path / "film.ome.tif", "--out", tmp_path / "o.tif")
    assert carescope(*command).code == 0
    restored = read.open(tmp_path / "o.tif").array()
    np.testing.assert_array_equal(restored[0], restored[2])
    dark = still[1] < 60_000
    np.testing.assert_allclose(restored[1][dark], restored[0][dark], rtol=1e-4)


def test_means_of_frames_are_restored(carescope, tmp_path):
    """As if the means had been saved, and restored without the option."""
    grey = film("TYX")
    models.save(model(2, 1), tmp_path / "m")
    save_as("ome", tmp_path / "film.ome.tif", "TYX", grey)
    means = grey[:2].mean(axis=0, keepdims=True).astype(np.float32)
    save_as("ome", tmp_path / "means.ome.tif", "TYX", np.concatenate([means, means]))
    for name, more in (("film", ("--average", 2)), ("means", ("--timepoint", 0))):
        out = tmp_path / f"{name}_out.tif"
        ended = carescope(
            "restore", tmp_path / "m", tmp_path / f"{name}.ome.tif", "--out", out, *more
        )
        assert ended.code == 0, ended.err
        assert ("left out" in ended.err) == (name == "film")
    found = read.open(tmp_path / "film_out.tif", axes="TYX")
    expected = read.open(tmp_path / "means_out.tif")
    assert (found.axes, found.shape) == ("TYX", (1, LENGTHS["Y"], LENGTHS["X"]))
    assert found.voxel_um == expected.voxel_um
    assert found.frame_s == 4
    np.testing.assert_allclose(found.array()[0], expected.array(), rtol=1e-6)
    with tifffile.TiffFile(tmp_path / "film_out.tif") as file:
        assert "every 2 frames" in file.ome_metadata


def test_means_need_frames(carescope, tmp_path):
    models.save(model(2, 1), tmp_path / "m")
    for axes, more, remedy in (("YX", (), "slices into frames"), ("TYX", (), "smaller --average")):
        save_as("ome", tmp_path / "film.ome.tif", axes, film(axes))
        command = (
            "restore",
            tmp_path / "m",
            tmp_path / "film.ome.tif",
            "--out",
            tmp_path / "o.tif",
        )
        ended = carescope(*command, "--average", 4, *more)
        assert ended.code == 3
        assert "means of 4 are asked for" in ended.err
        assert remedy in ended.err
        assert not (tmp_path / "o.tif").exists()
    ended = carescope(*command, "--average", 2, "--timepoint", 0)
    assert ended.code == 2
    assert "--timepoint: takes one time point, of which there is no mean" in ended.err
