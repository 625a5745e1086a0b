"""Losses against their formulas, schedules, the choice of precision, TensorBoard."""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carescope.errors import OutputError, UsageError
from carescope.train import history, losses, precision
from carescope.train.schedule import WARM_UP_STEPS, Plateau, cosine
from carescope.trust import FAMILIES

CPU = torch.device("cpu")
IMAGES = arrays.arrays(np.float32, (3, 1, 5, 4), elements=st.floats(-2, 2, width=32))


@settings(deadline=None, max_examples=60)
@given(IMAGES, IMAGES)
def test_losses_are_their_formulas(restored, target):
    r, t = restored.astype(np.float64), target.astype(np.float64)
    error = np.square(r - t).mean(axis=(1, 2, 3))
    peak = np.maximum(t.max(axis=(1, 2, 3)), 0.05)
    expected = {
        "mae": np.abs(r - t).mean(),
        "mse": np.square(r - t).mean(),
        # IsoNet, eq. 3, for each patch: -(20 log10 max g - 10 log10 mean |g - g~|^2)
        "psnr": -(20 * np.log10(peak) - 10 * np.log10(error + losses.PSNR_EPSILON)).mean(),
    }
    for name, value in expected.items():
        got = losses.LOSSES[name](torch.from_numpy(restored), torch.from_numpy(target))
        assert got.item() == pytest.approx(value, rel=1e-4, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    IMAGES,
    IMAGES,
    arrays.arrays(np.float32, (3, 1, 5, 4), elements=st.floats(2**-10, 10, width=32)),
)
def test_probabilistic_losses_are_torchs_negative_log_likelihoods(mean, target, scale):
    mu, y, sigma = map(torch.from_numpy, (mean, target, scale))
    both, two = torch.cat([mu, sigma], dim=1), torch.cat([mu, mu, sigma, 2 * sigma], dim=1)
    for name, family in [
        ("laplace", torch.distributions.Laplace),
        ("gaussian", torch.distributions.Normal),
    ]:
        expected = -family(mu, sigma).log_prob(y).mean().item()
        assert losses.LOSSES[name](both, y).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
        second = -family(mu, 2 * sigma).log_prob(y).mean().item()
        found = losses.LOSSES[name](two, torch.cat([y, y], dim=1)).item()
        assert found == pytest.approx((expected + second) / 2, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("name", "best"), [("laplace", 0.75), ("gaussian", math.sqrt(0.78125))])
def test_the_best_scale_is_the_error(name, best):
    """Errors of 0.25, 0.5, 0.75 and 1.5: their mean, and the root of their mean square."""
    y = torch.tensor([0.25, -0.5, 0.75, -1.5]).reshape(1, 1, 2, 2)
    scales = torch.linspace(0.3, 2, 1701)
    found = [losses.LOSSES[name](torch.cat([0 * y, s.expand_as(y)], 1), y).item() for s in scales]
    assert scales[int(np.argmin(found))].item() == pytest.approx(best, abs=2e-3)


def test_losses_with_spread_are_named_as_the_families_of_trust():
    assert set(FAMILIES) == losses.SPREADS
    assert set(losses.LOSSES) > losses.SPREADS


def test_the_psnr_of_a_patch_does_not_depend_on_the_others():
    g = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    noisy = g + 0.1
    each = torch.stack([losses.psnr(noisy[i : i + 1], g[i : i + 1]) for i in range(4)])
    assert losses.psnr(noisy, g).item() == pytest.approx(each.mean().item(), rel=1e-5)
    decibels = 20 * torch.log10(g[0].max()) - 10 * np.log10(0.01 + losses.PSNR_EPSILON)
    assert -losses.psnr(noisy[:1], g[:1]).item() == pytest.approx(decibels.item(), rel=1e-5)


@pytest.mark.parametrize("level", [0.0, -1.0, 1.0])
def test_a_perfect_or_empty_patch_has_a_finite_psnr_and_gradient(level):
    target = torch.full((2, 1, 4, 4), level)
    restored = target.clone().requires_grad_()
    value = losses.psnr(restored, target)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(restored.grad).all()


def test_cosine_warms_up_and_falls_to_a_hundredth():
    rates = [cosine(step, step / 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(1 / WARM_UP_STEPS, rel=0.01)
    peak = int(np.argmax(rates))
    assert WARM_UP_STEPS - 2 <= peak <= WARM_UP_STEPS
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[500] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)
    assert cosine(2000, 1.7) == pytest.approx(0.01)  # a clock may run over


def test_plateau_halves_after_ten_epochs_without_a_better_one():
    plateau, scales = Plateau(), []
    for epoch in range(35):
        plateau.observe(epoch in (0, 5))
        scales.append(plateau.scale)
    assert scales == [1.0] * 15 + [0.5] * 10 + [0.25] * 10


def test_the_learning_rate_follows_the_schedule(fit):
    by_cosine = fit(steps=20, steps_per_epoch=5, learning_rate=1e-3)
    rates = [row["learning_rate"] for row in by_cosine.facts["history"]]
    expected = [1e-3 * cosine(step, step / 20) for step in (4, 9, 14, 19)]
    assert rates == pytest.approx(expected)
    flat = fit(steps=4, steps_per_epoch=2, learning_rate=1e-3, schedule="plateau")
    assert [row["learning_rate"] for row in flat.facts["history"]] == [1e-3, 1e-3]


@pytest.mark.parametrize(
    ("wanted", "capabilities", "expected"),
    [
        ("float32", {"amx_bf16": True}, torch.float32),
        ("bfloat16", {}, torch.bfloat16),
        ("auto", {"amx_bf16": True}, torch.bfloat16),
        ("auto", {"avx512_bf16": True}, torch.bfloat16),
        ("auto", {"avx512_fp16": True, "amx_int8": True}, torch.float32),
        ("auto", {}, torch.float32),
    ],
)
def test_precision_is_what_was_asked_for_or_what_is_fast(
    monkeypatch, wanted, capabilities, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert precision.choose(wanted, CPU) is expected


def test_a_torch_that_cannot_tell_uses_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision.choose("auto", CPU) is torch.float32


def test_bfloat16_trains_nearly_as_float32_and_keeps_float32_weights(fit):
    exact, fast = (fit(steps=30, precision=p) for p in ("float32", "bfloat16"))
    assert all(t.dtype is torch.float32 for t in fast.network.state_dict().values())
    assert fast.facts["best_validation_loss"] == pytest.approx(
        exact.facts["best_validation_loss"], rel=0.2
    )


def test_a_loss_that_was_no_number_stays_in_the_history(tmp_path):
    row = dict.fromkeys(history.COLUMNS, 1.0)
    history.write([row | {"val_loss": None}, row | {"train_loss": math.nan}], tmp_path)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[1:] == ["1,1,1,nan,1", "1,1,nan,1,1"]


def test_tensorboard_events_appear(fit, tmp_path):
    pytest.importorskip("tensorboard")
    fit(steps=2, tensorboard=tmp_path / "board")
    (events,) = (tmp_path / "board").iterdir()
    assert events.name.startswith("events.out.tfevents")
    assert b"val_loss" in events.read_bytes()


def test_tensorboard_that_is_not_installed_is_said_so(fit, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"--tensorboard.*not installed.*pip install"):
        fit(tensorboard=tmp_path / "board")


def test_a_folder_of_events_that_cannot_be_made_is_refused(fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        fit(tensorboard=tmp_path / "file" / "board")
