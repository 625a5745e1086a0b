"""Movies of pictures side by side, such as samples from what a network predicts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, OutputError, UsageError
from carescope.files.atomic import writing
from carescope.report.panels import bar_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = npt.NDArray[np.uint8]

DPI = 100
GAP_PX, LABEL_PX, EDGE_PX = 12, 34, 12
PANEL_PX = 480  # small images are magnified to about this, pixel by pixel
MOST_PX = 4096  # a side longer than this no common player decodes
BACKGROUND, TEXT = "#10161d", "#e8edf2"
_CRF = 18  # of libx264, where 0 is lossless; noise is what these movies are about


def shared_contrast(images: Sequence[npt.ArrayLike]) -> tuple[float, float]:
    """Limits from black to white that suit all images: the widest 0.5 to 99.7 percentiles."""
    limits = [np.nanpercentile(np.asarray(image, np.float32), (0.5, 99.7)) for image in images]
    low, high = float(min(a for a, _ in limits)), float(max(b for _, b in limits))
    return (low, high) if high > low else (low, low + 1)


def panels(
    labels: Sequence[str],
    pictures: Iterable[Sequence[npt.ArrayLike]],
    *,
    limits: Sequence[tuple[float, float]],
    columns: int | None = None,
    pixel_um: float | None = None,
) -> Iterator[Frame]:
    """Lay out the pictures of each moment side by side, with labels and a scale bar.

    Pixels are magnified by a whole number and never averaged, because that would hide how much
    they differ from frame to frame.

    Parameters
    ----------
    labels
        What is written above each panel.
    pictures
        For each frame (Y, X) arrays, one for each label, all of one shape.
    limits
        For each panel, the values that are black and white.
    columns
        How many panels stand in a row; all unless given.
    pixel_um
        Pixel size in micrometres; without it there is no scale bar.

    Yields
    ------
    (height, width, 3) uint8 array
        Frames of even height and width.

    Raises
    ------
    InputError
        A picture is not (Y, X) or not of the shape of the first, a frame has not as many as
        there are labels and limits, or the frame is too large for a movie.
    """
    count = len(labels)
    if count == 0 or len(limits) != count:
        raise InputError(
            f"{count} labels and {len(limits)} limits do not go together",
            remedy="Give one of each for every panel, at least one",
        )
    stage: _Stage | None = None
    shape: tuple[int, ...] = ()
    for moment in pictures:
        arrays = [np.asarray(picture) for picture in moment]
        shape = shape or arrays[0].shape
        if len(arrays) != count or len(shape) != 2 or any(a.shape != shape for a in arrays):
            raise InputError(
                f"a frame has pictures of {', '.join(describe_shape(a.shape) for a in arrays)}",
                remedy=f"Give {count} (Y, X) arrays of one shape for every frame",
            )
        stage = stage or _Stage(labels, (shape[0], shape[1]), columns or count, pixel_um)
        yield stage.frame([_grey(a, *ends) for a, ends in zip(arrays, limits, strict=True)])


def write_movie(
    path: Path, frames: Iterable[Frame], *, fps: float = 10.0, overwrite: bool = False
) -> int:
    """Write frames to an MP4 file (H.264) that any browser plays.

    Parameters
    ----------
    path
        A name that ends in ``.mp4``. The file appears there when it is complete.
    frames
        (height, width, 3) uint8 arrays, red, green and blue, all of one shape. They are taken one
        at a time. Frames of an odd side repeat their last row or column.
    fps
        Frames a second.
    overwrite
        Whether a file that is already there may be replaced.

    Returns
    -------
    int
        How many frames were written.

    Raises
    ------
    UsageError
        The name does not end in ``.mp4``, or the speed is not positive.
    InputError
        There is no frame, or one is not of the shape and type of the first.
    OutputError
        The file cannot be written, or the encoder failed.
    """
    if path.suffix.lower() != ".mp4":
        raise UsageError(
            "a movie is written as MP4", where=path, remedy="Give --out a name that ends in .mp4"
        )
    if not 0 < fps < 1000:
        raise UsageError(f"{fps:g} frames a second cannot be shown", remedy="Choose some, as 10")
    moments = iter(frames)
    first = next(moments, None)
    if first is None:
        raise InputError("there is no frame to write", where=path, remedy="Give at least one")
    with writing(path, overwrite=overwrite) as temporary:
        return _encode(temporary, chain([first], moments), first.shape, fps, path)


def _encode(
    target: Path, frames: Iterable[Frame], shape: tuple[int, ...], fps: float, path: Path
) -> int:
    """Hand the frames to the encoder, and wait for it."""
    if len(shape) != 3 or shape[2] != 3 or max(shape) > MOST_PX:
        raise InputError(
            f"a frame of shape {shape} cannot be written",
            remedy=f"Give (height, width, 3) arrays of at most {MOST_PX} pixels a side",
        )
    height, width = (n + n % 2 for n in shape[:2])
    odd = (0, height - shape[0]), (0, width - shape[1]), (0, 0)
    encoder = subprocess.Popen(  # noqa: S603 - the encoder that we install, and no shell
        _command(target, height, width, fps), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    written, said = 0, b""
    try:
        for frame in frames:
            if frame.shape != shape or frame.dtype != np.uint8:
                raise InputError(
                    f"frame {written} is {frame.dtype} of shape {frame.shape}; the first has the "
                    f"shape {shape}",
                    remedy="Give uint8 frames of one shape",
                )
            if encoder.stdin:
                encoder.stdin.write(np.pad(frame, odd, "edge").tobytes())
            written += 1
    except BrokenPipeError:
        pass  # it has ended before its time, and says why
    except BaseException:
        encoder.kill()
        raise
    finally:
        _, said = encoder.communicate()
    if encoder.returncode != 0:
        reasons = said.decode(errors="replace").split("\n")
        raise OutputError(
            f"the movie cannot be written: {next(filter(None, reasons), 'the encoder ended')}",
            where=path,
            remedy="Free some space, or choose another place with --out",
        )
    return written


def _command(target: Path, height: int, width: int, fps: float) -> list[str]:
    """The encoder's command line: raw frames in, H.264 in an MP4 that can start at once out."""
    import imageio_ffmpeg

    raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps:.6g} -i -"
    h264 = f"-c:v libx264 -preset medium -crf {_CRF} -pix_fmt yuv420p -threads 2"
    plain = "-an -movflags +faststart -map_metadata -1 -fflags +bitexact -flags:v +bitexact"
    options = f"-v error -y {raw} {h264} {plain}".split()
    return [imageio_ffmpeg.get_ffmpeg_exe(), *options, str(target)]


