"""The scripts in examples/ run, and what they print and write is what they promise."""

import re
import runpy
import sys
from pathlib import Path

import pytest

import carescope as cs
from carescope import read

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example as ``python examples/NAME ARGUMENTS`` does; returns what it printed."""

    def example(name, *arguments):
        script = next(path for path in EXAMPLES if path.name == name)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    return example


def numbers(line, pattern):
    found = re.search(pattern, line)
    assert found is not None, line
    return float(found[1])


def test_every_example_is_run_here():
    tested = Path(__file__).read_text()
    assert [path.name for path in EXAMPLES if f'run("{path.name}"' not in tested] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short(path):
    assert path.read_text().count("\n") <= 60


def test_the_isotropic_example_restores_and_scores(run, tmp_path):
    lines = run("isotropic.py", "--out", tmp_path).splitlines()
    bicubic = next(line for line in lines if line.startswith("bicubic"))
    restored = next(line for line in lines if line.startswith("restored"))
    gain = numbers(restored, r"PSNR (\S+) dB") - numbers(bicubic, r"PSNR (\S+) dB")
    assert gain > 2.0
    ratio = r"isotropy (\d+\.\d+)"
    assert numbers(restored, ratio) > numbers(bicubic, ratio)
    image = cs.open(tmp_path / "restored.ome.tif")
    assert (image.axes, image.shape) == ("ZYX", (61, 96, 128))
    assert image.voxel() == pytest.approx((0.2, 0.2, 0.2))
    made_by = read.provenance_of(tmp_path / "restored.ome.tif")
    assert made_by["model_sha256"] == cs.load_model(tmp_path / "model").sha256


def test_the_isotropic_example_takes_a_stack(run, stack, tmp_path):
    cs.save(tmp_path / "stack.ome.tif", stack)
    text = run("isotropic.py", tmp_path / "stack.ome.tif", "--steps", 5, "--out", tmp_path)
    assert "PSNR" not in text  # nobody knows the truth
    assert cs.open(tmp_path / "restored.ome.tif").shape == (61, 96, 112)


def test_the_example_of_optics_prints_widths_and_residuals(run):
    lines = run("psf_of_a_microscope.py").splitlines()
    rows = {line[:23].strip(): line for line in lines[2:]}
    assert len(rows) >= 5
    gaussian = rows.pop("Gaussian 0.8/0.2 um")
    assert gaussian.endswith(" 0%")
    # sigma_split^2 = 0.8^2 - 0.2^2, and a Gaussian's width is 2.3548 sigma
    assert numbers(gaussian, r"(\S+) x \S+\s+\S+%$") == pytest.approx(2.3548 * 0.6**0.5, abs=0.02)
    for line in rows.values():
        assert 0 < numbers(line, r"(\d+)%$") < 50
