"""One restoration in plain words, so that any process can open what it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from carescope import predict
from carescope.image import Image, VoxelSize
from carescope.jobs.averaged import averaged
from carescope.jobs.inputs import look_over, open_unseen
from carescope.jobs.outputs import beside
from carescope.jobs.work import Work, planned
from carescope.model import Ensemble, Model, load, with_tta
from carescope.read.check import filled


@dataclass(frozen=True)
class Order:
    """What is to be restored, and how it is read.

    Parameters
    ----------
    model, stack, out
        The folder of the model, the image, and the OME-Zarr to write.
    average
        Of how many frames of a film each restored one is the mean.
    axes, voxel_um, channel, timepoint, allow_incomplete, fill_nonfinite
        As for `carescope.jobs.inputs.open_image`.
    spread, height, dtype, force
        As for `carescope.jobs.restore.restore_file`.
    provenance
        More to write into the metadata.
    engine
        What runs the network.
    tta
        Whether mirror images are restored too: see `carescope.model.with_tta`.
    fill
        What to take non-finite pixels as, where that is known already.
    """

    model: str
    stack: str
    out: str
    average: int = 1
    axes: str | None = None
    voxel_um: VoxelSize | None = None
    channel: int | None = None
    timepoint: int | None = None
    allow_incomplete: bool = False
    fill_nonfinite: bool = False
    spread: bool = False
    height: bool = False
    dtype: str = "float32"
    force: bool = False
    provenance: dict[str, str] = field(default_factory=dict)
    fill: float | None = None
    engine: str = "auto"
    tta: bool = False

    @property
    def to(self) -> Path:
        return Path(self.out)

    def load(self) -> Model | Ensemble:
        """The model, as it is to restore."""
        model = load(Path(self.model))
        return with_tta(model) if self.tta else model

    def look(self, model: Model | Ensemble) -> tuple[Image, list[str], float | None]:
        """Open the stack and look at every pixel.

        Returns
        -------
        stack, warnings
            As from `carescope.jobs.inputs.open_image`, frames averaged.
        fill
            For `fill`, so that others need not look again.
        """
        image = self._opened(model)
        image, warnings, fill = look_over(
            image,
            self.stack,
            fill_nonfinite=self.fill_nonfinite,
            percentiles=model.recipe.percentiles,
        )
        stack, left_out = averaged(image, self.average)
        return stack, [*warnings, *left_out], fill

    def reopen(self, model: Model | Ensemble) -> Image:
        """Open the stack, which another process has looked over."""
        image = self._opened(model)
        return averaged(image if self.fill is None else filled(image, self.fill), self.average)[0]

    def work(self, model: Model | Ensemble, stack: Image) -> Work:
        """What is restored, into what."""
        extra = beside(self.to, len(model.members) if self.spread else 0, height=self.height)
        return planned(
            model, stack, self.to, extra, self.dtype, force=self.force, provenance=self.provenance
        )

    def seen(self, fill: float | None) -> Order:
        """The same for processes that need not look at every pixel again."""
        return replace(self, fill=fill)

    def text(self) -> str:
        """All of it in one line, valid in any folder."""
        entries = asdict(self)
        for name in ("model", "stack", "out"):
            entries[name] = str(Path(entries[name]).absolute())
        return json.dumps(entries)

    @classmethod
    def of(cls, text: str) -> Order:
        """What `text` gave."""
        entries: dict[str, Any] = json.loads(text)
        size = entries["voxel_um"]
        return cls(**entries | {"voxel_um": size if size is None else tuple(size)})

    def _opened(self, model: Model | Ensemble) -> Image:
        fits: Callable[[Image], object] = lambda film: predict.outline(  # noqa: E731
            model, averaged(film, self.average)[0], force=self.force
        )
        return open_unseen(
            self.stack,
            axes=self.axes,
            voxel_um=self.voxel_um,
            channel=self.channel,
            timepoint=self.timepoint,
            allow_incomplete=self.allow_incomplete,
            fits=fits,
            stacks_only=model.task.kind == "isotropic",
        )
