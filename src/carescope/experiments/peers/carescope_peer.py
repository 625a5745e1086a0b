"""carescope itself, in the same harness as the programs it is compared with."""

import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from carescope import model, net, predict, read, write
from carescope.engine import accelerated
from carescope.image import Image
from carescope.jobs.denoise import learn_pairs
from carescope.jobs.inputs import Optics
from carescope.jobs.learning import learn as learn_lateral
from carescope.jobs.passes import Shared
from carescope.model import Ensemble, Model
from carescope.recipe import Recipe
from carescope.task import Task

JSON = dict[str, Any]
ON = Shared(device="cpu")
STEP_UM = 1.0


def random_model(network: JSON, seed: int = 0, factor: float | None = None) -> Model:
    """A network whose weights are drawn at random, those too that a training begins as zeros.

    It denoises or, with a factor, restores isotropically planes that are a micrometre apart.
    """
    built = net.build(**network, seed=seed)
    generator = torch.manual_seed(seed)
    for weights in built.parameters():
        if weights.ndim > 1 and not weights.any():
            torch.nn.init.normal_(weights, std=0.05, generator=generator)
    task = Task(kind="denoise", axes="ZYX"[-network["ndim"] :])
    if factor:
        task = Task(kind="isotropic", factor=factor, step_um=STEP_UM, pixel_um=STEP_UM / factor)
    return Model(built, network, Recipe(), task)


def steps(job: JSON, done: Callable[..., None]) -> None:
    """Training steps on random numbers, cut into patches as any image is."""
    torch.set_num_threads(job["threads"])
    *planes, side, _ = job["shape"]
    recipe = Recipe.of(
        network=job["recipe"],
        batch_size=job["batch"],
        patch_px=side,
        steps=1_000_000,
        **({"patch_planes": planes[0]} if planes else {}),
    )
    whole = (*(4 * n for n in planes), 4 * side, 4 * side)
    generator = np.random.default_rng(0)
    images = [
        Image(generator.random(whole, np.float32), "ZYX"[-len(whole) :], (1.0, 1.0, 1.0))
        for _ in range(2)
    ]
    learn_pairs([(images[0], images[1])], recipe, shared=ON, watch=done)


def tile(job: JSON, done: Callable[..., None]) -> None:
    """One tile through the network by one engine, as often as asked."""
    torch.set_num_threads(job["threads"])
    run = accelerated(random_model(job["network"], job["seed"]), job["engine"])
    seen = np.random.default_rng(0).random((1, 1, *job["shape"]), np.float32)
    while True:
        run.apply(seen)
        done()


def product(job: JSON, done: Callable[..., None]) -> None:
    """Matrix products, which show what the machine can do at best."""
    torch.set_num_threads(job["threads"])
    one = torch.ones(job["side"], job["side"], dtype=getattr(torch, job["type"]))
    while True:
        one @ one
        done()


def prepare(job: JSON) -> None:
    """A model of random weights, in the folder."""
    made = random_model(job["network"], job["seed"], job.get("factor"))
    model.save(made, job["model"], overwrite=True)


def stack(job: JSON) -> None:
    """From TIFF to TIFF, as the command line does it."""
    torch.set_num_threads(job["threads"])
    words = [job["model"], job["input"], "--out", job["output"], "--overwrite"]
    sys.argv = ["carescope", "restore", *map(str, words), "--engine", job["engine"]]
    try:
        runpy.run_module("carescope.app.cli")["main"]()
    except SystemExit as end:
        if end.code:
            raise


def learn(job: JSON) -> JSON:
    """Train on pairs for so many seconds, and restore the test images."""
    images = [
        pair
        for part in ("train", "validation")
        for pair in zip(_images(job, f"{part}_low"), _images(job, f"{part}_high"), strict=True)
    ]
    return _learnt(job, lambda recipe: learn_pairs(images, recipe, shared=ON).model, "test_low")


def learn_isotropic(job: JSON) -> JSON:
    """Train on lateral slices of stacks for so many seconds, and restore all of them."""
    stacks = _images(job, "stacks")
    optics = Optics(psf="gaussian", sigma_um=tuple(job["sigma_um"]))

    def train(recipe: Recipe) -> Model | Ensemble:
        return learn_lateral(stacks, optics, recipe, shared=ON).model

    return _learnt(job, train, "stacks")


def _learnt(job: JSON, learnt: Callable[[Recipe], Model | Ensemble], seen: str) -> JSON:
    torch.set_num_threads(job["threads"])
    began = time.perf_counter()
    recipe = Recipe.of(minutes=job["seconds"] / 60, batch_size=job["batch"], seed=job["seed"])
    made = learnt(recipe)
    spent = time.perf_counter() - began
    for number, one in enumerate(_images(job, seen)):
        restored = predict.restore(made, one).mean
        write.save(Path(job["output"], f"{number:03}.tif"), restored, overwrite=True)
    return {"seconds": spent, "steps": made.facts["steps"]}


def _images(job: JSON, name: str) -> list[Image]:
    return [read.open(path) for path in sorted(Path(job["data"], name).glob("*.tif"))]
