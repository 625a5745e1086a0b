"""Every network by every engine is the same function; which is taken, and what is remembered."""

import importlib
import importlib.util
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from carescope import Ensemble, Recipe, engine, net
from carescope.engine import names
from carescope.engine.accelerated import runner
from carescope.engine.check import TOLERANCE, difference
from carescope.engine.parts import in_parts
from carescope.errors import OutOfMemoryError, UsageError, of_memory
from carescope.model import Model
from carescope.task import Task

pytestmark = pytest.mark.usefixtures("one_thread", "own_cache")
choosing = importlib.import_module("carescope.engine.choose")
accelerating = importlib.import_module("carescope.engine.accelerated")
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"
)

NETWORKS = {
    "care": {"name": "care", "ndim": 2, "first_filters": 8},
    "care in 3D": {"name": "care", "ndim": 3, "depth": 1, "first_filters": 8, "pool": [1, 2, 2]},
    "isonet1": {"name": "isonet1"},
    "isonet2": {"name": "isonet2"},
    "shuffle": {"name": "shuffle", "ndim": 2, "first_filters": 8, "scales": True},
    "shuffle in 3D": {"name": "shuffle", "ndim": 3, "first_filters": 8, "depth": 1},
    "projection": {"name": "projection", "ndim": 3, "depth": 1},
    "separate": {
        "name": "separate",
        "ndim": 2,
        "channels": 2,
        "part": {"name": "care", "ndim": 2, "first_filters": 8, "scales": True},
    },
}


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "carescope"


def model(name="care", seed=0):
    """A model whose weights do what a trained one's do: change the image a little."""
    architecture = NETWORKS[name]
    network = net.build(**architecture, seed=seed)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim > 1 and not weights.any():
                weights.copy_(0.05 * torch.randn(weights.shape, generator=torch.manual_seed(1)))
    axes = "ZYX" if len(net.grid(network)) == 3 else "YX"
    kind, channels = "project" if name == "projection" else "denoise", network.channels_in
    task = Task(kind=kind, axes=axes, channels_in=channels, channels_out=channels)
    recipe = Recipe(loss="laplace" if network.scales else "mse")
    return Model(network, architecture, recipe, task)


def patch(of, cells=6, seed=0):
    space = [cells * n for n in net.grid(of.network)]
    drawn = np.random.default_rng(seed).random((2, of.task.channels_in, *space))
    return drawn.astype(np.float32)


def chosen(of, name="auto", *, pixels=1e12, settled=None, seed=0):
    members = of.members
    tile = [8 * n for n in net.grid(members[0].network)]
    parts = lambda: [patch(members[0], seed=seed)]  # noqa: E731
    return engine.choose(of, name, parts=parts, tile=tile, pixels=pixels, settled=settled)


@needs_openvino
@pytest.mark.parametrize("name", NETWORKS)
def test_openvino_gives_what_torch_gives(name):
    """In one conversion for all sizes; in bfloat16 within what is believed."""
    made = model(name)
    for precision, limit in (("float32", 2e-6), ("bfloat16", TOLERANCE)):
        run = runner(made, f"openvino {precision}")
        for seen in (patch(made), patch(made, cells=9, seed=1)):
            right = made.apply(seen)
            found = run(seen)
            assert (found.shape, found.dtype) == (right.shape, np.float32)
            assert difference([right], [found], scales=made.spread is not None) <= limit


