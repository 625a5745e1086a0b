"""CAREamics, as its documentation says: supervised training (CARE), and prediction in tiles."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from careamics import CAREamist
from careamics.config.factories.care_n2n_factory import create_advanced_care_config
from lightning.pytorch.callbacks import Callback

JSON = dict[str, Any]
OVERLAP_PX = 48  # its default, of neighbouring tiles
SAMPLES = 640  # so many that no turn meets the end of an epoch


class Told(Callback):  # type: ignore[misc]
    """Tells of each step of a training."""

    def __init__(self, after: Callable[[Any], None]) -> None:
        self._after = after

    def on_train_batch_end(self, trainer: Any, *_: object) -> None:
        self._after(trainer)


def _program(job: JSON, patch_px: list[int], axes: str, after: Callable[[Any], None]) -> CAREamist:
    torch.set_num_threads(job["threads"])
    configuration = create_advanced_care_config(
        experiment_name="speed",
        data_type="array",
        axes=axes,
        patch_size=patch_px,
        batch_size=job["batch"],
        num_epochs=100_000,
        early_stopping_params={},  # it would stop after three epochs without gain
        trainer_params={"accelerator": "cpu"},
        seed=job["seed"] + 1,  # which must not be 0
    )
    place = tempfile.mkdtemp(dir=job["folder"])
    return CAREamist(
        configuration, work_dir=place, callbacks=[Told(after)], enable_progress_bar=False
    )


def steps(job: JSON, done: Callable[..., None]) -> None:
    """Training steps on patches of random numbers."""
    patch = job["shape"]
    generator = np.random.default_rng(0)
    low, high = (generator.random((SAMPLES, *patch), np.float32) for _ in range(2))
    program = _program(job, patch, "S" + "ZYX"[-len(patch) :], done)
    held = {"val_data": low[:16], "val_data_target": high[:16]}
    program.train(train_data=low, train_data_target=high, **held)


def tile(job: JSON, done: Callable[..., None]) -> None:
    """One tile through the network, as often as asked."""
    program = _program(job, job["shape"], "S" + "ZYX"[-len(job["shape"]) :], done)
    network = program.model.model.eval()
    seen = torch.rand(1, 1, *job["shape"])
    with torch.inference_mode():
        while True:
            network(seen)
            done()


def prepare(job: JSON) -> None:
    """A model trained for one step, in the folder; prediction takes one from a file."""

    def stop(trainer: Any) -> None:
        trainer.save_checkpoint(Path(job["model"], "model.ckpt"))
        trainer.should_stop = True

    Path(job["model"]).mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    low, high = (generator.random((32, 16, 64, 64), np.float32) for _ in range(2))
    program = _program(job, [16, 64, 64], "SZYX", stop)
    program.train(train_data=low, train_data_target=high)


def stack(job: JSON) -> None:
    """From TIFF to TIFF, in tiles."""
    torch.set_num_threads(job["threads"])
    program = CAREamist(
        checkpoint_path=Path(job["model"], "model.ckpt"),
        work_dir=job["folder"],
        enable_progress_bar=False,
    )
    grey = tifffile.imread(job["input"]).astype(np.float32)
    found, _ = program.predict(
        grey[np.newaxis],  # as it was trained: axes SZYX
        batch_size=1,
        tile_size=(-(-len(grey) // 4) * 4, *(2 * [job["tile_px"] + OVERLAP_PX])),
        tile_overlap=(0, OVERLAP_PX, OVERLAP_PX),
    )
    tifffile.imwrite(job["output"], np.asarray(found).squeeze().astype(np.float32))


def learn(job: JSON) -> JSON:
    """Train on pairs for so many seconds, and restore the test images."""
    began = time.perf_counter()

    def stop(trainer: Any) -> None:
        if time.perf_counter() - began > job["seconds"]:
            trainer.should_stop = True

    program = _program(job, [job["patch_px"]] * 2, "SYX", stop)
    program.train(
        train_data=_images(job, "train_low"),
        train_data_target=_images(job, "train_high"),
        val_data=_images(job, "validation_low"),
        val_data_target=_images(job, "validation_high"),
    )
    spent, taken = time.perf_counter() - began, program.trainer.global_step
    seen = _images(job, "test_low")
    found, _ = program.predict(seen, batch_size=1)
    _keep(job, np.asarray(found).reshape(seen.shape))
    return {"seconds": spent, "steps": taken}


def _images(job: JSON, name: str) -> Any:
    return np.stack([tifffile.imread(p) for p in sorted(Path(job["data"], name).glob("*.tif"))])


def _keep(job: JSON, restored: Any) -> None:
    for number, one in enumerate(restored):
        tifffile.imwrite(Path(job["output"], f"{number:03}.tif"), one.astype(np.float32))
