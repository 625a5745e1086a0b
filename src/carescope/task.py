"""What a model restores to what: known before training, kept with the model, asked in restoring."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["isotropic", "denoise", "upsample", "project"]


class Task(BaseModel):
    """What comes in, what comes out, and in which geometry.

    Parameters
    ----------
    kind
        ``isotropic`` (planes are interpolated, axial sections restored), ``denoise`` (each pixel
        from its surroundings), ``upsample`` (few planes to more) or ``project`` (a stack to its
        surface).
    axes
        The space that the network sees: YX, also of axial sections, or ZYX.
    channels_in, channels_out
        Channels of what is restored, and of the restoration.
    factor
        Restored planes per recorded plane; 1 where planes stay as they are.
    step_um, pixel_um
        Plane distance and lateral pixel size in training; None where they do not matter, or a model
        from elsewhere does not say.
    margin_px
        How far an image is mirrored beyond its borders before a network pads it with zeros.
    interpolation
        How planes between recorded ones come about, before the network.

    Raises
    ------
    pydantic.ValidationError
        Something is missing or impossible.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind
    axes: Literal["YX", "ZYX"] = "YX"
    channels_in: int = Field(1, ge=1)
    channels_out: int = Field(1, ge=1)
    factor: float = Field(1.0, ge=1, le=100)
    step_um: float | None = Field(None, gt=0)
    pixel_um: float | None = Field(None, gt=0)
    margin_px: int = Field(32, ge=0, le=1024)
    interpolation: Literal["cubic", "linear"] = "cubic"

    @property
    def ndim(self) -> int:
        """Spatial axes that the network sees."""
        return len(self.axes)

    @property
    def keeps_channels(self) -> bool:
        """Whether channels come out as they go in, so that grey levels can be given back."""
        return self.channels_in == self.channels_out
