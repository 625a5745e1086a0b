"""Where a sheet of tissue lies in a stack: two classical ways to find its height map.

Both look at the stack in square cells of pixels, plane by plane, and give the height of the sheet
in planes, as a fraction, at every pixel. `carescope.baselines.project` reads the stack there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carescope.axes import describe_shape
from carescope.errors import InputError, UsageError

Floats = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Real = npt.NDArray[Any]

CELL_PX = 8
# Standard deviation along z, in planes, of the Gaussian that calms a cell's profile.
SIGMA_PLANES = 1.0
# The residual, in planes, at which a cell's height stops pulling: wide first, so that the sheet
# finds its place, then as narrow as a sheet is thick.
GRIPS_PLANES = (32.0, 16.0, 8.0, 4.0, 2.0, 2.0)
# Costs are whole numbers, as the maximum flow needs them.
COST_STEPS = 10_000
# Of all cells and planes, this percentile counts as full: debris is brighter still.
FULL_PERCENTILE = 99.0


def smooth_height(stack: Real, *, sigma_px: float, stiffness: float) -> Floats:
    r"""The smooth sheet nearest to where each cell is in focus.

    The idea of smooth manifold extraction (SME): the plane in which a cell varies most is its
    height :math:`z_c`, trusted by how far its peak :math:`w_c` stands out (mean 1). The sheet
    minimises

    .. math:: \sum_c w_c\, \rho(z_c - h_c) + \lambda \sum_c |\nabla^2 h_c|^2

    with the squared second differences along y, x and both, and :math:`\rho` of Geman and McClure,
    which lets go of cells that are far off; solved by weighted least squares, again and again,
    with a grip that narrows from 32 to 2 planes. SME itself weighs by a classification of
    pixels and moves heights plane by plane.

    Parameters
    ----------
    stack : (Z, Y, X) array
        Grey levels; at least 3 planes of 16 x 16 pixels.
    sigma_px
        Of the Gaussian that calms each plane first, positive.
    stiffness
        :math:`\lambda`, positive; more of it bends less.

    Returns
    -------
    (Y, X) float32 array
        Height in planes, 0 to Z - 1.

    References
    ----------
    A. Shihavuddin et al., Nature Communications 8, 2017, doi:10.1038/ncomms15554.
    """
    _check(stack, sigma_px=sigma_px, stiffness=stiffness)
    _, spread = _cells(stack, sigma_px)
    peak = spread.argmax(axis=0)
    height = np.clip(peak + _vertex(spread, peak), 0, len(stack) - 1)
    trust = spread.max(axis=0) - np.median(spread, axis=0)
    trust = np.square(trust) if trust.any() else np.ones_like(trust)
    sheet = _fitted(height, trust / trust.mean(), stiffness)
    return _at_pixels(np.clip(sheet, 0, len(stack) - 1), stack.shape[1:])


def minimum_cost(
    stack: Real, *, sigma_px: float, slope_planes: int, contrast: bool = False
) -> Floats:
    r"""The brightest sheet, or the sharpest, that is nowhere too steep, by a minimum cut.

    The idea of PreMosa and of minimum-cost surface projection: of all height maps h of the cells
    with :math:`|h_c - h_{c'}| \le s` between neighbours, the one of least
    :math:`\sum_c 1 - b_c(h_c) / b_{max}`, with :math:`b_c(z)` the brightest pixel of cell c in
    plane z, or its contrast. The minimum is global: planes below a sheet are a closed set of a
    graph, and the one of least weight is a minimum cut (Li et al.). Heights are smoothed over a
    cell afterwards.

    Parameters
    ----------
    stack : (Z, Y, X) array
        Grey levels; at least 3 planes of 16 x 16 pixels.
    sigma_px
        Of the Gaussian that calms each plane first, positive.
    slope_planes
        s, in planes per cell of 8 pixels, from 1 on.
    contrast
        Whether b is the standard deviation of the cell: where it is in focus, and not where
        something bright lies above or below the sheet.

    Returns
    -------
    (Y, X) float32 array
        Height in planes, 0 to Z - 1.

    References
    ----------
    K. Li et al., IEEE Trans. Pattern Anal. Mach. Intell. 28, 2006, doi:10.1109/TPAMI.2006.19;
    C. Blasse et al., Bioinformatics 33, 2017, doi:10.1093/bioinformatics/btx195.
    """
    from scipy.ndimage import gaussian_filter

    _check(stack, sigma_px=sigma_px, slope_planes=slope_planes)
    value = _cells(stack, sigma_px)[int(contrast)]
    low, full = value.min(), np.percentile(value, FULL_PERCENTILE)
    share = np.clip((value - low) / max(float(full - low), 1e-12), 0, 1)
    sheet = cut(np.rint(COST_STEPS * (1 - share)).astype(np.int64), int(slope_planes))
    return _at_pixels(gaussian_filter(sheet.astype(np.float64), 1.0), stack.shape[1:])


def cut(cost: npt.NDArray[np.int64], slope: int) -> npt.NDArray[np.int64]:
    """The surface of least total cost, exactly.

    Parameters
    ----------
    cost : (Z, Y, X) integers
        Of a surface at height z over (y, x); neighbours along z differ by less than 2^29.
    slope
        By how much neighbours along y and x may differ, from 1 on.

    Returns
    -------
    (Y, X) integers, 0 to Z - 1.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    node = np.arange(cost.size).reshape(cost.shape)
    source, sink = cost.size, cost.size + 1
    # What a column gains or loses by reaching up to a plane; its lowest plane always belongs.
    weight = np.diff(cost, axis=0, prepend=0)
    weight[0] = -1
    never = np.iinfo(np.int32).max // 2
    starts, ends, capacities = [node[1:].ravel()], [node[:-1].ravel()], [never]
    for lines in (node, node.swapaxes(1, 2)):
        one, other = lines[:, :-1], lines[:, 1:]
        below = max(len(node) - slope, 0)
        starts += [one[slope:].ravel(), other[slope:].ravel()]
        ends += [other[:below].ravel(), one[:below].ravel()]
        capacities += [never, never]
    gains, losses = node[weight < 0], node[weight > 0]
    starts += [np.full(len(gains), source), losses]
    ends += [gains, np.full(len(losses), sink)]
    given = [np.full(len(s), c) for s, c in zip(starts, capacities, strict=False)]
    given += [-weight[weight < 0], weight[weight > 0]]
    edges = (np.concatenate(starts), np.concatenate(ends))
    values = np.concatenate(given).astype(np.int32)
    graph = coo_array((values, edges), shape=(cost.size + 2,) * 2).tocsr()
    left = graph - maximum_flow(graph, source, sink).flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    inside = np.zeros(cost.size + 2, bool)
    inside[breadth_first_order(left, source, return_predecessors=False)] = True
    return np.asarray(inside[:-2].reshape(cost.shape).sum(axis=0) - 1)


