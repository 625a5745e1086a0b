"""Does the fingerprint of training images pass images of their kind and find all others.

    CARESCOPE_DATA=... python benchmarks/fingerprint.py

Needs `paired_w2s` and `iso_bbbc050`, and for images of other kinds also `iso_cells3d_nuclei`,
`iso_iitgoa_nuclei`, `iso_flybrain` and `proj_epitools_4d`. Prints markdown tables: how many of how
many images raise an alarm. The method was chosen on the training images here, shifted in other ways
(docs/method.md names them).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

import carescope as cs
from carescope import normalize, phantoms, rng
from carescope.errors import InputError
from carescope.physics import blur, camera, psf
from carescope.trust.features import Features, features
from carescope.trust.fingerprint import Fingerprint

DATA = Path(os.environ.get("CARESCOPE_DATA", "."))
TRAINING, TEST = range(1, 15), range(15, 21)
Array = np.ndarray
Shifts = dict[str, list[Array]]


def read(path: str, axes: str | None = None) -> Array:
    return cs.open(DATA / path, axes=axes).array().astype(np.float32)


def described(image: Array) -> Features:
    """The features of a (Y, X) or (Z, Y, X) array in its own normalisation."""
    try:
        maps = normalize.fit(cs.Image(image, "ZYX"[-image.ndim :]))
    except InputError:
        maps = (None,)
    return features(image[None], maps)


def quarters(image: Array) -> Iterator[Array]:
    y, x = (n // 2 for n in image.shape[-2:])
    for rows in (slice(None, y), slice(y, None)):
        for columns in (slice(None, x), slice(x, None)):
            yield image[..., rows, columns]


def pair(field: int, channel: int) -> tuple[Array, Array]:
    """A W2S exposure, and its object without noise on the same grey levels."""
    noisy, clean = (read(f"paired_w2s/{a}/{field:03d}_{channel}.tif") for a in ("avg1", "avg400"))
    covariance = np.cov(noisy.ravel(), clean.ravel())
    gain = covariance[0, 1] / covariance[1, 1]
    return noisy, gain * (clean - clean.mean()) + noisy.mean()


def disc(radius: float) -> Array:
    y, x = np.mgrid[-int(radius) : int(radius) + 1, -int(radius) : int(radius) + 1]
    inside = (np.hypot(y, x) <= radius).astype(np.float64)
    return inside / inside.sum()


def nothing(shape: tuple[int, ...], count: int) -> Shifts:
    """Images of nothing."""
    draw = rng.generator(1, "nothing")
    return {
        "blank (one value)": [np.full(shape, 100, np.float32)],
        "blank (dark frame, 2 levels of read noise)": [
            np.rint(100 + 2 * draw.standard_normal(shape)) for _ in range(count)
        ],
        "noise only (photons, 25 a pixel)": [
            draw.poisson(25.0, shape).astype(np.float32) for _ in range(count)
        ],
        "noise only (white)": [draw.standard_normal(shape) for _ in range(count)],
    }


def others() -> dict[str, Array]:
    """Stacks of other samples, none of which was looked at when the method was chosen."""
    return {
        "other data set (cells3d nuclei)": read("iso_cells3d_nuclei/nuclei.tif", "ZYX"),
        "other data set (tissue nuclei)": read("iso_iitgoa_nuclei/Series006.tif"),
        "other data set (fly brain)": read("iso_flybrain/flybrain.tif"),
        "other data set (epithelium)": read(
            "proj_epitools_4d/181210_DM_CellMOr_subsub_reg_decon-1_cropped.tif", "TZYX"
        )[2],
    }


def planes(stack: Array, count: int = 6) -> list[Array]:
    inner = np.linspace(0.2, 0.8, count) * (len(stack) - 1)
    return [stack[round(z)] for z in inner]


def of_w2s(channel: int) -> tuple[Fingerprint, Shifts, Shifts]:
    """The fingerprint of a channel, images of the same kind, and images of other kinds."""
    fingerprint = Fingerprint.of([described(pair(f, channel)[0]) for f in TRAINING])
    pairs = [pair(f, channel) for f in TEST]
    clean = {
        "fields": [a for a, _ in pairs],
        "quarters of fields": [q for a, _ in pairs for q in quarters(a)],
    }
    shifted = {
        "other channel": [pair(f, other)[0] for other in {0, 1, 2} - {channel} for f in TEST]
    }
    shifted |= {
        "10 x exposure": [np.rint(b + (a - b) / np.sqrt(10)) for a, b in pairs],
        "400 x exposure": [read(f"paired_w2s/avg400/{f:03d}_{channel}.tif") for f in TEST],
        "exposure / 10": [np.rint(b + (a - b) * np.sqrt(10)) for a, b in pairs],
        "other blur (object, sigma 2.5, own noise)": [
            np.rint(ndimage.gaussian_filter(b, 2.5) + a - b) for a, b in pairs
        ],
        "other blur (object out of focus by a disc of 10, own noise)": [
            np.rint(ndimage.convolve(b, disc(10)) + a - b) for a, b in pairs
        ],
        "other blur (image, sigma 1.5)": [ndimage.gaussian_filter(a, 1.5) for a, _ in pairs],
    }
    shifted |= nothing(pairs[0][0].shape, 6)
    shifted |= {name: planes(stack) for name, stack in others().items()}
    return fingerprint, clean, shifted


def in_turns(folds: int = 4) -> Iterator[tuple[Fingerprint, Shifts]]:
    """All fields of W2S, each against the fingerprint of three quarters of the others."""
    for channel in range(3):
        seen = {f: described(pair(f, channel)[0]) for f in (*TRAINING, *TEST)}
        for fold in range(folds):
            left_out = [f for f in seen if f % folds == fold]
            fingerprint = Fingerprint.of([seen[f] for f in seen if f not in left_out])
            yield fingerprint, {"fields": [pair(f, channel)[0] for f in left_out]}


def darkened(name: str, photons: float = 60.0) -> Array:
    """A BBBC050 volume with so many times fewer photons (one a grey level before)."""
    volume = read(f"iso_bbbc050/raw/{name}.tif")
    dark = camera.Noise(gain=photons, offset=95.0, read_noise=10.0)
    return camera.expose(volume, dark, rng.generator(2, name, int(photons)))


def embryos(numbers: tuple[int, ...]) -> list[str]:
    return [f"Emb{n:02d}_t{t}" for n in numbers for t in ("051", "201", "351", "501")]


def of_embryos(flat: bool) -> tuple[Fingerprint, Shifts, Shifts]:
    """Embryos 1 to 3 train, embryo 4 tests; as volumes, or as planes."""

    def cut(volumes: list[Array]) -> list[Array]:
        return [p for v in volumes for p in planes(v)] if flat else volumes

    fingerprint = Fingerprint.of([described(v) for v in cut([*map(darkened, embryos((1, 2, 3)))])])
    names = embryos((4,))
    volumes = [darkened(name) for name in names]
    clean = {"planes" if flat else "volumes": cut(volumes)}
    if not flat:
        clean["quarters of volumes"] = [q for v in volumes for q in quarters(v)]
    raw = [read(f"iso_bbbc050/raw/{name}.tif") for name in names]
    blurred = [
        camera.expose(
            ndimage.gaussian_filter(v, (0, 2.5, 2.5)),
            camera.Noise(60.0, 95.0, 10.0),
            rng.generator(3, name),
        )
        for v, name in zip(raw, names, strict=True)
    ]
    shifted = {
        "10 x exposure": cut([darkened(name, 6.0) for name in names]),
        "60 x exposure (as recorded)": cut(raw),
        "exposure / 10": cut([darkened(name, 600.0) for name in names]),
        "xz given for xy": cut([v.swapaxes(0, 1) for v in volumes]),
        "other blur (object, sigma 2.5, own noise)": cut(blurred),
    }
    shifted |= nothing((125, 125) if flat else (51, 125, 125), 4)
    for name, stack in others().items():
        shifted[name] = planes(stack) if flat else [stack]
    return fingerprint, clean, shifted


def simulated(kind: str, number: int, photons: float, sigma: float = 1.5) -> Array:
    """A phantom, blurred 3 times as much along z as across, always taken in the same way."""
    draw = {"nuclei": phantoms.nuclei, "membranes": phantoms.membranes, "tubes": phantoms.tubes}
    made = draw[kind]((96, 128, 128), number)
    seen = blur.blur(made[0], psf.gaussian((3 * sigma, sigma, sigma), (1.0, 1.0, 1.0)).values)
    camera_ = camera.Noise(gain=2.0, offset=100.0, read_noise=3.0)
    grey = camera_.offset + camera_.gain * photons * np.maximum(seen, 0)
    return camera.expose(grey, camera_, rng.generator(4, kind, number))


def of_phantoms() -> tuple[Fingerprint, Shifts, Shifts]:
    """Nuclei, all taken with the same light."""
    fingerprint = Fingerprint.of([described(simulated("nuclei", n, 50)) for n in range(12)])
    test = range(100, 110)
    clean = [simulated("nuclei", n, 50) for n in test]
    shifted = {
        "10 x exposure": [simulated("nuclei", n, 500) for n in test],
        "exposure / 10": [simulated("nuclei", n, 5) for n in test],
        "xz given for xy": [v.swapaxes(0, 1) for v in clean],
        "other blur (sigma 2.5 for 1.5, own noise)": [
            simulated("nuclei", n, 50, 2.5) for n in test
        ],
        "other sample (membranes)": [simulated("membranes", n, 50) for n in test],
        "other sample (tubes)": [simulated("tubes", n, 50) for n in test],
    }
    parts = [q for v in clean for q in quarters(v)]
    return fingerprint, {"volumes": clean, "quarters of volumes": parts}, shifted


def rows(kinds: list[tuple[Fingerprint, Shifts]]) -> Iterator[str]:
    """A row of the table for each name: alarms, images, and the first reason given."""
    counts: dict[str, list[int]] = {}
    reasons: dict[str, str] = {}
    for fingerprint, images in kinds:
        for name, these in images.items():
            count = counts.setdefault(name, [0, 0])
            for image in these:
                comparison = fingerprint.compare(described(image))
                count[0] += comparison.unlike
                count[1] += 1
                if comparison.unlike:
                    reasons.setdefault(name, comparison.reasons[0])
    for name, (alarms, count) in counts.items():
        yield f"| {name} | {alarms} / {count} | {reasons.get(name, '')} |"


def main() -> None:
    """Print the tables."""
    for title, kinds in {
        "W2S, a fingerprint a channel from fields 001-014": [of_w2s(c) for c in range(3)],
        "BBBC050 darkened 60-fold, volumes of embryos 1-3": [of_embryos(flat=False)],
        "BBBC050 darkened 60-fold, planes of embryos 1-3": [of_embryos(flat=True)],
        "simulated nuclei, 12 volumes taken with the same light": [of_phantoms()],
    }.items():
        same, other = ([(known, s) for known, s, _ in kinds], [(known, o) for known, _, o in kinds])
        for heading, asked in (("the same kind", same), ("another kind", other)):
            print(f"\n| {title}: images of {heading} | alarms | first reason |\n|---|---|---|")
            print("\n".join(rows(asked)), flush=True)
    print("\n| W2S, all fields in four turns | alarms | first reason |\n|---|---|---|")
    print("\n".join(rows([*in_turns()])))


if __name__ == "__main__":
    main()
