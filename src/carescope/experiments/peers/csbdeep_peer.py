"""CSBDeep, as its documentation says: its default networks, loss, learning rate and tiles."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tifffile
from csbdeep.data import (
    PercentileNormalizer,
    RawData,
    anisotropic_distortions,
    create_patches,
    norm_percentiles,
)
from csbdeep.models import CARE, Config, IsotropicCARE
from tensorflow.keras.callbacks import Callback

JSON = dict[str, Any]
SAMPLES = 640  # as many as careamics is given


class Told(Callback):  # type: ignore[misc]
    """Tells of each step of a training."""

    def __init__(self, after: Callable[[Any], None]) -> None:
        super().__init__()
        self._after = after

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._after(self.model)


def _program(job: JSON, axes: str, kind: type[CARE] = CARE, **more: object) -> CARE:
    _set_up(job)
    configuration = Config(axes, 1, 1, train_batch_size=job["batch"], **more)
    return kind(configuration, "speed", basedir=job["folder"])


def _set_up(job: JSON) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.keras.utils.set_random_seed(job["seed"])


def steps(job: JSON, done: Callable[..., None]) -> None:
    """Training steps on patches of random numbers."""
    axes = "ZYX"[-len(job["shape"]) :]
    generator = np.random.default_rng(0)
    low, high = (generator.random((SAMPLES, *job["shape"], 1), np.float32) for _ in range(2))
    program = _program(job, axes, train_epochs=100_000, train_steps_per_epoch=400)
    program.prepare_for_training()
    program.callbacks.append(Told(done))
    program.train(low, high, validation_data=(low[:16], high[:16]))


def tile(job: JSON, done: Callable[..., None]) -> None:
    """One tile through the network, as often as asked."""
    network = _program(job, "ZYX"[-len(job["shape"]) :]).keras_model
    seen = np.random.default_rng(0).random((1, *job["shape"], 1), np.float32)
    while True:
        network.predict(seen, verbose=0)
        done()


def prepare(job: JSON) -> None:
    """A model of random weights, in the folder."""
    program = _program(job | {"folder": job["model"]}, job["axes"], _kind(job))
    program.keras_model.save_weights(str(Path(job["model"], "speed", "weights_best.weights.h5")))


def stack(job: JSON) -> None:
    """From TIFF to TIFF, in tiles."""
    _set_up(job)
    program = _kind(job)(None, "speed", basedir=job["model"])
    grey = tifffile.imread(job["input"])
    if "factor" in job:  # which it does as a whole
        restored = program.predict(grey, "ZYX", job["factor"])
    elif job["axes"] == "YX":
        restored = np.stack([program.predict(plane, "YX") for plane in grey])
    else:
        tiles = [max(1, n // job["tile_px"]) for n in grey.shape[1:]]
        restored = program.predict(grey, "ZYX", n_tiles=(1, *tiles))
    tifffile.imwrite(job["output"], restored)


def _kind(job: JSON) -> Any:
    return IsotropicCARE if "factor" in job else CARE


def learn(job: JSON) -> JSON:
    """Train on pairs for so many seconds, and restore the test images."""
    began = time.perf_counter()
    train, validation = (
        _patches(_images(job, f"{part}_low"), _images(job, f"{part}_high"), job["patch_px"])
        for part in ("train", "validation")
    )
    program = _program(job, "YX", train_epochs=100_000, train_steps_per_epoch=50)
    taken = _train(program, train, validation, began + job["seconds"])
    spent = time.perf_counter() - began
    normalizer = PercentileNormalizer(2, 99.8)
    seen = _images(job, "test_low")
    _keep(job, [program.predict(one, "YX", normalizer=normalizer) for one in seen])
    return {"seconds": spent, "steps": taken}


def learn_isotropic(job: JSON) -> JSON:
    """Train on lateral slices of stacks for so many seconds, and restore all of them."""
    light = np.maximum(_images(job, "stacks").astype(np.float32) - job["offset"], 0)
    began = time.perf_counter()
    held = max(1, light.shape[1] // 8)
    train, validation = (_lateral(job, part) for part in (light[:, held:], light[:, :held]))
    program = _program(job, "YX", IsotropicCARE, train_epochs=100_000, train_steps_per_epoch=50)
    taken = _train(program, train, validation, began + job["seconds"])
    spent = time.perf_counter() - began
    _keep(job, [program.predict(one, "ZYX", job["factor"]) for one in light])
    return {"seconds": spent, "steps": taken}


def _lateral(job: JSON, light: Any) -> Any:
    """Patches of lateral slices, degraded along X: where the network will meet Z."""
    distort = anisotropic_distortions(
        subsample=job["factor"], psf=np.array(job["psf_z"])[np.newaxis], psf_axes="YX",
        poisson_noise=True, gauss_sigma=job["read_noise"],
    )  # fmt: skip
    x, y, _ = create_patches(
        RawData.from_arrays(light, light, axes="ZYX"),
        patch_size=(1, job["patch_px"], job["patch_px"]),
        n_patches_per_image=job["patches"],
        transforms=[distort],
        shuffle=True,
        verbose=False,
    )
    return tuple(np.moveaxis(v[:, :, 0], 1, -1) for v in (x, y))


def _patches(low: Any, high: Any, patch_px: int) -> Any:
    """What its documentation makes of images: normalised patches, with a channel at the end."""
    count = max(1, 4 * (low[0].size // patch_px**2))
    x, y, _ = create_patches(
        RawData.from_arrays(low, high, axes="YX"),
        patch_size=(patch_px, patch_px),
        n_patches_per_image=count,
        normalization=norm_percentiles(),
        shuffle=True,
        verbose=False,
    )
    return tuple(np.moveaxis(v, 1, -1) for v in (x, y))


def _train(program: CARE, train: Any, validation: Any, until: float) -> int:
    """Steps taken; the weights that validated best are in the network then."""
    taken = 0

    def stop(network: Any) -> None:
        nonlocal taken
        taken += 1
        if time.perf_counter() > until:
            network.stop_training = True

    program.prepare_for_training()
    program.callbacks.append(Told(stop))
    program.train(*train, validation_data=validation)
    return taken


def _images(job: JSON, name: str) -> Any:
    return np.stack([tifffile.imread(p) for p in sorted(Path(job["data"], name).glob("*.tif"))])


def _keep(job: JSON, restored: Any) -> None:
    for number, one in enumerate(restored):
        tifffile.imwrite(Path(job["output"], f"{number:03}.tif"), one.astype(np.float32))
