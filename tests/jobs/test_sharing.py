"""Several processes restore one OME-Zarr: its bytes are those that one process writes."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import carescope as cs
from carescope import Ensemble, Image, Recipe, net
from carescope import model as models
from carescope.errors import (
    CarescopeError,
    InputError,
    NotTrustedError,
    OutOfMemoryError,
    OutputError,
    UsageError,
)
from carescope.files import ledger, lock, shares
from carescope.jobs import crew, familiar, restore, resumed, worker
from carescope.jobs.crew import Crew
from carescope.jobs.hand import Hand, LostError, Piece
from carescope.jobs.order import Order
from carescope.jobs.outputs import unfinished
from carescope.jobs.shards import Shard, parse
from carescope.model import Model
from carescope.predict import memory
from carescope.task import Task

SOURCE = Path(__file__).parents[2] / "src"
#: The command line, in blocks of a few thousand pixels.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
import sys
from carescope.app import cli
from carescope.predict import memory
memory.WORKING_MEMORY_BYTES = 1 << 20
sys.argv = ["carescope", *sys.argv[1:]]
cli.main()
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a model and a film, and the restoration that one process makes of it."""
    place = tmp_path_factory.mktemp("given")
    architecture = {"name": "shuffle", "depth": 1, "first_filters": 4, "scales": True}
    task = Task(kind="denoise", axes="YX")
    members = [
        Model(net.build(**architecture, seed=n), architecture, Recipe(loss="laplace"), task)
        for n in (0, 1)
    ]
    models.save(Ensemble(members), place / "model")
    grey = np.random.default_rng(0).integers(0, 4000, (3, 130, 300)).astype("f4")
    grey[1, 2, 3] = np.nan
    cs.save(place / "film.zarr", Image(grey, "TYX", (1, 0.2, 0.2)))
    return place


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch, one_thread):
    monkeypatch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def order(given, tmp_path):
    """What to restore into the test's own folder."""
    paths = (str(given / "model"), str(given / "film.zarr"), str(tmp_path / "out.zarr"))
    return Order(
        *paths, spread=True, fill_nonfinite=True, engine="torch", provenance={"command": "as given"}
    )


