"""An interrupted run goes on as if it had never been cut, or says why it cannot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope.errors import OutputError
from carescope.train import checkpoint, loop

QUICK = {"steps": 24, "steps_per_epoch": 5}


@pytest.fixture(autouse=True)
def _save_at_every_step(monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)


@pytest.fixture
def whole(fit):
    """What the run gives when nothing interrupts it."""
    return fit(**QUICK)


@pytest.mark.parametrize("cut", [1, 5, 17])
def test_f21_a_resumed_run_ends_with_the_same_weights(fit, interrupted, whole, same, tmp_path, cut):
    interrupted(cut, tmp_path, **QUICK)
    model = fit(out=tmp_path, **QUICK)
    assert same(model, whole)
    assert model.facts["best_validation_loss"] == whole.facts["best_validation_loss"]
    assert [r["val_loss"] for r in model.facts["history"]] == [
        r["val_loss"] for r in whole.facts["history"]
    ]
    assert f"from step {cut} of an interrupted run" in model.facts["warnings"][-1]


def test_f21_plateaus_dropout_and_repeated_cuts(fit, interrupted, same, tmp_path):
    more = {"network": "isonet2", "schedule": "plateau", "steps": 6, "steps_per_epoch": 1}
    for cut in (2, 3, 5):
        interrupted(cut, tmp_path, **more)
    assert same(fit(out=tmp_path, **more), fit(**more))


def test_f21_the_history_goes_on(fit, interrupted, tmp_path):
    interrupted(12, tmp_path, **QUICK)
    fit(out=tmp_path, **QUICK)
    rows = np.loadtxt(tmp_path / "run" / "history.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(rows[:, 0], [5, 10, 15, 20, 24])
    assert (np.diff(rows[:, 1]) > 0).all()


def test_f23_a_damaged_checkpoint_gives_way_to_the_one_before(
    fit, interrupted, whole, same, tmp_path
):
    interrupted(11, tmp_path, **QUICK)
    newest = max((tmp_path / "run").glob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    model = fit(out=tmp_path, **QUICK)
    first, second = model.facts["warnings"]
    assert str(newest) in first
    assert "damaged" in first
    assert "from step 10" in second
    assert same(model, whole)


def test_f23_with_every_checkpoint_damaged_it_says_so_and_begins_again(
    fit, interrupted, whole, same, tmp_path
):
    interrupted(11, tmp_path, **QUICK)
    for path in (tmp_path / "run").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    model = fit(out=tmp_path, **QUICK)
    assert len(model.facts["warnings"]) == 2
    assert all("damaged" in warning for warning in model.facts["warnings"])
    assert same(model, whole)


@pytest.mark.parametrize("change", [{"seed": 1}, {"loss": "mae"}, {"steps": 25}])
def test_the_run_of_another_recipe_is_refused(fit, interrupted, tmp_path, change):
    interrupted(3, tmp_path, **QUICK)
    with pytest.raises(OutputError, match=r"another recipe.*--model"):
        fit(out=tmp_path, **(QUICK | change))


def test_a_finished_run_leaves_its_history_alone(fit, tmp_path):
    model = fit(out=tmp_path, **QUICK)
    names = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert names == ["history.csv", "model.json", "weights.safetensors"]
    header, *lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert header == "step,seconds,train_loss,val_loss,learning_rate"
    rows = np.array([[float(v) for v in line.split(",")] for line in lines])
    np.testing.assert_array_equal(rows[:, 0], [5, 10, 15, 20, 24])
    expected = [list(row.values()) for row in model.facts["history"]]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    assert (rows[:, 2:] > 0).all()


def test_without_a_folder_nothing_is_written(fit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(steps=2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        fit(out=tmp_path / "file" / "model", **QUICK)


def saved(run, step, value=0.0):
    import torch

    return checkpoint.save(run, step, {"w": torch.full((8,), value)}, {"step": step})


def test_two_checkpoints_are_kept(tmp_path):
    for step in (9, 10, 11):
        saved(tmp_path, step)
    assert sorted(int(p.name.split("-")[1]) for p in tmp_path.iterdir()) == [10, 11]


def test_a_damaged_checkpoint_does_not_take_the_place_of_a_sound_one(tmp_path):
    saved(tmp_path, 20)
    damaged = saved(tmp_path, 30)
    damaged.write_bytes(b"")
    saved(tmp_path, 21)
    saved(tmp_path, 22)
    assert sorted(int(p.name.split("-")[1]) for p in tmp_path.iterdir()) == [21, 22]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_f23_any_damage_to_a_checkpoint_is_noticed(tmp_path_factory, data):
    run = tmp_path_factory.mktemp("run")
    saved(run, 1, 0.25)
    path = saved(run, 2, 0.75)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1), "length")]
    else:
        content[data.draw(st.integers(0, len(content) - 1), "place")] ^= data.draw(
            st.integers(1, 255), "bits"
        )
    path.write_bytes(content)
    (_, facts), warnings = checkpoint.load(run)
    assert facts == {"step": 1}
    assert len(warnings) == 1
