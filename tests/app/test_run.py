"""The whole job through the command line, on a small stack and with little training."""

import html
import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from carescope import Image, load_model, read
from carescope.write import tiff

#: Training as short as it gets.
TINY = ("--steps", 12, "--batch-size", 2, "--patch-px", 32)
GAUSSIAN = ("--psf", "gaussian", "--sigma-um", "0.8,0.2,0.2")


@pytest.fixture(scope="module")
def job(carescope, stack, tmp_path_factory):
    """One run of `isotropic`: the folder with its files, and how it ended."""
    folder = tmp_path_factory.mktemp("the job")  # with a space in its name
    tiff.save(folder / "nuclei.ome.tif", stack)
    arguments = ("isotropic", folder / "nuclei.ome.tif", "--out", folder / "iso.ome.tif")
    ended = carescope(*arguments, "--model", folder / "model", *TINY, *GAUSSIAN)
    ended.folder = folder
    ended.command = "carescope " + shlex.join(
        map(str, (*arguments, "--model", folder / "model", *TINY, *GAUSSIAN))
    )
    return ended


@pytest.fixture
def small(stack):
    """A corner of the small stack, 16 planes of 64 x 64 pixels."""
    return replace(stack, data=stack.array()[:, :64, :64])


def strictly(text):
    """JSON as the standard has it, without NaN and Infinity."""

    def refuse(name):
        pytest.fail(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_it_says_what_it_made(job):
    assert job.code == 0
    lines = dict(line.split(maxsplit=1) for line in job.out.splitlines())
    assert lines == {
        "restored": str(job.folder / "iso.ome.tif"),
        "shape": "61 x 96 x 112",
        "voxel_um": "0.2, 0.2, 0.2",
        "clipped": "0",
        "report": str(job.folder / "iso.report.html"),
        "model": str(job.folder / "model"),
    }
    made = {p.name for p in job.folder.iterdir()}
    assert made == {"nuclei.ome.tif", "iso.ome.tif", "iso.report.html", "model"}


def test_progress_is_plain_lines_where_there_is_no_terminal(job):
    assert re.search(r"^training: 100%, 0 s left, step 12, loss ", job.err, re.MULTILINE)
    assert re.search(r"^restoring: 100%, 0 s left$", job.err, re.MULTILINE)
    assert "\x1b" not in job.err + job.out
    assert "\r" not in job.err


def test_the_output_is_isotropic_and_lies_where_the_stack_does(job, stack):
    image = read.open(job.folder / "iso.ome.tif")
    assert image.axes == "ZYX"
    assert image.shape == (15 * 4 + 1, 96, 112)
    assert image.dtype == np.float32
    assert image.voxel() == pytest.approx((0.2, 0.2, 0.2))
    restored = image.array()
    assert np.isfinite(restored).all()
    # Hardly trained, it is still close to the interpolation, plane by plane.
    for k in (0, 7, 15):
        match = [np.corrcoef(restored[j].ravel(), stack.data[k].ravel())[0, 1] for j in range(61)]
        assert abs(int(np.argmax(match)) - 4 * k) <= 1


def test_other_programs_can_read_it(job):
    with tifffile.TiffFile(job.folder / "iso.ome.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="0.2' in tif.ome_metadata


def test_the_output_says_how_it_was_made(job):
    notes = read.provenance_of(job.folder / "iso.ome.tif")
    assert notes["command"] == job.command
    assert "counting" in notes["caution"]
    assert notes["model_sha256"] == load_model(job.folder / "model").sha256
    assert notes["source"] == "nuclei.ome.tif"
    assert notes["software"].startswith("carescope ")
    assert "gaussian" in notes["optics"]


def test_the_report_stands_alone_and_holds_the_command(job):
    page = (job.folder / "iso.report.html").read_text()
    assert job.command in html.unescape(re.sub("<[^>]*>", "", page))
    assert page.count("data:image/png;base64,") + page.count("<svg") >= 4
    for link in re.findall(r"""(?:src|href)=["']([^"']*)""", page):
        assert link.startswith(("data:", "#")), link
    assert not re.search(r"@import|url\((?!['\"]?data:)", page)


def test_info_on_the_model_and_the_output(carescope, job):
    model = strictly(carescope("info", job.folder / "model", "--json").out)
    assert model["sha256"] == load_model(job.folder / "model").sha256
    assert model["trained_on"].startswith("nuclei.ome.tif at 20")
    assert "12 steps" in model["training"]
    image = strictly(carescope("info", job.folder / "iso.ome.tif", "--json").out)
    assert image["axes"] == "ZYX"
    assert image["command"] == job.command
    plain = carescope("info", job.folder / "iso.ome.tif").out
    assert re.search(r"^shape +Z=61 Y=96 X=112$", plain, re.MULTILINE)


def test_restoring_with_the_model_gives_the_same_pixels(carescope, job, tmp_path):
    """Also where the folder for the results is new."""
    model, stack = job.folder / "model", job.folder / "nuclei.ome.tif"
    ended = carescope("restore", model, stack, "--out", tmp_path / "new" / "folder", "--json")
    assert ended.code == 0
    target = tmp_path / "new" / "folder" / "nuclei.ome.tif"
    [told] = strictly(ended.out)
    assert told == {
        "restored": str(target), "engine": "torch float32", "clipped": 0, "warnings": [],
    }  # fmt: skip
    first = read.open(job.folder / "iso.ome.tif").array()
    np.testing.assert_allclose(read.open(target).array(), first, atol=1e-6 * np.ptp(first))
    assert read.provenance_of(target)["command"].startswith("carescope restore ")


def test_evaluate_prints_the_three_numbers(carescope, job, tmp_path):
    iso = job.folder / "iso.ome.tif"
    shown = dict(line.split() for line in carescope("evaluate", iso, iso).out.splitlines())
    assert shown.keys() == {"psnr_db", "nrmse", "ssim"}
    assert float(shown["ssim"]) == pytest.approx(1)
    same = strictly(carescope("evaluate", iso, iso, "--json").out)
    assert same["nrmse"] == pytest.approx(0, abs=1e-9)
    flat = np.zeros((16, 32, 32), np.uint8)  # halves, so that not even rounding differs
    flat[:, 16:] = 1
    tiff.save(tmp_path / "flat.tif", Image(flat))
    same = strictly(carescope("evaluate", *[tmp_path / "flat.tif"] * 2, "--json").out)
    assert same["psnr_db"] is None
    other = carescope("evaluate", iso, job.folder / "nuclei.ome.tif")
    assert other.code == 3
    assert "Z=61" in other.err
    assert "Z=16" in other.err


def test_check_says_which_of_several_is_bad(carescope, job, tmp_path):
    good = [job.folder / "nuclei.ome.tif", job.folder / "iso.ome.tif"]
    ended = carescope("check", *good)
    assert ended.code == 0
    assert ended.out.count("ok ") == 2
    bad = tmp_path / "bad.tif"
    bad.write_bytes(good[0].read_bytes()[:20_000])
    ended = carescope("check", good[0], bad, tmp_path / "absent.tif", good[1])
    assert ended.code == 3
    assert [line[:3] for line in ended.out.splitlines()] == ["ok ", "BAD", "BAD", "ok "]
    rows = strictly(carescope("check", good[0], bad, "--json").out)
    assert [row["ok"] for row in rows] == [True, False]


def test_psf_writes_one_that_restoring_can_use(carescope, job, tmp_path):
    lens = ("--na", 1.1, "--wavelength-um", 0.52, "--voxel-um", "0.2,0.1,0.1")
    ended = carescope("psf", "confocal", "--out", tmp_path / "psf.tif", *lens, "--json")
    assert ended.code == 0
    psf = read.open(tmp_path / "psf.tif")
    assert psf.voxel() == pytest.approx((0.2, 0.1, 0.1))
    assert psf.array().sum() == pytest.approx(1, rel=1e-3)
    assert all(n % 2 for n in psf.shape)
    facts = strictly(ended.out)
    assert facts["shape"] == " x ".join(map(str, psf.shape))
    again = carescope(
        "isotropic", job.folder / "nuclei.ome.tif", "--out", tmp_path / "o.tif", *TINY[:1], 2,
        *TINY[2:], "--psf", tmp_path / "psf.tif",
    )  # fmt: skip
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["confocal"], "--na"),
        (["plain", "--na", "1"], "plain"),
        (["gaussian", "--sigma-um", "0.2", "--na", "1"], "--na"),
        (["gaussian", "--sigma-um", "0.2", "--out", "/proc/psf.tif"], "/proc"),
    ],
)
def test_psf_refuses(carescope, tmp_path, arguments, says):
    given = ["psf", *arguments, "--voxel-um", "0.1"]
    if "--out" not in given:
        given += ["--out", tmp_path / "psf.tif"]
    ended = carescope(*given)
    assert ended.code in (2, 5)
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_are_clipped_and_counted(carescope, job, stack, tmp_path, dtype):
    """A model trained on the stack, and a stack that is twice and a half as bright."""
    bright = replace(stack, data=(stack.array() * 2.5).astype(np.float32))
    tiff.save(tmp_path / "bright.ome.tif", bright)
    ended = carescope(
        "restore", job.folder / "model", tmp_path / "bright.ome.tif", "--json",
        "--out", tmp_path / "o.tif", "--dtype", dtype,
    )  # fmt: skip
    (row,) = strictly(ended.out)
    carescope("restore", job.folder / "model", tmp_path / "bright.ome.tif",
              "--out", tmp_path / "float.tif")  # fmt: skip
    exact = np.rint(read.open(tmp_path / "float.tif").array())
    limit = np.iinfo(dtype).max
    written = read.open(tmp_path / "o.tif").array()
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, np.clip(exact, 0, limit))
    assert row["clipped"] == ((exact < 0) | (exact > limit)).sum()
    assert (row["clipped"] > 0) == (dtype == "uint8")


