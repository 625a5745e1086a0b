"""The page that comes of a whole job: what was found, how sure it is, of all networks."""

import re

import numpy as np

from carescope import Image, Recipe
from carescope.jobs.inputs import Optics
from carescope.jobs.isotropic import isotropic


def text_of(page):
    """The words of a page, without its style and its tags."""
    body = page.read_text().split("</style>")[1]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_an_ensemble_with_spread_and_a_found_blur_is_reported_whole(stack, tmp_path):
    recipe = Recipe.of(steps=4, batch_size=2, patch_px=32, loss="laplace", precision="float32")
    done = isotropic(
        stack, tmp_path / "o.ome.tif", Optics(psf="auto"), recipe, members=2, spread=True
    )
    text = text_of(done.page)
    for said in [
        "Axial blur, found in the stack",
        "How sure the network is",
        "Disagreement runs from 0",
        "This is the first of 2 networks",
        "members 2",
        "8 (2 networks together)",
    ]:
        assert said in text


def test_without_any_of_them_the_page_says_nothing_of_them(stack, tmp_path):
    recipe = Recipe.of(steps=2, batch_size=2, patch_px=32, precision="float32")
    both = Image(np.stack([stack.data] * 2), "CZYX", stack.voxel_um, ("DAPI", "GFP"))
    done = isotropic(both, tmp_path / "o.ome.tif", Optics(), recipe)
    text = text_of(done.page)
    assert "Channel 2 of 2: GFP" in text
    assert "members 1" in text
    for unsaid in ["Axial blur, found", "How sure", "isagreement", "networks"]:
        assert unsaid not in text
