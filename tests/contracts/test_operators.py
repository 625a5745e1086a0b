"""What every linear operator of the physics must satisfy. A new operator is one entry more."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from carescope.grid import Grid
from carescope.physics import kernel, psf
from carescope.physics.blur import adjoint, blur
from carescope.physics.sampling import sample, sample_adjoint, upsample, upsample_adjoint

Array = npt.NDArray[Any]
RNG = np.random.default_rng(7)


@dataclass(frozen=True)
class Operator:
    name: str
    forward: Callable[[Array], Array]
    transpose: Callable[[Array], Array]
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    keeps_constants: bool = True


def blurring(name: str, k: Array, shape: tuple[int, ...], **boundary: Any) -> Operator:
    return Operator(
        name,
        lambda x: blur(x, k, **boundary),
        lambda y: adjoint(y, k, **boundary),
        shape,
        shape,
        keeps_constants=not boundary,
    )


def sampling(name: str, factor: float, phase: float, planes: int) -> Operator:
    return Operator(
        name,
        lambda x: sample(x, factor, phase),
        lambda y: sample_adjoint(y, factor, 31, phase),
        (31, 5, 4),
        (planes, 5, 4),
    )


def upsampling(name: str, grid: Grid, planes: int) -> Operator:
    return Operator(
        name,
        lambda x: upsample(x, grid),
        lambda y: upsample_adjoint(y, grid),
        (grid.planes, 5, 4),
        (planes, 5, 4),
    )


def after(first: Operator, second: Operator) -> Operator:
    return Operator(
        f"{second.name} after {first.name}",
        lambda x: second.forward(first.forward(x)),
        lambda y: first.transpose(second.transpose(y)),
        first.takes,
        second.gives,
    )


def lopsided(*shape: int) -> Array:
    k = np.random.default_rng(3).random(shape)
    return k / k.sum()


CONFOCAL = kernel.full(psf.confocal(0.8, 0.52, 1.33, (0.25, 0.25, 0.25)))
GAUSSIAN = psf.gaussian((3, 1, 1), (1, 1, 1)).values

EVERY_4 = sampling("sample every 4", 4, 0, 8)
OPERATORS = [
    blurring("blur 2D", CONFOCAL, (50, 60)),
    blurring("blur 2D, image smaller than kernel", CONFOCAL, (7, 3)),
    blurring("blur 2D, lopsided", lopsided(5, 9), (16, 15)),
    blurring("blur 2D, dark outside", lopsided(5, 9), (16, 15), boundary="zero"),
    blurring("blur 3D", GAUSSIAN, (31, 5, 4)),
    EVERY_4,
    sampling("sample every 4 from 3 on", 4, 3, 7),
    sampling("sample every 4 from between planes", 4, 1.3, 8),
    sampling("sample every 2.7", 2.7, 0, 12),
    upsampling("upsample by 4", Grid(8, 4.0, 1.0), 29),
    upsampling("upsample by 10.2", Grid(4, 10.2, 1.0), 31),
    upsampling("upsample two planes", Grid(2, 1.5, 1.0), 2),
    after(blurring("blur 3D", GAUSSIAN, (31, 5, 4)), EVERY_4),
    after(EVERY_4, upsampling("upsample", Grid(8, 4.0, 1.0), 29)),
]

every = pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.name)


@every
def test_is_linear(operator: Operator) -> None:
    a, b = RNG.standard_normal((2, *operator.takes))
    together = operator.forward(2 * a - 3 * b)
    apart = 2 * operator.forward(a) - 3 * operator.forward(b)
    np.testing.assert_allclose(together, apart, atol=1e-10)


@every
def test_transpose_is_its_adjoint(operator: Operator) -> None:
    x, y = RNG.standard_normal(operator.takes), RNG.standard_normal(operator.gives)
    there, back = operator.forward(x), operator.transpose(y)
    assert back.shape == operator.takes
    scale = np.linalg.norm(there) * np.linalg.norm(y)
    assert abs((there * y).sum() - (x * back).sum()) <= 1e-12 * scale


@every
def test_keeps_a_constant_image(operator: Operator) -> None:
    image = operator.forward(np.full(operator.takes, 1000, dtype=np.float32))
    if operator.keeps_constants:
        np.testing.assert_allclose(image, 1000, rtol=1e-6)
    else:
        assert image.min() < 990 < image.max() <= 1000.01


@every
def test_shape_and_type(operator: Operator) -> None:
    image = RNG.integers(0, 60_000, operator.takes)
    for given, expected in (("f4", "f4"), ("f8", "f8"), ("u2", "f4"), (">f4", "f4")):
        out = operator.forward(image.astype(given))
        assert out.shape == operator.gives
        assert out.dtype == np.dtype(expected)
    single, double = (operator.forward(image.astype(t)) for t in ("f4", "f8"))
    np.testing.assert_allclose(single, double, atol=2e-6 * 60_000)


@every
def test_leaves_its_input_alone(operator: Operator) -> None:
    for run, shape in ((operator.forward, operator.takes), (operator.transpose, operator.gives)):
        image = RNG.standard_normal(shape)
        before = image.copy()
        image.setflags(write=False)
        out = run(image)
        np.testing.assert_array_equal(image, before)
        assert not np.shares_memory(out, image)