def test_a_fractional_factor(carescope, small, tmp_path):
    tiff.save(tmp_path / "s.ome.tif", replace(small, voxel_um=(2.04, 0.2, 0.2)))
    ended = carescope(
        "isotropic", tmp_path / "s.ome.tif", "--out", tmp_path / "o.tif", *TINY, "--json"
    )
    assert ended.code == 0, ended.err
    facts = strictly(ended.out)
    assert facts["shape"] == f"{int(15 * 10.2) + 1} x 64 x 64"
    assert ended.err == ""
    image = read.open(tmp_path / "o.tif")
    assert image.shape[0] == 154
    assert image.voxel() == pytest.approx((0.2, 0.2, 0.2))


def test_equal_voxels_with_optics(carescope, small, tmp_path):
    tiff.save(tmp_path / "s.ome.tif", replace(small, voxel_um=(0.2, 0.2, 0.2)))
    out = ("--out", tmp_path / "o.tif")
    ended = carescope("isotropic", tmp_path / "s.ome.tif", *out, *TINY, *GAUSSIAN)
    assert ended.code == 0, ended.err
    assert read.open(tmp_path / "o.tif").shape == (16, 64, 64)


def test_one_channel_of_several_and_a_factor_of_ones_own(carescope, small, tmp_path):
    grey = small.array()
    two = replace(
        small, data=np.stack([grey[::-1], grey]), axes="CZYX", channel_names=("DNA", "actin")
    )
    tiff.save(tmp_path / "s.ome.tif", two)
    more = ("--channel", 1, "--factor", 2, "--out", tmp_path / "o.tif")
    ended = carescope("isotropic", tmp_path / "s.ome.tif", *more, *TINY)
    assert ended.code == 0, ended.err
    image = read.open(tmp_path / "o.tif")
    assert image.shape == (31, 64, 64)
    assert image.voxel() == pytest.approx((0.4, 0.2, 0.2))
    assert image.channel_names == ("actin",)
    assert np.corrcoef(image.array()[0].ravel(), grey[0].ravel())[0, 1] > 0.9


