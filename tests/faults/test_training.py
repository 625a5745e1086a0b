"""What can go wrong while a network learns: F20 and F22 to F26, F43, and interruptions.

Single parts have their own tests in tests/train; here a whole training meets each fault.
"""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from carescope import Microscope, Recipe, model, pairs, train
from carescope.app import cli, progress
from carescope.errors import ModelError, OutputError, UsageError
from carescope.train import loop
from carescope.write import tiff

resource = pytest.importorskip("resource", reason="limits and signals of Unix")

SOURCE = Path(__file__).parents[2] / "src"
QUICK = {"steps": 20, "steps_per_epoch": 5, "batch_size": 2, "patch_px": 32}
ALWAYS = QUICK | {"precision": "float32", "noise": "none"}


@pytest.fixture(autouse=True)
def _repeatable(one_thread, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts():
    """Also where the tests run in the background, which a shell starts deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def fit(stack):
    """Train quickly on the small stack; `at` is called with each step."""

    def fit(out=None, at=lambda step: None, **changes):
        recipe = Recipe.of(**(ALWAYS | changes))
        made = pairs.from_volume(stack, Microscope(), recipe)
        return train.fit(made, out=out, device="cpu", watch=lambda p: at(p.step))

    return fit


@pytest.fixture(scope="session")
def whole(stack, one_thread):
    """What nothing has disturbed."""
    made = pairs.from_volume(stack, Microscope(), Recipe.of(**ALWAYS))
    return train.fit(made, device="cpu").sha256


def cut(step):
    """An end without a word, after the checkpoint of a step."""

    def at(now):
        if now == step:
            raise SystemExit

    return at


def checkpoints(folder):
    return sorted((folder / "run").glob("step-*"))


# F20: divergence


def explode(monkeypatch, step, size):
    """The weights become huge in one step."""
    update = loop._update

    def exploding(state, value, rate):
        update(state, value, rate)
        if state.step == step:
            for parameter in state.network.parameters():
                parameter.data.mul_(size)

    monkeypatch.setattr(loop, "_update", exploding)


def test_f20_a_network_that_explodes_leaves_the_best_one_before(fit, monkeypatch):
    healthy = fit()
    explode(monkeypatch, 13, 30)
    seen = []
    exploded = fit(at=seen.append)
    assert seen[-1] < 20
    (warning,) = exploded.facts["warnings"][:1]
    assert "lost all sense at step 15 with learning rate 0.002" in warning
    assert exploded.facts["best_validation_loss"] == min(
        row["val_loss"] for row in healthy.facts["history"][:2]
    )


def test_f20_an_explosion_before_anything_was_learnt_is_no_model(fit, monkeypatch, tmp_path):
    explode(monkeypatch, 2, 30)
    with pytest.raises(ModelError, match=r"at step 5, before anything was learnt.*--learning-rate"):
        fit(out=tmp_path)
    assert checkpoints(tmp_path) == []  # another learning rate may be tried in the same folder
    monkeypatch.undo()
    fit(out=tmp_path, learning_rate=1e-4)


def test_f20_a_learning_rate_of_a_million_is_refused_by_name():
    with pytest.raises(UsageError, match="learning_rate = 1000000"):
        Recipe.of(learning_rate=1e6)


# F22: no room


@contextmanager
def largest_file(size_bytes):
    """The operating system lets no file grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_f22_no_room_for_checkpoints_is_found_before_the_first_step(fit, tmp_path):
    def at(step):
        pytest.fail("training began")

    with largest_file(1_000_000), pytest.raises(OutputError, match=r"MB that will be needed"):
        fit(out=tmp_path / "m", at=at)
    assert [p for p in (tmp_path / "m").rglob("*") if p.is_file()] == []


def test_f22_what_is_probed_is_what_a_checkpoint_takes(fit, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        loop.checkpoint.atomic, "check_room", lambda run, sizes: asked.append(sizes)
    )
    with pytest.raises(SystemExit):
        fit(out=tmp_path, at=cut(6))
    actual = max(path.stat().st_size for path in checkpoints(tmp_path))
    (sizes,) = asked
    assert len(sizes) == 3
    assert all(actual <= size < 1.3 * actual for size in sizes)


def test_f22_a_disk_that_fills_up_later_keeps_the_last_checkpoint(fit, tmp_path, whole):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step):
        if step == 8:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))

    try:
        with pytest.raises(OutputError, match=r"training ends at step 9.*repeat the") as ended:
            fit(out=tmp_path, at=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.value.exit_code == 5
    assert "step-00000008" in checkpoints(tmp_path)[-1].name
    assert not list(tmp_path.rglob(".partial*"))
    assert fit(out=tmp_path).sha256 == whole


def test_f22_a_file_system_that_cannot_set_room_aside_is_written_to(fit, tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    with largest_file(1_000_000), pytest.raises(OutputError, match="MB that will be needed"):
        fit(out=tmp_path)
    fit(out=tmp_path, steps=1)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc to write to")
def test_f22_a_folder_that_takes_no_files_is_refused_before_the_first_step(fit):
    with pytest.raises(OutputError, match="cannot be made"):
        fit(out="/proc/carescope", at=lambda step: pytest.fail("training began"))


# F23: damage


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_f23_any_damaged_file_of_a_run_is_survived(fit, tmp_path, whole, damage):
    with pytest.raises(SystemExit):
        fit(out=tmp_path, at=cut(12))
    (tmp_path / "run" / "step-final.safetensors").write_text("not ours")
    (tmp_path / "run" / "lock").write_text("pid 1")
    newest = checkpoints(tmp_path)[-2]
    assert "step-00000012" in newest.name
    for path in (newest, tmp_path / "run" / "history.csv", tmp_path / "run" / "lock"):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 16
        kept = {"flip": content, "cut": content[:-7], "empty": b""}[damage]
        path.write_bytes(kept)
    again = fit(out=tmp_path)
    assert again.sha256 == whole
    said = " ".join(again.facts["warnings"])
    assert f"The checkpoint {newest} is damaged" in said
    assert "went on from step 11" in said
    rows = np.loadtxt(tmp_path / "run" / "history.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(rows[:, 0], [5, 10, 15, 20])


def test_f23_warnings_of_before_an_interruption_are_kept(fit, tmp_path, monkeypatch):
    restart = loop._restart
    judge_look = loop.Judge.look

    def dies_once(self, network):
        verdict = judge_look(self, network)
        return verdict._replace(dead=not restarted)

    restarted = []
    monkeypatch.setattr(loop.Judge, "look", dies_once)
    monkeypatch.setattr(loop, "_restart", lambda *a: restarted.append(1) or restart(*a))
    with pytest.raises(SystemExit):
        fit(out=tmp_path, at=cut(7))
    again = fit(out=tmp_path)
    uncut = (restarted.clear(), fit())[1]
    assert again.sha256 == uncut.sha256
    assert again.facts["restarts"] == 1
    said = again.facts["warnings"]
    assert "died" in said[0]
    assert "at step 5" in said[0]
    assert "from step 7 of an interrupted run" in said[1]


# F25: misspelt and impossible values


@pytest.mark.parametrize("name", sorted(Recipe.model_fields))
def test_f25_every_misspelt_key_is_refused_with_the_right_one(name):
    middle = len(name) // 2
    for misspelt in (name[:-1], name + "s", name[:middle] + name[middle + 1 :]):
        with pytest.raises(UsageError, match=f"no '{misspelt}' .did you mean '{name}'"):
            Recipe.of(**{misspelt: 1})


IMPOSSIBLE = {
    "network": ["unet", 3, None],
    "psf_mode": ["half", None],
    "noise": ["loud", None],
    "loss": ["l1", None],
    "most_noise": [0.5, 0, -1, 11, np.nan, np.inf, "loud"],
    "per_channel": ["perhaps", None],
    "schedule": ["linear", None],
    "learning_rate": [0, -1, 1, 1e6, np.nan, np.inf, "fast"],
    "batch_size": [0, -1, 1025, 1.5, "many", None],
    "patch_px": [0, 16, 100, 2048, None],
    "patch_planes": [0, 2, 18, 512, None],
    "passes": [0, 3, None],
    "minutes": [0, -1, np.inf, np.nan, 1e9],
    "steps": [0, -1, 1.5],
    "steps_per_epoch": [0, -1, None],
    "percentiles": [(99, 1), (50, 50), (-1, 99), (1, 101), (1,), (1, 2, 3), (np.nan, 99), None],
    "validation_fraction": [0, 0.5, 1, -0.1, np.nan, None],
    "precision": ["float16", None],
    "seed": [-1, 2**32, 0.5, None],
}


def test_f25_no_entry_of_the_recipe_is_forgotten_here():
    assert set(IMPOSSIBLE) == set(Recipe.model_fields)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in IMPOSSIBLE for v in IMPOSSIBLE[n]])
def test_f25_every_impossible_value_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=name) as refused:
        Recipe.of(**{name: value})
    assert f"--{name.replace('_', '-')}" in refused.value.remedy


