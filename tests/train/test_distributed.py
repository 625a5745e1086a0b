"""Two processes under torchrun give what one gives; alone, nothing of it is there."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from carescope.errors import UsageError
from carescope.recipe import LEARNING_RATES
from carescope.train import distributed
from carescope.write import tiff

SOURCE = Path(__file__).parents[2] / "src"
CPU = torch.device("cpu")

# IsoNet-2 has dropout. The sums of two processes are rounded otherwise than those of one, and a
# network with pooling may amplify that within some ten steps; this one does not.
TRAINING = """
import json, sys
import torch
import carescope
from carescope.train import distributed, loop

torch.set_num_threads(1)
loop.SECONDS_BETWEEN_CHECKPOINTS = -1
stack, out, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
recipe = carescope.Recipe(
    network="isonet2", batch_size=4, patch_px=32, precision="float32", noise="none",
    steps=20, steps_per_epoch=5,
)

def watch(progress):
    if progress.step == steps:
        raise SystemExit(7)

made = carescope.pairs.from_volume(carescope.open(stack), carescope.Microscope(), recipe)
model = carescope.fit(made, out=out, device="cpu", watch=watch)
if distributed.is_main():
    print(json.dumps({"share": distributed.share(), "loss": model.facts["best_validation_loss"]}))
"""


@pytest.fixture
def trained(stack, tmp_path):
    """Train in so many processes, until the first one dies at a step."""
    (tmp_path / "train.py").write_text(TRAINING)
    tiff.save(tmp_path / "nuclei.ome.tif", stack)

    def trained(processes, out, *, until=-1, code=0):
        program = [tmp_path / "train.py", tmp_path / "nuclei.ome.tif", tmp_path / out, until]
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes]
        arguments = [*(torchrun if processes > 1 else []), *program]
        ended = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (ended.returncode == 0) is (code == 0), ended.stderr
        return json.loads(ended.stdout) if code == 0 else None

    return trained


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_also_after_an_interruption(trained, tmp_path):
    one = trained(1, "one")
    trained(2, "two", until=12, code=1)
    assert list((tmp_path / "two" / "run").glob("step-*"))
    two = trained(2, "two")
    assert two["share"] == [0, 2]
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    expected, got = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, weights in expected.items():
        apart = np.abs(got[name] - weights)
        assert np.quantile(apart, 0.9) < 1e-5
        # Where a gradient is all but zero, Adam takes a step by the sign of its rounding.
        assert apart.max() < LEARNING_RATES["isonet2"]
    assert max(np.abs(w).max() for w in expected.values()) > 0.1
    files = {p.name for p in (tmp_path / "two").rglob("*") if p.is_file()}
    assert files == {"model.json", "weights.safetensors", "history.csv"}


def test_alone_there_is_one_process_and_nothing_changes(monkeypatch):
    assert distributed.share() == (0, 1)
    assert distributed.is_main()
    assert distributed.own_device(CPU, 3) == CPU
    assert distributed.mean(torch.tensor(2.5)) == 2.5
    assert distributed.agree(3.0, True) == (3.0, True)
    assert distributed.told((1.0, False)) == [1.0, False]
    distributed.wait()
    done = []
    distributed.by_main(lambda: done.append(1))
    assert done == [1]
    assert not torch.distributed.is_initialized()
    monkeypatch.setenv("WORLD_SIZE", "4")  # some schedulers set this alone
    assert distributed.share() == (0, 1)


def launched(monkeypatch, rank, world):
    for name, value in {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "localhost")


def test_a_batch_that_cannot_be_shared_evenly_is_refused(fit, monkeypatch):
    launched(monkeypatch, 1, 3)
    assert not distributed.is_main()
    with pytest.raises(UsageError, match=r"--batch-size: a batch of 4 .* 3 processes.*multiple"):
        fit(steps=2)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    launched(monkeypatch, 1, 2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"--device.*finds only 1 GPU.*--nproc-per-node 1"):
        distributed.own_device(torch.device("cuda"), 4)
    with pytest.raises(UsageError, match="cannot train on mps"):
        distributed.own_device(torch.device("mps"), 4)