def test_nan_pixels_can_be_filled_and_are_reported(carescope, small, tmp_path):
    grey = small.array().astype(np.float32)
    grey[3, 4, 5] = np.nan
    tiff.save(tmp_path / "s.ome.tif", replace(small, data=grey))
    more = ("--fill-nonfinite", "--out", tmp_path / "o.tif")
    ended = carescope("isotropic", tmp_path / "s.ome.tif", *more, *TINY)
    assert ended.code == 0, ended.err
    assert np.isfinite(read.open(tmp_path / "o.tif").array()).all()
    assert "1 NaN or infinite pixels" in (tmp_path / "o.report.html").read_text()


def test_train_then_resume_what_was_cut_short(carescope, job, tmp_path, monkeypatch):
    from carescope.train import loop

    stack, model = job.folder / "nuclei.ome.tif", tmp_path / "model"
    command = ("train", "isotropic", stack, "--model", model, *TINY, *GAUSSIAN)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, at=7)
        ended = carescope(*command)
    assert ended.code == 130
    assert ended.err.splitlines()[-1].startswith("carescope: interrupted")
    assert not (model / "model.json").exists()
    ended = carescope(*command, "--json")
    assert ended.code == 0
    facts = strictly(ended.out)
    assert facts["steps"] == 12
    assert facts["sha256"] == load_model(model).sha256
    assert "from step 7" in load_model(model).facts["warnings"][0]
    again = carescope(*command)
    assert again.code == 5
    assert "--overwrite" in again.err


