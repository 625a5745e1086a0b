"""What all experiments share: results written, runs that go on, daggers."""

import csv
import signal
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from carescope import experiments
from carescope.app.progress import Watch
from carescope.errors import OutputError, UsageError
from carescope.experiments import DAGGER, Experiment, Table, mark
from carescope.experiments.run import run
from carescope.train.history import still_falling

SOURCE = Path(__file__).parents[2] / "src"
QUIET = Watch(quiet=True)


def draw(rows):
    return b"\x89PNG of " + str(len(rows)).encode()


def tables(rows):
    body = [[r["case"], f"{r['squared']}{mark([r])}"] for r in rows]
    return [Table("What came of it.", ("case", "squared"), body)]


def counting(done, *, stop=None, converged=True):
    """An experiment of three cases that notes in a list which it did."""

    def measure(case, folder, watch):
        assert folder.is_dir()
        if case["number"] == stop:
            raise KeyboardInterrupt
        done.append(case["name"])
        number = case["number"]
        return [{"case": case["name"], "squared": number**2, "converged": converged}]

    def cases(full, seed):
        return [{"name": f"case {n}", "number": n + seed} for n in range(9 if full else 3)]

    return Experiment("counting", "How much?", "A paper, figure 1", cases, measure, tables, draw)


def test_it_writes_table_page_and_figure(tmp_path):
    made = run(counting([]), tmp_path / "new", command="carescope bench counting", watch=QUIET)
    with made.csv.open() as file:
        assert [row["squared"] for row in csv.DictReader(file)] == ["0", "1", "4"]
    assert made.figure.read_bytes() == draw(made.rows)
    text = made.markdown.read_text()
    for said in ("How much?", "A paper", "| case 2 | 4 |", "counting.png", "0 of 3", "cores"):
        assert said in text
    assert "carescope bench counting" in text
    assert DAGGER not in text
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "counting.csv",
        "counting.md",
        "counting.png",
    ]


def test_what_had_not_converged_has_a_dagger(tmp_path):
    made = run(counting([], converged=False), tmp_path, watch=QUIET)
    text = made.markdown.read_text()
    assert f"| case 2 | 4{DAGGER} |" in text
    assert "3 of 3" in text
    assert made.unconverged == 3


def test_it_goes_on_where_it_was_interrupted(tmp_path):
    done = []
    with pytest.raises(KeyboardInterrupt, match="2 of 3 cases are finished"):
        run(counting(done, stop=2), tmp_path, watch=QUIET)
    assert list(tmp_path.glob("*.csv")) == []
    run(counting(done), tmp_path, watch=QUIET)
    assert done == ["case 0", "case 1", "case 2"]


def test_whatever_machines_and_versions_made_it_are_named(tmp_path, monkeypatch):
    for stop, name in ((2, "an old laptop"), (None, "a new one")):
        monkeypatch.setattr("carescope.experiments.run.machine", lambda name=name: name)
        with suppress(KeyboardInterrupt):
            run(counting([], stop=stop), tmp_path, watch=QUIET)
    text = (tmp_path / "counting.md").read_text()
    assert "| machine | an old laptop; then a new one |" in text
    assert text.count("carescope 0.") == 1


def test_results_are_not_replaced_unasked(tmp_path):
    done = []
    run(counting(done), tmp_path, watch=QUIET)
    with pytest.raises(OutputError, match="exists already"):
        run(counting(done), tmp_path, watch=QUIET)
    assert len(done) == 3
    run(counting(done), tmp_path, overwrite=True, watch=QUIET)
    assert len(done) == 6


def test_work_of_another_seed_is_not_mixed_in(tmp_path):
    done = []
    with pytest.raises(KeyboardInterrupt):
        run(counting(done, stop=2), tmp_path, watch=QUIET)
    with pytest.raises(OutputError, match="--seed"):
        run(counting(done), tmp_path, seed=1, watch=QUIET)
    made = run(counting(done), tmp_path, seed=1, overwrite=True, watch=QUIET)
    assert [row["squared"] for row in made.rows] == [1, 4, 9]


@pytest.mark.parametrize("at", ["measure", "write"])
def test_a_killed_run_goes_on(tmp_path, at, in_a_process):
    program = textwrap.dedent(f"""
        import os, pathlib, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_run as t
        from carescope.files import atomic
        die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        class Killer(t.Watch):
            def say(self, text):
                if {at!r} == "measure" and "case 2" in text:
                    die()
        if {at!r} == "write":
            atomic.write_text = die
        t.run(t.counting([]), pathlib.Path({str(tmp_path)!r}), watch=Killer(quiet=True))
    """)
    ended = in_a_process(program)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (tmp_path / "counting.md").exists()
    done = []
    made = run(counting(done), tmp_path, watch=QUIET)
    assert done == (["case 2"] if at == "measure" else [])
    assert [row["squared"] for row in made.rows] == [0, 1, 4]
    assert len(list(tmp_path.iterdir())) == 3


def history(losses):
    return [{"step": 10.0 * (n + 1), "val_loss": loss} for n, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "falling", "loss"),
    [
        ([8, 4, 2, 1, 1, 1, 1, 1], False, "mse"),
        ([8, 7, 6, 5, 4, 3, 2, 1], True, "mse"),
        ([8, 4, 2, 1, 1, 1, 1, 0.981], False, "mae"),  # 1.9 %
        ([8, 4, 2, 1, 1, 1, 1, 0.979], True, "mae"),
        ([8, 4, 2, 1, 1, 1, 3, 2], False, "mse"),  # it rose
        ([0.1, 0.1, 0.1, 0.1, 5, 4, 3, 2], True, "mse"),  # a second pass, with losses of its own
        ([-30, -35, -38, -40, -40, -40, -40, -40.08], False, "psnr"),  # error x 10^-0.008: 1.8 %
        ([-30, -35, -38, -40, -40, -40, -40, -40.09], True, "psnr"),  # 2.1 %
        ([3, 2, 1, 0.01, 0.01, 0.01, 0, -0.01], False, "laplace"),  # width x e^-0.02: 1.98 %
        ([3, 2, 1, 0.01, 0.01, 0.01, 0, -0.011], True, "gaussian"),  # 2.08 %
        ([1, 1], True, "mse"),  # too short to say
        ([], True, "psnr"),
        ([8, 4, 2, 1, 1, 1, float("nan"), None], True, "mse"),
    ],
)
def test_a_loss_that_still_falls(losses, falling, loss):
    assert still_falling(history(losses), loss) is falling


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_experiment_is_told_of(name):
    experiment = experiments.named(name)
    assert experiment.name == name
    assert experiment.title.endswith((".", "?"))
    for full in (False, True):
        cases = experiment.cases(full, 3)
        names = [case["name"] for case in cases]
        assert len(set(names)) == len(names) > 0
    page = (SOURCE.parent / "docs" / "command-line.md").read_text()
    assert f"| `{name}` |" in page


def test_an_unknown_experiment_is_refused():
    with pytest.raises(UsageError, match="isonet-table1"):
        experiments.named("isonet-table2")
