"""Draw docs/images/phantoms.png: each phantom, and the same through a microscope.

python benchmarks/phantoms_gallery.py docs/images/phantoms.png
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from carescope import phantoms, rng
from carescope.physics import camera, exposure
from carescope.physics import psf as optics

SHAPE, FLAT = (96, 192, 192), (192, 192)
GAP_PX, SEED = 6, 7
# Autofluorescence; a widefield microscope gathers that of all planes.
FAINT = {"widefield": 0.005, "lightsheet": 0.02, "confocal": 0.03, "twophoton": 0.01}
WATER = {"refractive_index": 1.33}
OIL = {"refractive_index": 1.515}


@dataclass(frozen=True)
class Seen:
    """A phantom, and the microscope that looks at it."""

    title: str
    voxel_um: float
    psf: str
    lens: dict[str, float]
    factor: int = 1
    photons: float = 100.0
    shape: tuple[int, ...] = SHAPE
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.title.replace(",", "").split()[0]


CONFOCAL = {"na": 1.1, "wavelength_um": 0.52, **WATER}
SPINNING = {"na": 1.3, "wavelength_um": 0.52, "refractive_index": 1.4}
SHEET = {"na": 0.8, "na_illum": 0.1, "wavelength_um": 0.52, **WATER}
TWO_PHOTONS = {"na": 0.9, "wavelength_um": 0.78, **WATER}
WIDEFIELD = {"na": 1.4, "wavelength_um": 0.6, **OIL}
PACKED = {"packed": True, "volume_per_nucleus_px3": 60_000.0}
FOLDED = {"amplitude_px": 34.0, "fold_px": 72}
STIFF = {"persistence_px": 150.0}
THIN = (64, 192, 192)
# Titles begin with the kind; then voxel size, PSF, every so many planes, photons, shape, settings.
ROWS = [
    [
        Seen("nuclei, light sheet", 0.2, "lightsheet", SHEET, 4, 100.0, SHAPE, PACKED),
        Seen("membranes, confocal", 0.2, "confocal", CONFOCAL, 3),
    ],
    [
        Seen("tissue, two photons", 0.25, "twophoton", TWO_PHOTONS, 3),
        Seen("epithelium, confocal", 0.15, "confocal", SPINNING, 3, 80.0, THIN, FOLDED),
    ],
    [
        Seen("tubes, widefield", 0.05, "widefield", WIDEFIELD, 1, 400.0, THIN, STIFF),
        Seen("granules, widefield", 0.05, "widefield", WIDEFIELD, 1, 400.0, THIN),
    ],
    [
        Seen("tubes in a plane, widefield", 0.04, "widefield", WIDEFIELD, 1, 200.0, FLAT, STIFF),
        Seen("granules in a plane, widefield", 0.04, "widefield", WIDEFIELD, 1, 200.0, FLAT),
    ],
]


def record(seen: Seen) -> tuple[np.ndarray, np.ndarray, phantoms.Phantom]:
    """Density, and its image with every plane repeated as often as it stands for planes."""
    world = phantoms.KINDS[seen.kind](seen.shape, SEED, **seen.settings)
    density, _ = world.whole()
    faint = phantoms.autofluorescence(seen.shape, SEED, strength=FAINT[seen.psf])
    psf = optics.named(seen.psf, (seen.voxel_um,) * 3, **seen.lens)
    noise = camera.Noise(gain=1.0, offset=100.0, read_noise=2.0)
    grey = [
        camera.expose(
            exposure.expected(
                channel + faint, noise, photons=seen.photons, psf=psf, factor=seen.factor
            ),
            noise,
            rng.generator(SEED, "gallery", number),
        )
        for number, channel in enumerate(density if world.channels else [density])
    ]
    image = np.stack(grey) if world.channels else grey[0]
    if seen.factor > 1:
        image = np.repeat(image, seen.factor, axis=-3)[..., : seen.shape[0], :, :]
    return density, image, world


def shown(slices: np.ndarray, low: float, high: float) -> np.ndarray:
    """A (Y, X) or (2, Y, X) slice as (Y, X, 3) bytes: grey, or nuclei green on magenta walls."""
    light = np.clip((slices - low) / (high - low), 0, 1) ** 0.8
    if light.ndim == 2:
        colours = np.repeat(light[..., None], 3, axis=-1)
    else:
        colours = np.stack([light[1], light[0], light[1]], axis=-1)
    return (8 * np.rint(31 * colours)).astype(np.uint8)  # few levels make a small file


def block(seen: Seen) -> np.ndarray:
    """Truth on the left, image on the right; lateral sections above axial ones."""
    density, image, world = record(seen)
    columns = []
    for volume in (density, image):
        low, high = np.percentile(volume, [1, 99.9])
        if world.is_flat:
            columns.append([shown(volume, low, high)])
            continue
        middle = seen.shape[0] // 2 // seen.factor * seen.factor
        lateral = shown(volume[..., middle, :, :], low, high)
        if volume is density and seen.kind == "epithelium":
            lateral = shown(world.maps()["surface"], 0.02, 0.9)
        columns.append([lateral, shown(volume[..., seen.shape[1] // 2, :], low, high)])
    return spaced([spaced(column, 0) for column in columns], 1)


def spaced(parts: list[np.ndarray], axis: int) -> np.ndarray:
    """Pictures in a row or a column, white between them."""
    shape = list(parts[0].shape)
    shape[axis] = GAP_PX
    between = np.full(shape, 255, np.uint8)
    return np.concatenate([p for part in parts for p in (between, part)][1:], axis)


def main(out: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    blocks = [[block(seen) for seen in row] for row in ROWS]
    heights = [row[0].shape[0] for row in blocks]
    dpi, title_px = 100, 22
    size = ((2 * blocks[0][0].shape[1] + 3 * GAP_PX) / dpi, (sum(heights) + 4 * title_px) / dpi)
    figure = plt.figure(figsize=size, dpi=dpi)
    width, height = (n * dpi for n in size)
    top = 0
    for titles, row in zip(ROWS, blocks, strict=True):
        for column, (seen, picture) in enumerate(zip(titles, row, strict=True)):
            left = GAP_PX + column * (picture.shape[1] + GAP_PX)
            below = height - top - title_px - picture.shape[0]
            place = (
                left / width,
                below / height,
                picture.shape[1] / width,
                picture.shape[0] / height,
            )
            axes = figure.add_axes(place)
            axes.imshow(picture, interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(seen.title, fontsize=9, loc="left", pad=4)
        top += title_px + row[0].shape[0]
    figure.savefig(out, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