def interrupt(patch, *, at):
    """Press Ctrl-C at a step of training."""
    from carescope.train import loop

    told = loop.Progress

    def progress(done, step, *more):
        if step == at:
            raise KeyboardInterrupt
        return told(done, step, *more)

    patch.setattr(loop, "Progress", progress)


def test_ctrl_c_leaves_nothing_behind(carescope, job, contents, tmp_path, monkeypatch):
    interrupt(monkeypatch, at=3)
    stack = job.folder / "nuclei.ome.tif"
    ended = carescope("isotropic", stack, "--out", tmp_path / "o.tif", *TINY)
    assert ended.code == 130
    assert ended.err.count("carescope: ") == 1
    assert "interrupted" in ended.err
    assert contents(tmp_path) == {}


def test_ctrl_c_while_restoring_leaves_no_half_file(
    carescope, job, contents, tmp_path, monkeypatch
):
    from carescope.predict import sections

    restore = sections.restored

    def once(*arguments, **named):
        restore(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(sections, "restored", once)
    stack = job.folder / "nuclei.ome.tif"
    ended = carescope("restore", job.folder / "model", stack, "--out", tmp_path / "o.tif")
    assert ended.code == 130
    assert contents(tmp_path) == {}


def test_overwriting_is_allowed_when_asked_for(carescope, job, tmp_path):
    stack, model = job.folder / "nuclei.ome.tif", job.folder / "model"
    (tmp_path / "o.tif").write_bytes(b"old")
    command = ("restore", model, stack, "--out", tmp_path / "o.tif")
    assert carescope(*command).code == 5
    assert (tmp_path / "o.tif").read_bytes() == b"old"
    assert carescope(*command, "--overwrite").code == 0
    assert read.open(tmp_path / "o.tif").shape == (61, 96, 112)


def test_no_truth_is_recorded_for_isotropic_models(carescope, job):
    held = job.folder / "nuclei.ome.tif"
    ended = carescope("trust", job.folder / "model", "--low", held, "--high", held)
    assert ended.code == 4
    assert "no microscope records the truth of that" in ended.err


def test_version(carescope, in_a_process):
    import carescope as package

    assert carescope("--version").out == f"carescope {package.__version__}\n"
    program = """if True:
        import runpy, sys
        sys.argv = ["carescope", "--version"]
        runpy.run_module("carescope", run_name="__main__")
    """
    ended = in_a_process(program)
    assert ended.stdout == f"carescope {package.__version__}\n", ended.stderr