@needs_openvino
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_number_of_threads_leaves_the_bits_of_openvino_alone(name, precision):
    """So that workers with a thread each write what one process with all of them does."""
    made, found, before = model(name), [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(runner(made, f"openvino {precision}")(patch(made, cells=9)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_in_torch_gives_what_float32_gives(name):
    made = model(name)
    seen = patch(made)
    right, found = made.apply(seen), runner(made, "torch bfloat16")(seen)
    # Scales end in a function that torch computes in bfloat16 too: as such they would be refused.
    assert 0 < difference([right], [found], scales=False) <= 2 * TOLERANCE
    np.testing.assert_allclose(runner(made, "torch float32")(seen), right, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch's own compiler
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_networks_give_what_torch_gives(name):
    made = model(name)
    choice = chosen(made, "compile")
    if choice.warnings and "cannot run" in choice.warnings[-1]:
        pytest.skip(f"torch cannot compile here: {choice.warnings}")
    seen = patch(made, cells=9, seed=1)
    found = difference([made.apply(seen)], [choice.model.apply(seen)], scales=bool(made.spread))
    assert found <= TOLERANCE
    assert engine.settled(choice.model).startswith("compile")


@needs_openvino
def test_all_members_of_an_ensemble_are_accelerated():
    several = Ensemble((model("shuffle", 0), model("shuffle", 1)), {"told": 1})
    choice = chosen(several, "openvino")
    assert isinstance(choice.model, Ensemble)
    assert choice.model.known == several.known
    assert choice.model.sha256 == several.sha256
    assert {m.engine.split()[0] for m in choice.model.members} == {"openvino"}
    seen = patch(several.members[0])
    assert difference([several.apply(seen)], [choice.model.apply(seen)], scales=True) <= TOLERANCE


def test_scales_are_held_to_their_own_size():
    """A hundredth of the image's range, a tenth of the scales."""
    right = np.zeros((1, 2, 8, 8), np.float32)
    right[0, 0] = np.linspace(0, 1, 64).reshape(8, 8)
    right[0, 1] = 0.01
    off = right.copy()
    off[0, 1] += 0.001
    assert difference([right], [off], scales=True) == pytest.approx(0.1, rel=1e-4)
    assert difference([right], [off], scales=False) == pytest.approx(0.001, rel=1e-4)
    off[0, 0, 0, 0] = np.nan
    assert difference([right], [off], scales=False) == np.inf


def test_short_work_stays_with_the_reference(own_cache):
    made = model()
    choice = chosen(made, pixels=1e4)
    assert engine.word(choice.model) == "torch float32"
    assert not own_cache.exists()
    np.testing.assert_array_equal(choice.model.apply(patch(made)), made.apply(patch(made)))


def test_operations_are_those_of_the_convolutions():
    """Of isonet1: 81 weights in 64 features, 25 x 64 in 32, 25 x 32 in 1, and 1; twice each."""
    expected = 2 * (81 * 64 + 25 * 64 * 32 + 25 * 32 + 1)
    assert choosing.operations(model("isonet1")) == expected


@needs_openvino
def test_what_was_found_is_remembered(own_cache, monkeypatch):
    made = model()
    first = chosen(made)
    (kept,) = (own_cache / "engines").iterdir()
    facts = json.loads(kept.read_text())
    assert {"torch float32", "openvino float32"} <= set(facts["seconds"])
    assert engine.settled(first.model) in {*facts["differences"], "torch float32"}

    def not_again(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(choosing, "difference", not_again)
    monkeypatch.setattr(choosing.time, "perf_counter", not_again)
    again = chosen(made)
    assert engine.word(again.model) == engine.word(first.model)
    kept.write_text("damaged")
    with pytest.raises(AssertionError, match="again"):
        chosen(made)
    with pytest.raises(AssertionError, match="again"):
        chosen(model(seed=1))


def test_the_fastest_is_taken_that_is_right(monkeypatch):
    monkeypatch.setattr(choosing, "candidates", lambda _: ["a one", "b one", "torch float32"])
    made, fast, wrong = model(), {"a one": 2.0, "b one": 1.0, "torch float32": 3.0}, {}
    monkeypatch.setattr(choosing._Known, "_timed", lambda self, e, tile: fast[e])
    monkeypatch.setattr(choosing._Known, "_differs", lambda self, e, parts: wrong.get(e, 1e-5))
    assert engine.word(chosen(made).model) == "b one, RMS 1e-05 of the range when first compared"
    wrong["b one"] = 2e-3
    choice = chosen(model(seed=1))
    assert engine.settled(choice.model) == "a one"
    assert choice.warnings == [
        "b one differs from float32 by 0.002 of the range (RMS; at most 0.001), so that it was "
        "not used."
    ]
    wrong["a one"] = np.inf
    choice = chosen(model(seed=2))
    assert engine.word(choice.model) == "torch float32"
    assert "a one cannot run this network" in choice.warnings[1]
    fast["torch float32"] = 0.1
    assert engine.settled(chosen(model(seed=3)).model) == "torch float32"


def test_torch_is_float32_whatever_was_begun():
    """Not bfloat16 in torch, and not the reference for who asks for OpenVINO."""
    begun = "torch bfloat16"
    assert engine.settled(chosen(model(), "torch", settled=begun).model) == "torch float32"


def test_what_was_begun_goes_on_only_where_it_is_right(monkeypatch):
    monkeypatch.setattr(choosing, "available", lambda _: True)
    far = {"torch bfloat16": 2e-3}
    monkeypatch.setattr(choosing._Known, "_differs", lambda self, by, parts: far[by])
    with pytest.raises(UsageError, match=r"0\.002 of the range.*--engine torch --overwrite"):
        chosen(model(), settled="torch bfloat16")
    far["torch bfloat16"] = np.inf
    with pytest.raises(UsageError, match="cannot run this network here"):
        chosen(model(seed=1), settled="torch bfloat16")
    far["torch bfloat16"] = 1e-4  # what failed is not remembered
    assert engine.settled(chosen(model(seed=1), settled="torch bfloat16").model) == (
        "torch bfloat16"
    )


def test_a_failure_is_not_remembered(own_cache, monkeypatch):
    """Memory that was short, or a card that was busy, may be there the next time."""
    monkeypatch.setattr(choosing, "candidates", lambda _: ["a one", "b one", "torch float32"])
    real = accelerating.runner

    def short(of, by):
        if by == "a one":
            raise MemoryError
        return real(of, "torch bfloat16" if by == "b one" else by)

    monkeypatch.setattr(choosing, "runner", short)
    monkeypatch.setattr(choosing, "difference", lambda *_, **__: 2e-3)
    assert engine.settled(chosen(model()).model) == "torch float32"
    (kept,) = (own_cache / "engines").iterdir()
    facts = json.loads(kept.read_text())
    assert {"b one", "torch float32"} == set(facts["seconds"])
    assert "a one" not in facts["differences"]


@pytest.mark.parametrize(
    "wrong",
    ['{"differences": [], "seconds": 1}', '{"differences": null}', '["x"]', '{"differences": {}}']
    + [f'{{"differences": {{"b one": {x}}}}}' for x in ("-1.0", '"x"', "null", "true", "NaN")],
)
def test_what_a_damaged_cache_says_is_not_believed(own_cache, monkeypatch, wrong):
    monkeypatch.setattr(choosing, "candidates", lambda _: ["b one", "torch float32"])
    monkeypatch.setattr(choosing._Known, "_timed", lambda self, by, tile: float(by[0] == "t"))
    monkeypatch.setattr(choosing._Known, "_differs", lambda self, by, parts: 1e-5)
    chosen(model())
    (kept,) = (own_cache / "engines").iterdir()
    kept.write_text(wrong)
    assert engine.word(chosen(model()).model).startswith("b one, RMS 1e-05")


def test_another_version_is_measured_anew(monkeypatch):
    import carescope

    key = choosing._Known(model())._key
    assert choosing._Known(model())._key == key
    assert choosing._Known(model("isonet1"))._key != key
    monkeypatch.setattr(carescope, "__version__", "9.9")
    assert choosing._Known(model())._key != key


def test_engines_that_are_not_taken_are_let_go(monkeypatch):
    monkeypatch.setattr(choosing, "candidates", lambda _: ["a one", "b one", "torch float32"])
    monkeypatch.setattr(choosing, "runner", lambda *_: lambda seen: seen)
    held = []

    def differs(self, by, parts):
        held.append({engine for _, engine in self._runs})
        return 1e-5

    def timed(self, by, tile):
        self._run(0, by)
        return float(ord(by[0]))

    monkeypatch.setattr(choosing._Known, "_differs", differs)
    monkeypatch.setattr(choosing._Known, "_timed", timed)
    assert engine.settled(chosen(model()).model) == "a one"
    assert held == [{"a one"}]


def _cancelling():
    """A network that adds 1000 to its features and takes it away again: too much for 8 bits."""
    made = model()
    with torch.no_grad():
        head = made.network.head
        head.bias += 1000
        made.network.last = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Identity())
        made.network.last[0].weight.fill_(1)
        made.network.last[0].bias.fill_(-1000)
    return made


@needs_openvino
def test_a_network_that_bfloat16_is_too_coarse_for(monkeypatch):
    monkeypatch.setattr(
        choosing,
        "candidates",
        lambda _: ["openvino bfloat16", "openvino float32", "torch float32"],
    )
    choice = chosen(_cancelling(), "openvino")
    assert engine.settled(choice.model) == "openvino float32"
    (said,) = choice.warnings
    assert said.startswith("openvino bfloat16 differs from float32 by ")


def test_a_float_that_only_float32_holds_is_computed_there(monkeypatch):
    made = engine.accelerated(model(), "torch bfloat16")
    monkeypatch.setattr(accelerating, "runner", lambda *_: lambda seen: np.full_like(seen, np.inf))
    np.testing.assert_array_equal(made.apply(patch(made)), model().apply(patch(made)))


def test_float32_instead_sees_no_more_than_there_is_memory_for(monkeypatch):
    made = engine.accelerated(model("care in 3D"), "torch bfloat16")
    monkeypatch.setattr(accelerating, "runner", lambda *_: lambda seen: np.full_like(seen, np.nan))
    cells = 8 * (net.reach(made.network)[1] // net.grid(made.network)[1] + 1)
    seen = patch(made, cells=cells)[:, :, :8]
    right, sizes, apply = model("care in 3D").apply(seen), [], Model.apply

    def counted(self, part):
        sizes.append(part.size)
        return apply(self, part)

    monkeypatch.setattr(Model, "apply", counted)
    np.testing.assert_allclose(made.apply(seen), right, atol=1e-5)
    assert max(sizes) <= 0.3 * seen.size


def test_what_is_too_small_to_cut_is_seen_at_once():
    seen = np.zeros((1, 1, 20, 20), np.float32)
    found = in_parts(lambda part: part + 1, seen, reach=(9, 9), grid=(1, 1), most_px=1)
    np.testing.assert_array_equal(found, seen + 1)


def test_the_words_of_a_lack_of_memory():
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. (Cannot ...)"
    assert of_memory(RuntimeError(said))
    assert not of_memory(RuntimeError("illegal instruction"))


def test_heights_are_found_in_float32_whatever_restores():
    from carescope.predict.footprint import bytes_per_px

    made = model("projection")
    for by in ("torch bfloat16", "openvino bfloat16"):
        assert bytes_per_px(engine.accelerated(made, by)) >= bytes_per_px(made)
        other = model("care")
        assert bytes_per_px(engine.accelerated(other, by)) < bytes_per_px(other)


@pytest.mark.parametrize(
    ("name", "by", "may"),
    [
        ("auto", "openvino bfloat16", True),
        ("torch", "openvino bfloat16", False),
        ("torch", "torch bfloat16", False),
        ("torch", "torch float32", True),
        ("openvino", "openvino float32", True),
        ("openvino", "torch float32", True),
        ("compile", "openvino float32", False),
        ("torch", "", False),
    ],
)
def test_which_names_may_have_given_an_engine(name, by, may):
    assert engine.stands_for(name, by) == may


def test_engines_that_are_not_there(monkeypatch):
    with pytest.raises(UsageError, match=r"--engine: there is no engine 'tensorrt'. Choose one"):
        chosen(model(), "tensorrt")
    monkeypatch.setattr(names, "_has_openvino", lambda: False)
    with pytest.raises(UsageError, match=r"OpenVINO is not installed. Install it with pip"):
        chosen(model(), "openvino")
    assert not any(name.startswith("openvino") for name in names.candidates("auto"))
    with pytest.raises(UsageError, match=r"begun with openvino bfloat16, .* does not have"):
        chosen(model(), "auto", settled="openvino bfloat16")


@needs_openvino
def test_work_goes_on_with_the_engine_it_was_begun_with():
    made = model()
    for name in ("auto", "openvino"):
        choice = chosen(made, name, pixels=1, settled="openvino float32")
        assert engine.settled(choice.model) == "openvino float32"
    assert engine.settled(chosen(made, pixels=1e12, settled="torch float32").model) == (
        "torch float32"
    )


@pytest.mark.parametrize("name", ["care", "care in 3D", "projection", "separate"])
def test_memory_that_runs_out_costs_nothing_but_time(name):
    """A device with room for a part of the patch: the same result, in parts."""
    made, most, tried = model(name), 0, []

    def small_device(seen):
        tried.append(seen[0, 0].size * len(seen))
        if tried[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return made.apply(seen)

    reach, grid = net.reach(made.network), net.grid(made.network)
    space = [4 * (r // g + 1) * g + 2 * g for r, g in zip(reach, grid, strict=True)]
    if name == "projection":
        space[0] = 4
    seen = np.random.default_rng(0).random((1, made.task.channels_in, *space), np.float32)
    most = seen[0, 0].size * 0.8
    whole = (0,) if name == "projection" else ()
    found = in_parts(small_device, seen, reach=reach, grid=grid, whole=whole)
    assert len(tried) == 3
    np.testing.assert_allclose(found, made.apply(seen), atol=1e-5)
    most = 10
    with pytest.raises(OutOfMemoryError, match="not enough memory for a part"):
        in_parts(small_device, seen, reach=reach, grid=grid, whole=whole)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def broken(_):
        raise RuntimeError("illegal instruction")

    with pytest.raises(RuntimeError, match="illegal"):
        in_parts(broken, np.zeros((2, 1, 64, 64), np.float32), reach=(1, 1), grid=(1, 1))


def test_another_process_can_be_given_one():
    made = engine.accelerated(model(), "torch bfloat16", difference=1e-4)
    seen = patch(made)
    there = pickle.loads(pickle.dumps((made.apply(seen), made)))
    np.testing.assert_array_equal(there[1].apply(seen), there[0])
    said = "torch bfloat16, RMS 0.0001 of the range when first compared"
    assert engine.word(there[1]) == engine.word(made) == said


def test_nothing_of_openvino_reports_home():
    """It does when it is imported, and when it converts."""
    source = Path(engine.__file__).parents[2]
    code = (
        "import sys, carescope.engine.openvino as o; from carescope import net\n"
        "o.OpenVino(net.build('isonet2'), 'float32')\n"
        "import openvino.tools.ovc as t\n"
        "print([m for m in sys.modules if m.startswith('openvino_telemetry')])\n"
        "print(type(t.telemetry).__module__)"
    )
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(source), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if "No module named 'openvino'" in done.stderr:
        pytest.skip("OpenVINO is not installed")
    assert done.stdout.split() == ["[]", "openvino.tools.ovc.telemetry_stub"], done.stderr