def _cells(stack: Real, sigma_px: float) -> tuple[Float64, Float64]:
    """(Z, rows, columns) brightest pixel and standard deviation of each cell of each plane."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    lack = [(0, -n % CELL_PX) for n in stack.shape[1:]]
    brightest, spread = [], []
    for plane in stack:
        calm = gaussian_filter(np.asarray(plane, np.float32), sigma_px)
        calm = np.pad(calm, lack, mode="symmetric")
        rows, columns = (n // CELL_PX for n in calm.shape)
        cells = calm.reshape(rows, CELL_PX, columns, CELL_PX)
        brightest.append(cells.max(axis=(1, 3)))
        spread.append(cells.std(axis=(1, 3)))
    profiles = (np.asarray(values, np.float64) for values in (brightest, spread))
    first, second = (gaussian_filter1d(p, SIGMA_PLANES, axis=0) for p in profiles)
    return first, second


def _vertex(profile: Float64, peak: npt.NDArray[np.intp]) -> Float64:
    """How far beside the highest plane the top of the parabola through three planes lies."""
    inner = np.clip(peak, 1, len(profile) - 2)
    below, at, above = (np.take_along_axis(profile, (inner + d)[None], 0)[0] for d in (-1, 0, 1))
    bend = below - 2 * at + above
    offset = np.divide(0.5 * (below - above), bend, out=np.zeros_like(bend), where=bend < 0)
    return np.asarray(np.where(inner == peak, np.clip(offset, -0.5, 0.5), 0.0))


def _fitted(height: Float64, trust: Float64, stiffness: float) -> Float64:
    """The sheet of `smooth_height`, at the cells."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import spsolve

    bending = stiffness * _bending(height.shape)
    wanted = height.ravel()
    sheet = np.full(len(wanted), np.average(wanted, weights=trust.ravel()))
    for grip in GRIPS_PLANES:
        weight = trust.ravel() / (1 + np.square((wanted - sheet) / grip)) ** 2
        system = (bending + diags_array(weight + 1e-9)).tocsc()
        sheet = spsolve(system, (weight + 1e-9) * wanted)
    return np.asarray(sheet, np.float64).reshape(height.shape)


def _bending(shape: tuple[int, ...]) -> Any:
    """The matrix B with h B h = the sum of squared second differences of a height map."""
    from scipy.sparse import diags_array, eye_array, kron

    def differences(n: int, *values: float) -> Any:
        size = (max(n - len(values) + 1, 0), n)
        return diags_array(values, offsets=range(len(values)), shape=size)

    rows, columns = shape
    parts = [
        kron(differences(rows, 1.0, -2.0, 1.0), eye_array(columns)),
        kron(eye_array(rows), differences(columns, 1.0, -2.0, 1.0)),
        np.sqrt(2) * kron(differences(rows, -1.0, 1.0), differences(columns, -1.0, 1.0)),
    ]
    return sum(part.T @ part for part in parts)


def _at_pixels(cells: Float64, shape: tuple[int, ...]) -> Floats:
    """Heights of cells, which are those at their middles, at every pixel."""
    from scipy.ndimage import map_coordinates

    places = [(np.arange(n) + 0.5) / CELL_PX - 0.5 for n in shape]
    grid = np.meshgrid(*places, indexing="ij")
    return np.asarray(map_coordinates(cells, grid, order=1, mode="nearest"), np.float32)


def _check(stack: Real, **positive: float) -> None:
    for name, value in positive.items():
        if not value > 0:
            raise UsageError(f"{name} is {value:g}", remedy=f"Give {name} a positive number")
    if stack.ndim != 3 or len(stack) < 3 or min(stack.shape[1:]) < 2 * CELL_PX:
        raise InputError(
            f"a sheet is looked for in stacks (Z, Y, X) of 3 planes of {2 * CELL_PX} x "
            f"{2 * CELL_PX} pixels and more, not in {describe_shape(stack.shape)}",
            remedy="Give larger stacks; channels and time points one by one",
        )
