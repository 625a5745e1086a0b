"""Where the members of an ensemble disagree: CARE's measure D, pixel by pixel.

The divergence between a Laplace distribution and a mixture of them has no closed form: it is an
integral for each pixel. Here it is a sum over a few dozen well chosen values, within 1e-3 of the
integral however different the members are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carescope.errors import UsageError
from carescope.trust.mixture import Float32, Float64, Real, members

LEAST_RATIO = 1e-6
"""A scale below this share of the widest at its pixel counts as this share of it."""

_CHUNK_PX = 1 << 14
_BLOCK = 1 << 16  # values of x at a time: long enough loops, and still in a processor's cache
_LEAST = np.float32(1e-26)  # less likely values than this count as this likely


class _Rule(NamedTuple):
    """How far to integrate, in widest scales, and how finely."""

    tail: float  # beyond the outermost centres
    gap: float  # members further apart than this do not overlap
    density: float  # nodes for each e-folding of the map


_RULES = {"laplace": _Rule(12.0, 24.0, 2.0), "gaussian": _Rule(6.0, 16.0, 4.0)}
_NODES = (2, 4, 8, 16, 32, 64, 128)
_LIMITS = np.array(_NODES[:-1], np.float32)


def disagreement(
    means: npt.ArrayLike, scales: npt.ArrayLike, *, family: str = "laplace", threads: int = 1
) -> Float32:
    """Return how little the predictions of an ensemble overlap, at each pixel.

    Parameters
    ----------
    means, scales : (M, ...) arrays
        What each of M >= 2 members predicts, in one unit; scales are >= 0.
    family
        ``laplace`` or ``gaussian``.
    threads
        How many work at once, each on pixels of its own; the result does not depend on it.

    Returns
    -------
    (...) float32 array
        D in [0, 1]: 0 where all members predict the same distribution, 1 where no two overlap,
        not-a-number where a member predicts no number. Within 1e-3 of the integral for scales
        and distances that differ by up to `LEAST_RATIO`.

    Raises
    ------
    InputError
        The shapes differ, or a scale is negative.
    UsageError
        There is a single member, which has nobody to disagree with, or no such family.

    Notes
    -----
    ``D = (1/M) sum_m KL(p_m || p) / log M`` with the mixture ``p = (1/M) sum_m p_m`` [1]_. Written
    with the probability ``r_m(x) = p_m(x) / sum_k p_k(x)`` that a value x came from member m,

        D = 1 - E[H(r(x))] / log M,   H(r) = -sum_m r_m log r_m,   x drawn from p:

    how much a value tells about who predicted it. The integrand is smooth between neighbouring
    centres. There the Gauss-Legendre rule is used in ``u = log((f_a + x - a) / (f_b + b - x))``,
    where the feature size ``f_c = min_m (s_m + |c - mu_m|)`` says how fast anything can vary at
    an end c of the piece: steps are fine where a narrow member is near, and as coarse as the
    distance to it elsewhere. Both sums, of p and of p H(r), are taken with the same rule and
    divided, so that 0 and 1 are met to rounding.

    References
    ----------
    .. [1] Weigert et al., Content-aware image restoration: pushing the limits of fluorescence
       microscopy, Nature Methods 15 (2018), Supplementary Note 3.
       https://doi.org/10.1038/s41592-018-0216-7
    """
    means, scales = members(means, scales, family)
    if len(means) < 2:
        raise UsageError(
            "a single member has nobody to disagree with",
            remedy="Train several with --ensemble, 4 or 5 of them",
        )
    count = len(means)
    flat_means, flat_scales = means.reshape(count, -1), scales.reshape(count, -1)
    result = np.empty(flat_means.shape[1], np.float32)

    def find(start: int) -> None:
        part = slice(start, start + _CHUNK_PX)
        result[part] = _chunk(flat_means[:, part], flat_scales[:, part], family)

    starts = range(0, len(result), _CHUNK_PX)
    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(find, starts))  # the list raises what a thread has raised
    else:
        for start in starts:
            find(start)
    return result.reshape(means.shape[1:])


def _chunk(means: Real, scales: Real, family: str) -> Float64:
    """D of (M, pixels)."""
    known = (np.isfinite(means) & np.isfinite(scales)).all(axis=0)
    if not known.all():
        means, scales = np.where(known, means, 0), np.where(known, scales, 1)
    rule = _RULES[family]
    gaps, widths = _in_order(means, scales, rule)
    mass, doubt = np.zeros((2, means.shape[1]), np.float32)
    room = np.empty((2, len(means) * _BLOCK), np.float32)
    for piece in _pieces(gaps, widths, rule.tail):
        classes = np.searchsorted(_LIMITS, rule.density * piece.spread()[1])
        for index, nodes in enumerate(_NODES):
            pixels = np.flatnonzero(classes == index)
            for start in range(0, len(pixels), _BLOCK // nodes):
                at = pixels[start : start + _BLOCK // nodes]
                some = _Piece(*(np.take(a, at, axis=-1) for a in piece))
                m, d = _integrals(some, np.take(widths, at, axis=1), nodes, family, room)
                mass[at] += m
                doubt[at] += d
    return np.where(known, np.clip(1 - doubt / mass / math.log(len(means)), 0, 1), np.nan)


def _in_order(means: Real, scales: Real, rule: _Rule) -> tuple[Float32, Float32]:
    """Gaps between the sorted centres (M - 1, pixels), and the scales in their order.

    Both are in units of the widest scale. D does not depend on the unit, nor on how far two
    members are apart that do not overlap.
    """
    order = np.argsort(means, axis=0)
    means, scales = (np.take_along_axis(a, order, axis=0) for a in (means, scales))
    widest = np.maximum(scales.max(axis=0), np.finfo(np.float32).tiny)
    gaps = np.minimum(np.diff(means, axis=0), rule.gap * widest) / widest
    widths = np.maximum(scales / widest, LEAST_RATIO)
    return gaps.astype(np.float32), widths.astype(np.float32)


class _Piece(NamedTuple):
    """An interval between neighbouring centres, or a tail; all arrays are (..., pixels)."""

    length: Float32
    left: Float32  # distances of the centres on the left from the left end, (k, pixels)
    right: Float32  # of the others from the right end
    feature_left: Float32
    feature_right: Float32

    def spread(self) -> tuple[Float32, Float32]:
        """Where u begins, and its length: over how many factors of e the piece is spread."""
        start = np.log(self.feature_left / (self.feature_right + self.length))
        return start, np.log((self.feature_left + self.length) / self.feature_right) - start


def _pieces(gaps: Float32, widths: Float32, tail: float) -> Iterator[_Piece]:
    """The left tail, the intervals between the centres, the right tail."""
    count, pixels = widths.shape
    apart = np.zeros((count, count, pixels), np.float32)
    for i in range(count - 1):
        # Sums of gaps and never differences of positions: tiny distances keep all their digits.
        apart[i, i + 1 :] = apart[i + 1 :, i] = np.cumsum(gaps[i:], axis=0)
    feature = (widths + apart).min(axis=1)
    end = np.full((1, pixels), tail, np.float32)
    lengths = np.concatenate([end, gaps, end])
    features = np.concatenate([feature[:1] + end, feature, feature[-1:] + end])
    for k in range(count + 1):
        left, right = apart[max(k - 1, 0), :k], apart[min(k, count - 1), k:]
        yield _Piece(lengths[k], left, right, features[k], features[k + 1])


def _integrals(
    piece: _Piece, widths: Float32, nodes: int, family: str, room: Float32
) -> tuple[Float32, Float32]:
    """The integrals of p and of p H(r) over a piece, times M, (pixels) each."""
    length, left, right, feature_left, feature_right = piece
    t, weights = _legendre(nodes)
    start, folds = piece.spread()
    e = np.exp(start + folds * t)
    before = 1 / (1 + e)
    beyond = e * before  # and not 1 - before, which loses the digits of what is close to the left
    to_left = np.maximum(beyond * (feature_right + length) - before * feature_left, 0)
    to_right = np.maximum(before * (feature_left + length) - beyond * feature_right, 0)
    step = beyond * before * (weights * (folds * (feature_left + length + feature_right)))

    shape = (len(widths), *e.shape)
    log_p, p = (buffer[: math.prod(shape)].reshape(shape) for buffer in room)
    narrowness = (1 / widths)[:, None]
    np.multiply(to_left, narrowness[: len(left)], out=log_p[: len(left)])
    np.multiply(to_right, narrowness[len(left) :], out=log_p[len(left) :])
    centre = np.concatenate([left, right])[:, None] * narrowness
    height = -np.log(widths)[:, None]
    if family == "laplace":
        np.subtract(height - centre, log_p, out=log_p)
    else:
        log_p += centre
        log_p *= log_p / -2
        log_p += height
    np.exp(log_p, out=p)
    total = np.maximum(p.sum(axis=0), _LEAST)
    p *= log_p
    lost = total * np.log(total) - p.sum(axis=0)
    return (step * total).sum(axis=0), (step * lost).sum(axis=0)


@cache
def _legendre(nodes: int) -> tuple[Float32, Float32]:
    """Nodes in (0, 1) and their weights, as columns."""
    t, weights = np.polynomial.legendre.leggauss(nodes)
    return (
        ((t[:, None] + 1) / 2).astype(np.float32),
        (weights[:, None] / 2).astype(np.float32),
    )
