"""Small simulated stacks that several tests share.

Hypothesis tries the same examples each time; ``HYPOTHESIS_PROFILE=default`` tries others.
"""

import os

import numpy as np
import pytest
from hypothesis import settings

from carescope import Image, phantoms
from carescope.physics import blur, psf

VOXEL_UM = (0.8, 0.2, 0.2)

settings.register_profile("repeatable", derandomize=True)
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