# F43: two at once


HOLDER = """
import sys, time
from pathlib import Path
from carescope.files.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_f43_a_second_process_is_refused_with_the_name_of_the_first(fit, tmp_path, whole):
    with pytest.raises(SystemExit):
        fit(out=tmp_path, at=cut(3))
    there = sorted(p.name for p in (tmp_path / "run").iterdir())
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        with pytest.raises(OutputError, match=rf"another process .* pid {holder.pid} on"):
            fit(out=tmp_path)
        assert time.monotonic() - began < 2
        assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted([*there, "lock"])
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert (tmp_path / "run" / "lock").exists()  # stale, and taken over
    assert fit(out=tmp_path).sha256 == whole
    assert not (tmp_path / "run" / "lock").exists()


def test_f43_who_holds_a_folder_may_train_in_it(fit, tmp_path, whole):
    with train.alone(tmp_path / "run"):
        assert fit(out=tmp_path).sha256 == whole


# Ctrl-C and SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_with_a_checkpoint(fit, tmp_path, whole, monkeypatch, number):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 1e9)
    before = signal.getsignal(number)

    def at(step):
        if step == 7:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        fit(out=tmp_path, at=at)
    assert [p.name.split("-")[1] for p in checkpoints(tmp_path)] == ["00000008"]
    assert signal.getsignal(number) is before
    assert fit(out=tmp_path).sha256 == whole


def test_a_second_ctrl_c_ends_at_once(fit, tmp_path):
    seen = []

    def at(step):
        seen.append(step)
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(out=tmp_path, at=at)
    assert seen[-1] == 7


def test_without_a_folder_the_first_ctrl_c_ends_at_once(fit):
    def at(step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        fit(at=at)


def test_a_signal_while_the_model_is_saved_lets_it_be_saved(fit, tmp_path, monkeypatch, whole):
    save = loop.save

    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        save(*arguments, **options)

    monkeypatch.setattr(loop, "save", interrupted)
    with pytest.raises(KeyboardInterrupt, match="its model was kept"):
        fit(out=tmp_path)
    assert model.load(tmp_path).sha256 == whole
    assert checkpoints(tmp_path) == []


def test_ctrl_c_on_the_command_line_says_how_to_go_on(stack, tmp_path, monkeypatch, capsys):
    tiff.save(tmp_path / "nuclei.ome.tif", stack)
    shown = []

    def training(_, told):
        shown.append(told.step)
        if told.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(progress.Watch, "training", training)
    options = ["--psf", "none", "--steps", "1000", "--batch-size", "2", "--patch-px", "32"]
    command = ["carescope", "train", "isotropic", str(tmp_path / "nuclei.ome.tif"), *options]
    monkeypatch.setattr(sys, "argv", [*command, "--model", str(tmp_path / "m")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert shown[-1] == 3
    said = capsys.readouterr().err
    assert "interrupted; a checkpoint was written, and the same command goes on from it." in said
    assert list((tmp_path / "m").rglob("step-00000004-*"))