@pytest.fixture(scope="module")
def whole(given, one_thread):
    """The bytes that one process writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "WORKING_MEMORY_BYTES", 1 << 20)
        out = given / "whole" / "out.zarr"
        out.parent.mkdir()
        order = Order(
            str(given / "model"), str(given / "film.zarr"), str(out), spread=True,
            fill_nonfinite=True, engine="torch", provenance={"command": "as given"},
        )  # fmt: skip
        by(order)
        return contents(out.parent)


def by(order, hands=None, **more):
    """Restore with hands, or with this process alone."""
    model = order.load()
    stack, _, fill = order.look(model)
    if hands:
        hands.order = order.seen(fill)
    return restored(order, model, stack, hands, **more)


def restored(order, model, stack, hands, **more):
    return restore.restore_file(
        model,
        stack,
        order.to,
        spread=True,
        engine="torch",
        provenance=order.provenance,
        hands=hands,
        **more,
    )


def contents(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def blocks_of(order):
    notes = ledger.all_notes(unfinished(order.to))
    return sum(key.startswith("block ") for key in notes)


def interrupted(order, monkeypatch, after):
    """Begin with this process alone, and stop after some blocks."""
    do, left = Hand.do, [after]

    def few(hand, pieces, done):
        do(hand, pieces[: left[0]], done)
        if len(pieces) > left[0]:
            raise KeyboardInterrupt
        left[0] -= len(pieces)

    with monkeypatch.context() as patch:
        patch.setattr(Hand, "do", few)
        with pytest.raises(KeyboardInterrupt):
            by(order)


@pytest.mark.parametrize("sequence", [(0, 1, 2), (2, 0, 1)])
def test_three_parts_in_any_order(order, whole, tmp_path, sequence):
    states = [Shard(order, n, 3).restore() for n in sequence]
    assert [part.state for part in states] == ["part finished", "part finished", "restored"]
    assert 0 < states[0].finished < states[1].finished < states[2].finished == states[0].blocks
    assert "NaN or infinite" in states[0].warnings[0]
    assert states[1].warnings == []
    assert contents(tmp_path) == whole
    assert Shard(order, sequence[0], 3).restore().state == "finished already"
    assert contents(tmp_path) == whole


@pytest.mark.slow
def test_a_dask_cluster_of_which_a_worker_is_killed(order, whole, tmp_path):
    pytest.importorskip("distributed", reason="carescope[dask] is not installed")
    from carescope.jobs.cluster import Cluster

    with Cluster(order, "local", count=2) as hands:

        def kill(share):
            if not killed and share > 0.2:
                killed.append(min(hands._client.run(os.getpid).values()))
                os.kill(killed[0], signal.SIGKILL)

        killed = []
        by(order, hands, watch=kill)
    assert killed
    assert contents(tmp_path) == whole


@pytest.mark.slow
def test_a_dask_cluster_that_is_there_and_a_worker_that_comes_late(
    order, whole, tmp_path, tmp_path_factory
):
    pytest.importorskip("distributed", reason="carescope[dask] is not installed")
    from carescope.jobs.cluster import Cluster

    there = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    with ExitStack() as running:

        def start(*words):
            command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
            named = [*command, "--scheduler-file", there]
            program = running.enter_context(subprocess.Popen(named, stderr=subprocess.DEVNULL))
            running.callback(program.kill)

        def late(share):
            if share > 0 and not came:
                came.append(share)
                start("worker", "--nthreads", "1", "--no-nanny")

        came = []
        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        start("worker", "--nthreads", "1", "--no-nanny")
        began = time.monotonic()
        while not there.exists() and time.monotonic() - began < 60:
            time.sleep(0.1)
        address = json.loads(there.read_text())["address"]
        with Cluster(order, address) as hands:
            by(order, hands, watch=late)
    assert came
    assert contents(tmp_path) == whole


@pytest.mark.parametrize(
    ("visible", "given_to"), [(None, ["0", "1", "0"]), ("3,5", ["3", "5", "3"])]
)
def test_gpus_are_shared_out(order, monkeypatch, visible, given_to):
    monkeypatch.setattr(crew.torch.cuda, "device_count", lambda: 2)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    made = [Crew(order, 3)._environment(n)["CUDA_VISIBLE_DEVICES"] for n in range(3)]
    assert made == given_to


def test_one_driver_goes_on_with_what_another_began(order, whole, tmp_path, monkeypatch):
    interrupted(order, monkeypatch, 2)
    assert Shard(order, 0, 2).restore().state == "part finished"
    before = blocks_of(order)
    assert before > 2
    with Crew(order, 2) as hands:
        done, do = [], hands.do

        def counted(pieces, note):
            done.extend(piece for piece in pieces if not piece.level)
            do(pieces, note)

        hands.do = counted
        by(order, hands)
    assert len(done) > 0
    assert contents(tmp_path) == whole


def test_parts_with_workers_go_on_with_a_crew(order, whole, tmp_path):
    assert Shard(order, 1, 2, workers=2).restore().state == "part finished"
    assert Shard(order, 0, 2).restore().state == "restored"
    assert contents(tmp_path) == whole


def test_of_two_workers_one_is_killed_and_costs_its_block(order, whole, tmp_path):
    with Crew(order, 2) as hands:

        def kill(share):
            told.append(share)
            if not killed and share > 0.2:
                killed.append(hands._workers[0]._process.pid)
                os.kill(killed[0], signal.SIGKILL)

        told, killed = [], []
        written = by(order, hands, watch=kill)
        pids = {one._process.pid for one in hands._workers}
    assert len(pids) == 2
    assert killed[0] not in pids
    assert contents(tmp_path) == whole
    assert written.clipped == 0
    assert told == sorted(set(told))
    assert told[-1] == 1


def test_a_block_that_costs_worker_after_worker_is_named(order, monkeypatch, tmp_path):
    monkeypatch.setattr(crew, "RETRIES", 1)
    deadly = tmp_path / "sitecustomize.py"
    deadly.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{SOURCE}")
    with (
        Crew(order, 1) as hands,
        pytest.raises(
            OutOfMemoryError,
            match=r"the block that begins at T 0, Y 0, X 0 could not be restored: 2 workers were "
            r"killed over it.*0 finished blocks are kept",
        ),
    ):
        by(order, hands)


def test_what_a_worker_says_is_wrong_is_said(order, monkeypatch, tmp_path):
    with Crew(order, 1) as hands:
        changed = order.seen(None)
        model = order.load()
        stack, _, _ = order.look(model)
        hands.order = changed  # the NaN is not filled there
        with pytest.raises(InputError, match="is restored with another input by who leads"):
            restored(order, model, stack, hands)


def test_memory_is_shared_out(order):
    hands = Crew(order, 4)
    assert hands.memory_of_each(None) is None
    assert 2e9 < hands.memory_of_each(10_000_000_000) < 2.5e9
    with pytest.raises(OutOfMemoryError, match="too little for 4 workers"):
        hands.memory_of_each(500_000_000)


def run(order, *options):
    """A command of its own, in another process."""
    words = ["restore", order.model, order.stack, "--out", order.out, "--spread"]
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM,
            *words,
            "--fill-nonfinite",
            "--engine",
            "torch",
            "--json",
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def at_work(order, blocks=1):
    """Wait until some blocks are finished."""
    until = time.monotonic() + 60
    while blocks_of(order) < blocks:
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.slow
def test_parts_side_by_side_one_of_them_killed(order, whole, tmp_path):
    parts = [run(order, "--shard", f"{n}/3") for n in range(3)]
    at_work(order)
    parts[1].kill()
    ended = [part.communicate() for part in parts]
    again = run(order, "--shard", "1/3")
    out, err = again.communicate()
    assert again.returncode == 0, err
    states = [json.loads(out)["state"], *(json.loads(o)["state"] for o, _ in ended if o)]
    assert states.count("restored") == 1, (states, ended)
    pixels = {k: v for k, v in whole.items() if "/c/" in k}
    assert pixels
    assert {k: v for k, v in contents(tmp_path).items() if k in pixels} == pixels


@pytest.mark.slow
def test_a_leader_that_is_killed_or_interrupted_leaves_nobody_behind(order, whole, tmp_path):
    for how in (signal.SIGKILL, signal.SIGINT):
        leader = run(order, "--workers", "2")
        at_work(order, blocks_of(order) + 1)
        leader.send_signal(how)
        _, err = leader.communicate()
        if how == signal.SIGINT:
            assert leader.returncode == 130
            assert "finished blocks are kept, and the same command goes on" in err
            assert "Traceback" not in err
    shares.dismiss(unfinished(order.to))  # nobody is at work
    leader = run(order, "--workers", "2")
    assert leader.communicate()[1] == ""
    pixels = {k: v for k, v in whole.items() if "/c/" in k}
    assert {k: v for k, v in contents(tmp_path).items() if k in pixels} == pixels


def test_others_are_not_disturbed(order, monkeypatch):
    monkeypatch.setattr(shares, "PATIENCE_S", 0)
    Shard(order, 0, 3).restore()
    place = unfinished(order.to)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(place), "3-1-job", "3 parts"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(OutputError, match=f"another process works here: pid {other.pid}"):
            by(order)
        with pytest.raises(OutputError, match="another process works here"):
            Shard(order, 0, 2).restore()
        with pytest.raises(OutputError, match="another process works here"):
            Shard(order, 1, 3).restore()
        assert Shard(order, 2, 3).restore().state == "part finished"
        other.stdin.close()
        other.wait()
    assert Shard(order, 1, 3).restore().state == "restored"


HOLDING = """
import sys
from pathlib import Path
from carescope.files import shares
with shares.taking_part(Path(sys.argv[1]), *sys.argv[2:]):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_who_is_dismissed_does_nothing_more(order, monkeypatch):
    interrupted(order, monkeypatch, 1)
    place = unfinished(order.to)
    shares.invite(place, "word")
    piece = Piece("", 0, 2)
    seen = order.seen(order.look(order.load())[2])
    assert "done" in worker.do_one(seen.text(), "word", piece)
    shares.dismiss(place)
    told = crew.told(worker.do_one(seen.text(), "word", piece)["error"])
    assert isinstance(told, CarescopeError)
    assert "another process goes on with this work" in str(told)


