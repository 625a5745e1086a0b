"""Small simulated stacks that several tests share.

They run on one thread each, and on as many cores at once as there are.

Hypothesis tries the same examples each time, however long each takes; ``HYPOTHESIS_PROFILE=other``
tries others.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from carescope import Image, phantoms
from carescope.physics import blur, psf

VOXEL_UM = (0.8, 0.2, 0.2)
SOURCE = Path(__file__).parents[1] / "src"
# Not getrusage, whose maximum is that of whoever started the program.
PROGRAM = """
import sys
from pathlib import Path
from carescope.app import cli
sys.argv = ["carescope", *sys.argv[1:]]
try:
    cli.main()
finally:
    status = Path("/proc/self/status").read_text()
    print("peak", 1024 * int(status.split("VmHWM:")[1].split()[0]))
"""

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and by programs
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("other", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def one_thread():
    """Torch on one thread: exactly repeatable, and quicker on the small images of tests."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def nuclei_volume():
    """Isotropic density of a few nuclei, (64, 96, 112) float32."""
    density, _ = phantoms.nuclei((64, 96, 112), 3, volume_per_nucleus_px3=15_000)
    return blur.blur(density, psf.gaussian((1.5, 1.5, 1.5), (1.0, 1.0, 1.0)).values)


@pytest.fixture(scope="session")
def stack(nuclei_volume):
    """Every 4th plane of it in grey levels, axes ZYX, with camera noise."""
    noise = np.random.default_rng(0).normal(0, 4, nuclei_volume[::4].shape)
    grey = 100 + 800 * nuclei_volume[::4] + noise
    return Image(np.clip(grey, 0, None).astype(np.uint16), "ZYX", VOXEL_UM, (), "nuclei.tif")


@pytest.fixture(scope="session")
def in_a_process():
    """How a program text ended that was run in a process of its own, on one thread."""

    def in_a_process(text, *arguments):
        return subprocess.run(
            [sys.executable, "-c", text, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    return in_a_process


@pytest.fixture(scope="session")
def peak_bytes(in_a_process):
    """What a command line took at its peak."""

    def peak_bytes(*arguments):
        ended = in_a_process(PROGRAM, *arguments)
        assert ended.returncode == 0, ended.stderr
        return int(ended.stdout.split("peak")[1])

    return peak_bytes