class _Stage:
    """What stays the same from frame to frame: labels, gaps, the scale bar."""

    def __init__(
        self,
        labels: Sequence[str],
        shape: tuple[int, int],
        columns: int,
        pixel_um: float | None,
    ) -> None:
        self.zoom = max(1, PANEL_PX // max(shape))
        tall, wide = (n * self.zoom for n in shape)
        rows, columns = -(-len(labels) // columns), min(columns, len(labels))
        foot = LABEL_PX if pixel_um else EDGE_PX
        height = rows * (LABEL_PX + tall) + foot
        width = 2 * EDGE_PX + columns * wide + (columns - 1) * GAP_PX
        height, width = height + height % 2, width + width % 2
        if max(height, width) > MOST_PX:
            raise InputError(
                f"{len(labels)} panels of {shape[0]} x {shape[1]} pixels need a frame of "
                f"{height} x {width}, more than the {MOST_PX} that players show",
                remedy="Choose a part of the image with --crop",
            )
        self.corners = [
            (LABEL_PX + n // columns * (tall + LABEL_PX), EDGE_PX + n % columns * (wide + GAP_PX))
            for n in range(len(labels))
        ]
        figure = _dark_figure(width, height)
        for label, (top, left) in zip(labels, self.corners, strict=True):
            _write(figure, label, left, top - LABEL_PX / 2, "left")
        if pixel_um:
            _draw_bar(figure, shape[1] * pixel_um, wide, height - LABEL_PX / 2)
        self.background = _pixels(figure)

    def frame(self, pictures: Sequence[Frame]) -> Frame:
        """The background with grey pictures in their places."""
        frame = self.background.copy()
        for picture, (top, left) in zip(pictures, self.corners, strict=True):
            large = picture.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)
            frame[top : top + large.shape[0], left : left + large.shape[1]] = large[..., None]
        return frame


def _grey(picture: npt.NDArray[Any], low: float, high: float) -> Frame:
    """Values from black to white; not-a-number is black."""
    scaled = (picture.astype(np.float32) - low) * (255 / (high - low))
    grey: Frame = np.clip(np.nan_to_num(np.rint(scaled)), 0, 255).astype(np.uint8)
    return grey


def _dark_figure(width: int, height: int) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    return figure


def _write(figure: Figure, text: str, x: float, y: float, align: str) -> None:
    """Text at a pixel counted from the top left."""
    width, height = figure.get_size_inches() * DPI
    figure.text(x / width, 1 - y / height, text, color=TEXT, fontsize=12, va="center", ha=align)


def _draw_bar(figure: Figure, field_um: float, field_px: int, y: float) -> None:
    """A scale bar at the left of the foot of the frame, with its length beside it."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches() * DPI
    length = bar_length(field_um)
    long = length / field_um * field_px
    corner = EDGE_PX / width, 1 - (y + 2) / height
    figure.add_artist(Rectangle(corner, long / width, 4 / height, color=TEXT, lw=0))
    _write(figure, f"{length:g} µm", EDGE_PX + long + 8, y, "left")


def _pixels(figure: Figure) -> Frame:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3].copy()