def test_what_was_looked_over_is_believed_of_that_input_alone(order, given, tmp_path):
    image = cs.open(given / "film.zarr")
    grey = image.array()
    order = replace(order, stack=str(tmp_path / "film.zarr"))
    cs.save(order.stack, replace(image, data=np.nan_to_num(grey)))
    assert Shard(order, 0, 2).restore().warnings == []
    cs.save(order.stack, replace(image, data=grey), overwrite=True)
    with pytest.raises(OutputError, match="with another input"):
        Shard(order, 1, 2).restore()
    said = " ".join(Shard(order, 1, 2).restore(overwrite=True).warnings)
    assert "1 NaN or infinite pixels" in said
    assert "with another input was discarded" in said
    strict = replace(order, fill_nonfinite=False)
    with pytest.raises(InputError, match="not finite"):
        Shard(strict, 0, 2).restore()
    assert Shard(order, 0, 2).restore().state == "restored"
    assert np.isfinite(cs.open(order.to).array()).all()


def test_a_later_part_may_be_strict(order, monkeypatch):
    monkeypatch.setattr(familiar, "unlike", lambda *_: ("it is dark",))
    assert "it is dark" in Shard(order, 0, 3).restore().warnings[-1]
    assert Shard(order, 1, 3).restore().warnings == []
    monkeypatch.setattr(familiar, "_refuse_incomparable", lambda *_: None)
    with pytest.raises(NotTrustedError, match="it is dark"):
        Shard(order, 2, 3).restore(strict=True)


