"""What cannot be done is refused at once: one message that names the culprit and the cure."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from carescope.app import learning
from carescope.write import tiff

USAGE, INPUT, MODEL, OUTPUT = 2, 3, 4, 5


def save(path, stack, **changes):
    tiff.save(path, replace(stack, **changes))


@pytest.fixture
def bad(tmp_path, stack):
    """Write a file that is no good, of the kind that is named."""
    grey = stack.array()
    nan = grey.astype(np.float32)
    nan[3, 4, 5] = np.nan
    two = np.stack([grey, grey])

    def bad(kind):
        path = tmp_path / ("bad.tif" if kind == "no axes" else "bad.ome.tif")
        if kind == "truncated":
            save(path, stack)
            path.write_bytes(path.read_bytes()[:-100_000])
        elif kind == "empty":
            path.write_bytes(b"")
        elif kind == "text":
            path.write_text("not an image at all")
        elif kind == "folder":
            path.mkdir()
        elif kind == "nan":
            save(path, stack, data=nan)
        elif kind == "no voxel size":
            save(path, stack, voxel_um=None)
        elif kind == "oblong pixels":
            save(path, stack, voxel_um=(0.8, 0.2, 0.3))
        elif kind == "equal voxels":
            save(path, stack, voxel_um=(0.2, 0.2, 0.2))
        elif kind == "single plane":
            save(path, stack, data=grey[:1])
        elif kind == "flat image":
            save(path, stack, data=grey[0], axes="YX")
        elif kind == "constant":
            save(path, stack, data=np.full_like(grey, 7))
        elif kind == "channels":
            save(path, stack, data=two, axes="CZYX")
        elif kind == "tiny":
            save(path, stack, data=grey[:, :20, :20])
        elif kind == "no axes":
            tifffile.imwrite(path, grey, metadata=None, photometric="minisblack")
        return path

    return bad


FILES = {
    "truncated": ("damaged or cut short", "copy it again"),
    "empty": ("is empty", "Copy"),
    "text": ("format", "TIFF"),
    "folder": ("is a folder|holds no .tif", "TIFF|image files"),
    "absent": ("cannot be read|no such file|does not exist", "[Cc]heck"),
    "nan": (r"not finite.*Z=3 Y=4 X=5", "--fill-nonfinite"),
    "no voxel size": ("does not say how large its voxels are", "--voxel-um"),
    "oblong pixels": ("not square", "--voxel-um"),
    "equal voxels": ("nothing to restore", "--psf"),
    "single plane": ("", "at least 2 planes"),
    "flat image": ("holds no stack of planes", "at least 2 planes"),
    "constant": ("same value everywhere, 7", "channel"),
    "tiny": ("too small", "at least 32 x 52"),
    "no axes": ("does not say what its dimensions are", "--axes"),
}


def one_sentence(message, where, says, remedy):
    """The message is one line, names its place, the problem and the cure."""
    assert message.count("\n") == 1, message
    assert message.startswith(f"carescope: {where}: "), message
    assert re.search(says, message), message
    assert re.search(remedy, message), message


@pytest.mark.parametrize("command", ["isotropic", "train"])
@pytest.mark.parametrize("kind", FILES)
def test_a_useless_file(refused, bad, tmp_path, kind, command):
    path = bad(kind)
    if command == "isotropic":
        message = refused(INPUT, "isotropic", path, "--out", tmp_path / "o.tif", "--psf", "none")
    else:
        made = ("--model", tmp_path / "m", "--psf", "none")
        message = refused(INPUT, "train", "isotropic", path, *made)
    one_sentence(message, path, *FILES[kind])


def test_wrong_axes(refused, file, tmp_path):
    for axes, remedy in (("ZYXQ", "--axes ZYX"), ("ZZX", "--axes ZYX"), ("TYX", "--axes")):
        message = refused(INPUT, "isotropic", file, "--axes", axes, "--out", tmp_path / "o.tif")
        one_sentence(message, file, axes, remedy)


def test_a_channel_that_is_not_there(refused, file, bad, tmp_path):
    out = ("--out", tmp_path / "o.tif")
    message = refused(INPUT, "isotropic", file, "--channel", 0, *out)
    one_sentence(message, file, "no axis C", "Leave --channel out")
    message = refused(INPUT, "isotropic", bad("channels"), "--channel", 2, *out)
    one_sentence(message, tmp_path / "bad.ome.tif", "no C=2", "from 0 to 1")


OPTIONS = {
    "out: no folder": (OUTPUT, ["--out", "{}/nowhere/o.tif"], "no folder", "Create the folder"),
    "out: a file for a folder": (OUTPUT, ["--out", "{}/nuclei.ome.tif/o.tif"], "o.tif", "folder"),
    "out: read-only": (OUTPUT, ["--out", "/proc/o.tif"], "cannot be written", "folder"),
    "out: exists": (OUTPUT, ["--out", "{}/there.tif"], "exists already", "--overwrite"),
    "out: the stack": (
        USAGE, ["--out", "{}/nuclei.ome.tif", "--overwrite"], "is what is read", "--out"
    ),
    "out: suffix": (USAGE, ["--out", "{}/o.png"], "'.png' is not known", ".ome.tif"),
    "out: no suffix": (USAGE, ["--out", "{}/o"], "suffix", ".ome.tif"),
    "report: exists": (OUTPUT, ["--report", "{}/there.tif"], "exists already", "--overwrite"),
    "report: no folder": (OUTPUT, ["--report", "{}/no/r.html"], "no folder", "Create the folder"),
    "report: the output": (USAGE, ["--report", "{}/o.tif"], "written twice", "--report"),
    "model: read-only": (OUTPUT, ["--model", "/proc/m"], "written", "another place"),
    "model: a file": (OUTPUT, ["--model", "{}/there.tif"], "is a file", "--model"),
    "dtype": (USAGE, ["--dtype", "complex64"], "complex64", "--dtype"),
    "dtype: nonsense": (USAGE, ["--dtype", "nonsense"], "nonsense", "--dtype"),
    "dtype: too wide": (USAGE, ["--dtype", "int64"], "int64", "--dtype"),
    "network": (USAGE, ["--network", "isonet3"], "isonet3", "--network"),
    "psf-mode": (USAGE, ["--psf-mode", "foo"], "foo", "--psf-mode"),
    "loss": (USAGE, ["--loss", "foo"], "foo", "--loss"),
    "schedule": (USAGE, ["--schedule", "foo"], "foo", "--schedule"),
    "noise": (USAGE, ["--noise", "foo"], "foo", "--noise"),
    "precision": (USAGE, ["--precision", "foo"], "foo", "--precision"),
    "learning-rate": (USAGE, ["--learning-rate", "1e6"], "1000000", "--learning-rate"),
    "batch-size": (USAGE, ["--batch-size", "0"], "0", "--batch-size"),
    "patch-px": (USAGE, ["--patch-px", "100"], "multiple of 16", "--patch-px"),
    "seed": (USAGE, ["--seed", "-1"], "-1", "--seed"),
    "steps": (USAGE, ["--steps", "0"], "0", "--steps"),
    "minutes": (USAGE, ["--minutes", "-1"], "-1", "--minutes"),
    "minutes and steps": (
        USAGE, ["--minutes", "1", "--steps", "1"], "--minutes and --steps exclude", "Leave out"
    ),
    "device": (USAGE, ["--device", "nope"], "nope", "--device"),
    "factor": (INPUT, ["--factor", "0.5"], "factor 0.5", "--factor"),
    "factor: nan": (INPUT, ["--factor", "nan"], "factor nan", "--factor"),
    "factor: zero": (INPUT, ["--factor", "0"], "factor 0", "--factor"),
    "psf": (USAGE, ["--psf", "confocl"], "confocl", "confocal"),
    "psf: without its optics": (USAGE, ["--psf", "confocal"], "needs --na and --wave", "tells"),
    "psf: another's optics": (
        USAGE, ["--psf", "gaussian", "--sigma-um", "1", "--na", "1"], "takes no --na", "Leave"
    ),
    "psf: optics without it": (USAGE, ["--na", "1.1"], "--na", "--psf"),
    "psf: impossible aperture": (
        USAGE,
        ["--psf", "confocal", "--na", "1.4", "--wavelength-um", "0.5"],
        "aperture of 1.4",
        "--refractive-index",
    ),
    "psf: nanometres": (
        USAGE,
        ["--psf", "confocal", "--na", "1.1", "--wavelength-um", "520"],
        "520 um is not a wavelength",
        "--wavelength-um",
    ),
    "psf: negative": (USAGE, ["--psf", "gaussian", "--sigma-um", "-1"], "-1", "--sigma-um"),
    "psf: absent file": (INPUT, ["--psf", "{}/none.tif"], "none.tif.*no such file", "--psf"),
    "psf: no voxel size": (INPUT, ["--psf", "{}/psf.tif"], "psf.tif", "--psf-voxel-um"),
    "psf: a file's optics": (
        USAGE, ["--psf", "{}/psf.tif", "--psf-voxel-um", "0.1", "--na", "1"], "--na", "Leave"
    ),
    "psf: size without a file": (USAGE, ["--psf-voxel-um", "0.1"], "--psf-voxel-um", "Leave|--psf"),
    "psf: flat": (INPUT, ["--psf", "{}/flat.tif", "--psf-voxel-um", "0.1"], "flat.tif", "."),
    "tensorboard": (OUTPUT, ["--tensorboard", "/proc/board"], "written", "another place"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_an_impossible_option(refused, file, stack, tmp_path, case):
    code, arguments, says, remedy = OPTIONS[case]
    (tmp_path / "there.tif").write_bytes(b"precious")
    beads = stack.array()[:5, :5, :5].astype(np.float32)
    tifffile.imwrite(tmp_path / "psf.tif", beads, metadata=None, photometric="minisblack")
    tifffile.imwrite(tmp_path / "flat.tif", beads[0], metadata=None)
    arguments = [a.format(tmp_path) for a in arguments]
    if "--out" not in arguments:
        arguments += ["--out", tmp_path / "o.tif"]
    message = refused(code, "isotropic", file, *arguments)
    assert message.count("\n") == 1, message
    assert message.startswith("carescope: ")
    assert re.search(says, message), message
    assert re.search(remedy, message), message
    named = {arguments[0], *arguments[1::2]}
    assert any(str(name) in message for name in named), message


@pytest.mark.parametrize("name", ["--factor", "--steps", "--na", "--voxel-um", "--channel"])
def test_a_number_that_is_none(refused, file, tmp_path, name):
    message = refused(USAGE, "isotropic", file, "--out", tmp_path / "o.tif", name, "many")
    assert name in message
    assert re.search("number|integer", message)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["isotropic"], "stack"),
        (["isotropic", "{file}"], "--out"),
        (["train", "isotropic", "{file}"], "--model"),
        (["isotropic", "{file}", "--out", "o.tif", "--voxel-um", "1,2"], "--voxel-um"),
        (["isotropic", "{file}", "--out", "o.tif", "--netwrok", "care"], "--netwrok"),
        (["isotrpic"], "isotrpic"),
        (["train", "denoise"], "denoise"),
    ],
)
def test_what_is_missing_or_misspelt(refused, file, arguments, says):
    assert says in refused(USAGE, *(a.format(file=file) for a in arguments))


@pytest.mark.parametrize("where", ["{}/m", "{}/nuclei.ome.tif", "{}"])
def test_a_model_that_is_none(refused, file, tmp_path, where):
    where = where.format(tmp_path)
    message = refused(MODEL, "restore", where, file, "--out", tmp_path / "o.tif")
    one_sentence(message, where, "not a carescope model", "--model")
    if where != str(file):
        refused(MODEL if (tmp_path / "m").exists() else 3, "info", tmp_path / "m")


def test_errors_as_json(carescope, file, tmp_path):
    ended = carescope("isotropic", file, "--out", tmp_path / "o.png", "--json")
    assert ended.code == USAGE
    assert ended.err == ""
    facts = json.loads(ended.out)
    assert facts["where"] == str(tmp_path / "o.png")
    assert ".ome.tif" in facts["remedy"]
    assert "png" in facts["error"]


def test_equal_voxels_are_fine_when_the_optics_are_not(carescope, bad, tmp_path, monkeypatch):
    """Here it is enough that training begins."""

    def began(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("carescope.train.fit", began)
    optics = ("--psf", "gaussian", "--sigma-um", "0.8,0.2,0.2")
    path = bad("equal voxels")
    assert carescope("isotropic", path, "--out", tmp_path / "o.tif", *optics).code == 130


def test_the_remedies_name_options_that_exist():
    """Every option that a refusal above speaks of is one of the command's."""
    import inspect

    known = {
        "--" + name.replace("_", "-") for name in inspect.signature(learning.isotropic).parameters
    }
    spoken = {
        name
        for *_, says, remedy in [*FILES.values(), *OPTIONS.values()]
        for name in re.findall(r"--[a-z-]+\b", says + " " + remedy)
    }
    assert spoken - known - {"--wave"} == set()
