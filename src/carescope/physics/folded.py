"""What spectrum a coarsely sampled stack shows of structures that look alike from all sides."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from carescope.physics.rings import FIRST_RING, Rings, hann

Floats = npt.NDArray[np.float64]

FINE = 3  # frequencies computed for each one that a stack tells apart
PARTS = 8  # radii computed for each ring
LOBE_BINS = 4  # how far a Hann window is taken to smear, to either side
#: Edges count alike at all scales where amplitudes are weighted by frequency: those of images of
#: gradients, whose power is this power of the frequency times that of the image.
EDGES = 2
#: A model is not expected to meet amplitudes better than to this share.
MODEL_ERROR = 0.1
# Standard deviations in pixels of smoothing that noise may have gone through, by a camera's
# colours, compression or a filter; noise without smoothing comes with these.
SMOOTHED_PX = (0.5, 1.0, 2.0)
ROUNDS = 4
RIDGE = 1e-5


class Folded:
    r"""The power that a stack shows at axial frequency k and lateral frequency r.

    Structures without orientation have a power S that depends on the frequency's length q alone.
    With the lateral blur H it is L(q) = S(q) H(q)^2 wherever the blur is the same in all
    directions. Excess blur along z multiplies it, sampling folds it, the Hann window W smears it,
    and noise adds N(r), which is independent from plane to plane, but may be smoothed in them:

    .. math:: P(k, r) = N(r) + |W|^2 * \sum_m L(\sqrt{r^2 + k_m^2})
              e^{-(2 \pi k_m \sigma)^2}, \quad k_m = k + m / step

    Nothing but that is assumed of L: it is interpolated between nodes, and found for each sigma.

    Parameters
    ----------
    rings
        What was measured; frequencies and sigma are in pixels.
    """

    def __init__(self, rings: Rings) -> None:
        self.rings = rings
        planes, side, factor = rings.planes, rings.side_px, rings.factor
        last = min(len(rings.lateral), math.ceil(1.5 * rings.band.stop) + 2)
        self.columns = slice(FIRST_RING, last)
        step = 1 / (FINE * planes * factor)
        self.fine = np.arange(0, 0.5 + step, step)
        self.lobe = _lobe(rings.axial, self.fine, planes, factor) * step * factor
        self.nodes = _nodes(0.5 / side, math.sqrt(0.5), 1 / side)
        mean = rings.power.mean(axis=0)
        self.noise = max(rings.noise, 1e-9 * float(mean[:, FIRST_RING:].mean()))
        row = np.maximum(mean[0] - self.noise, 1e-3 * self.noise)[1:]
        self.guess = np.interp(np.log(self.nodes), np.log(rings.lateral[1:]), np.log(row))
        self._spread = self._nodes_to_fine()
        k, r = rings.axial[:, None], rings.lateral[None, self.columns]
        self.length = np.hypot(k, r).ravel()
        # Blocks overlap by half, so that two are worth about one; rows at 0 and at the Nyquist
        # frequency hold one frequency and not two.
        half = np.where((k == 0) | (2 * k * factor > 1 - 1e-9), 0.5, 1.0)
        samples = half * rings.count[None, self.columns] * max(1.0, rings.blocks / 2)
        self.samples = samples.ravel()
        smooth = [np.exp(-np.square(2 * np.pi * r * s)) + 0 * k for s in (0, *SMOOTHED_PX)]
        self._noises = self.noise * np.stack([s.ravel() for s in smooth], axis=1)
        band = rings.band
        edges = row[band.start - 1 : band.stop - 1] * rings.lateral[band] ** EDGES
        self.typical = float(np.median(edges))

    def _nodes_to_fine(self) -> Floats:
        """(fine axial, rings, nodes) weights of the nodes, lateral smear included."""
        radius, share = _smeared(self.rings.side_px)
        share = share[self.columns]
        weights = np.empty((len(self.fine), len(share), len(self.nodes)))
        at = np.arange(len(radius))
        for row, axial in zip(weights, self.fine, strict=True):
            q = np.clip(np.hypot(radius, axial), self.nodes[0], self.nodes[-1])
            low = np.searchsorted(self.nodes, q, side="right") - 1
            low = np.clip(low, 0, len(self.nodes) - 2)
            part = (q - self.nodes[low]) / (self.nodes[low + 1] - self.nodes[low])
            power = np.exp(np.interp(np.log(q), np.log(self.nodes), self.guess))
            hats = np.zeros((len(radius), len(self.nodes)))
            hats[at, low], hats[at, low + 1] = power * (1 - part), power * part
            row[:] = share @ hats
        return weights

    def design(self, variance_px2: float) -> Floats:
        """(cells, nodes + noises) matrix from what `solve` finds to the power in each cell.

        The variance of the excess blur is negative where a stack is sharper along z than across.
        """
        blur = np.exp(-np.square(2 * np.pi * self.fine) * variance_px2)
        shown = np.tensordot(self.lobe * blur, self._spread, 1)
        return np.concatenate([shown.reshape(-1, len(self.nodes)), self._noises], axis=1)

    def noise_of(self, found: Floats) -> Floats:
        """(cells,) power of the noise that `solve` found."""
        return np.asarray(self._noises @ found[len(self.nodes) :])

    def solve(self, design: Floats, power: Floats) -> tuple[float, Floats]:
        """Find L and noise for one sigma.

        Parameters
        ----------
        design
            The sigma's.
        power
            (KZ, KR), as `Rings.power`, of some or all groups.

        Returns
        -------
        misfit
            Sum over cells of squared differences of amplitudes, each over what is expected of
            chance and of a model that is right within a tenth.
        found
            (nodes + noises,) not negative: L at the nodes over the first guess, and noises.
        """
        seen = power[:, self.columns].ravel()
        expected = seen
        model = MODEL_ERROR**2 * self.typical / self.length**EDGES
        for _ in range(ROUNDS):
            sums = np.square(np.sqrt(seen) + np.sqrt(expected))
            weight = 1 / np.sqrt(sums * (expected / (4 * self.samples) + model))
            found = _not_negative(design * weight[:, None], seen * weight)
            expected = np.maximum(design @ found, 1e-3 * self.noise)
        apart = np.square(np.sqrt(seen) - np.sqrt(expected))
        variance = expected / (4 * self.samples) + model
        return float((apart / variance).sum()), found

    def relative_misfit(self, expected: Floats, noise: Floats) -> float:
        """Difference of edges' amplitudes beyond chance, as a share of the structures' own."""
        seen = self.rings.power.mean(axis=0)[:, self.columns].ravel()
        apart = np.square(np.sqrt(seen) - np.sqrt(expected)) - expected / (4 * self.samples)
        weight = self.length**EDGES
        light = (weight * np.maximum(expected - noise, 0)).sum()
        return math.sqrt(max(0.0, float((weight * apart).sum())) / max(float(light), 1e-300))


def _not_negative(design: Floats, values: Floats) -> Floats:
    """Least squares without negative weights.

    Nodes that hardly show in any cell, or show as their neighbours do, are held by a ridge far
    below what matters: the solver fails on columns that depend on each other.
    """
    from scipy.optimize import nnls

    scale = np.linalg.norm(design, axis=0)
    scale = np.maximum(scale, 1e-9 * scale.max())
    count = len(scale)
    ridge = np.concatenate([design / scale, RIDGE * np.eye(count)])
    found, _ = nnls(ridge, np.append(values, np.zeros(count)), maxiter=100 * count)
    return np.asarray(found / scale)


def _smeared(side: int) -> tuple[Floats, Floats]:
    """Where the lateral Hann window takes the power in each ring from.

    Returns
    -------
    radius
        (R,) lateral frequencies in cycles per pixel.
    share
        (rings, R) share of each, rows of sum 1.
    """
    # A window's power is band-limited, so that samples at half its bins are enough.
    offset = np.arange(-2 * LOBE_BINS, 2 * LOBE_BINS + 1) / 2
    waves = np.exp(-2j * np.pi * np.outer(offset, np.arange(side)) / side)
    lobe = np.square(np.abs(waves @ hann(side)))
    lobe /= lobe.sum()
    y, x = np.meshgrid(np.arange(side // 2 + 1), np.arange(-(side // 2), side // 2), indexing="ij")
    ring = np.rint(np.hypot(y, x)).astype(int)
    y, x, ring = (a[ring <= side // 2] for a in (y, x, ring))
    radius = np.arange(PARTS * (side // 2 + 2 * LOBE_BINS)) / PARTS
    share = np.zeros((side // 2 + 1, len(radius)))
    for dy, wy in zip(offset, lobe, strict=True):
        for dx, wx in zip(offset, lobe, strict=True):
            place = np.rint(PARTS * np.hypot(y + dy, x + dx)).astype(int)
            flat = np.ravel_multi_index((ring, place), share.shape)
            share += wy * wx * np.bincount(flat, minlength=share.size).reshape(share.shape)
    return radius / side, share / share.sum(axis=1, keepdims=True)


def _lobe(axial: Floats, fine: Floats, planes: int, factor: float) -> Floats:
    """(axial, fine) power of the axial window, both signs of the fine frequency together."""
    window = hann(planes)
    waves = np.exp(-2j * np.pi * np.outer(fine, np.arange(planes) * factor))
    power = np.empty((len(axial), len(fine)))
    for row, frequency in zip(power, axial, strict=True):
        shifted = window * np.exp(2j * np.pi * frequency * np.arange(planes) * factor)
        row[:] = np.square(np.abs(waves @ shifted))
        row += np.where(fine > 0, np.square(np.abs(waves.conj() @ shifted)), 0)
    return np.asarray(power / np.square(window).sum())


def _nodes(first: float, last: float, least: float) -> Floats:
    nodes = [first]
    while nodes[-1] < last:
        nodes.append(nodes[-1] + max(least, 0.08 * nodes[-1]))
    return np.array(nodes)