def test_a_misspelt_folder_is_not_made(order, tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        Shard(replace(order, out=str(tmp_path / "missing" / "o.zarr")), 0, 2).restore()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_says_what_it_lacks(order, monkeypatch):
    piece, text = Piece("", 0, 0), order.text()
    told = crew.told(worker.do_one(text, "word", piece)["error"])
    assert isinstance(told, OutputError)
    assert re.search(r"is not there on \S+\. Make sure that all workers see the same", str(told))
    unfinished(order.to).mkdir()
    shares.invite(unfinished(order.to), "word")
    assert "ledger.jsonl: is not there on" in str(
        crew.told(worker.do_one(text, "word", piece)["error"])
    )

    def full(_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(worker, "join", full)
    told = crew.told(worker.do_one(text, "word", piece)["error"])
    assert isinstance(told, OutOfMemoryError)


def test_an_emptied_folder_that_was_not_removed_is_no_part(order, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(resumed.ledger, "empty", lambda _: None)
        assert Shard(order, 0, 1).restore().state == "restored"
    for share in (unfinished(order.to) / ledger.SHARES).iterdir():
        (share / ledger.NAME).unlink()  # it was killed over removing them
    assert Shard(order, 0, 1).restore().state == "restored"
    assert not unfinished(order.to).exists()


def test_what_dask_raises_is_said_of_a_block():
    pytest.importorskip("distributed", reason="carescope[dask] is not installed")
    from carescope.jobs import cluster

    with (
        pytest.raises(LostError, match="ModuleNotFoundError: No module named 'carescope'"),
        cluster._losing(Piece("", 0, 0)),
    ):
        raise ModuleNotFoundError("No module named 'carescope'")


def test_other_work_has_the_name(order, given, tmp_path):
    cs.save(order.to, cs.open(given / "film.zarr"))
    with pytest.raises(OutputError, match="exists already"):
        Shard(order, 0, 2).restore()
    assert not unfinished(order.to).exists()
    assert Shard(order, 0, 2).restore(overwrite=True).state == "part finished"
    assert cs.open(order.to).dtype == np.float32
    assert Shard(order, 1, 2).restore(overwrite=True).state == "restored"


def test_a_worker_without_the_engine_says_so(order, monkeypatch):
    """It is on another machine than who leads, as with Dask."""
    interrupted(order, monkeypatch, 1)
    place = unfinished(order.to)
    path = place / ledger.NAME
    job, *notes = path.read_text().splitlines()
    lacking = json.loads(job) | {"--engine": ["cuda bfloat16", "unknown"]}
    path.write_text("\n".join([json.dumps(lacking), *notes, ""]))
    shares.invite(place, "word")
    seen = order.seen(order.look(order.load())[2])
    told = crew.told(worker.do_one(seen.text(), "word", Piece("", 0, 2))["error"])
    assert isinstance(told, UsageError)
    assert re.search(r"begun with cuda bfloat16, which this machine \(.*\) does not", str(told))


def test_a_worker_holds_the_engine_against_float32_too(order, monkeypatch, tmp_path):
    pytest.importorskip("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Shard(replace(order, engine="openvino"), 0, 2).restore()
    seen = order.seen(order.look(order.load())[2])
    (tmp_path / "cache").rename(tmp_path / "of another machine")
    joined = worker.join(seen)._work.model.members[0]
    assert joined.engine.startswith("openvino ")
    assert 0 < joined.difference <= 1e-3
    choosing = sys.modules["carescope.engine.choose"]
    monkeypatch.setattr(choosing, "difference", lambda *_, **__: 0.5)
    (tmp_path / "cache").rename(tmp_path / "of a third")
    with pytest.raises(UsageError, match=r"on this machine \(.*\) differs from float32 by 0\.5"):
        worker.join(seen)


def test_a_finished_part_of_another_engine_is_not_taken(order, monkeypatch):
    from carescope.jobs import shards

    for n in range(2):
        Shard(order, n, 2).restore()
    other = replace(order, engine="openvino")
    assert Shard(other, 0, 2).restore().state == "finished already"  # it may fall back to that
    told = shards.read.provenance_of(order.to) | {"engine": "openvino bfloat16, RMS 0.0002 of"}
    monkeypatch.setattr(shards.read, "provenance_of", lambda _: dict(told))
    for name in ("openvino", "auto"):
        assert Shard(replace(order, engine=name), 0, 2).restore().state == "finished already"
    with pytest.raises(OutputError, match="exists already"):
        Shard(order, 0, 2).restore()


def test_a_file_system_without_locks_is_refused(order, monkeypatch):
    import fcntl

    def never(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", never)
    with lock.alone(unfinished(order.to)):
        pass
    with pytest.raises(OutputError, match="on a file system without locks"):
        Shard(order, 0, 2).restore()


@pytest.mark.parametrize("text", ["3", "3/3", "1/0", "-1/3", "a/b", "1/2/3"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(UsageError, match="--shard"):
        parse(text)
    assert parse(" 2/3 ") == (2, 3)
