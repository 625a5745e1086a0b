"""Experiments on isotropic restoration, each at a size of seconds: what they measure and show."""

import signal
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carescope import baselines, experiments, metrics
from carescope.app.progress import Watch
from carescope.experiments import deconvolved, isonet_seg, liver_sweep, pictures, scenes, two_view
from carescope.experiments.run import run

SOURCE = Path(__file__).parents[2] / "src"
QUIET = Watch(quiet=True)
RECIPE = {"steps": 3, "steps_per_epoch": 1, "batch_size": 1, "patch_px": 32, "passes": 1}
PNG = b"\x89PNG\r\n"

TINY = {
    "isonet-table1": {"side": 56, "count": 1, "tuning_side": 40},
    "isonet-seg": {"side": 56, "count": 1},
    "liver-sweep": {"shape": [17, 56, 56], "count": 1, "factors": [4]},
    "two-view": {"side": 56, "count": 1, "tuning_side": 31},
    "spectrum": {"shape": [41, 56, 56], "count": 2},
}
#: Methods whose training would take the tests too long.
LEFT_OUT = {"SRCNN", "IsoNet-1 full", "IsoNet-1 split", "IsoNet-2 full", "IsoNet-2"}


@pytest.fixture(scope="module")
def measure(tmp_path_factory):
    """What measures an experiment at the smallest size, once."""
    known = {}

    def measured(name):
        if name not in known:
            experiment = experiments.named(name)
            cases = [c for c in experiment.cases(False, 0) if c.get("method") not in LEFT_OUT]
            rows = known[name] = []
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(deconvolved, "ITERATIONS", (2, 8))
                for case in cases:
                    tiny = case | TINY[name] | {"recipe": RECIPE}
                    rows += experiment.measure(tiny, tmp_path_factory.mktemp("case"), QUIET)
        return known[name]

    return measured


@pytest.fixture(params=TINY)
def measured(request, measure):
    """An experiment and the rows of its cases."""
    return experiments.named(request.param), measure(request.param)


def test_rows_are_numbers_and_words(measured):
    _, rows = measured
    for row in rows:
        for name, value in row.items():
            assert name.startswith("_") or isinstance(value, str | int | float | None)
    assert any("converged" in row for row in rows)
    assert any("converged" not in row for row in rows)


def test_tables_notes_and_figure_are_made_of_the_rows(measured):
    experiment, rows = measured
    for table in experiment.tables(rows):
        assert table.rows
        assert all(len(line) == len(table.columns) for line in table.rows)
    assert all(isinstance(note, str) for note in experiment.notes(rows))
    assert experiment.draw(rows).startswith(PNG)


@pytest.mark.parametrize("name", TINY)
def test_the_papers_scale_is_larger(name):
    experiment = experiments.named(name)
    small, full = experiment.cases(False, 0), experiment.cases(True, 0)
    assert len(full) >= len(small)
    assert full[0]["count"] > small[0]["count"]
    assert full[-1]["recipe"]["steps"] > small[-1]["recipe"]["steps"]


def test_table_1_has_every_cell_of_the_paper():
    cases = experiments.named("isonet-table1").cases(True, 0)
    cells = {(c["structure"], c["optics"]) for c in cases}
    assert len(cells) == 9
    assert len(cases) == 9 * 8


def test_richardson_lucy_is_closer_than_the_blurred_stack(measure):
    rows = {row["method"]: row for row in measure("isonet-table1")}
    for truth in ("psnr_isotropic_db", "psnr_phantom_db"):
        assert rows["Richardson-Lucy"][truth] > rows["blurred"][truth] + 0.5


def test_two_views_show_the_same_and_more_together():
    views = two_view.look("tissue", 41, 1)
    truth = views.scene.truth
    along_z, along_x = views.volumes
    assert along_z.shape == along_x.shape == truth.shape
    first, second = (metrics.psnr(truth, v) for v in views.volumes)
    assert abs(first - second) < 2
    found = {}
    for way in two_view.DECONVOLVED.values():
        if not way.widened:
            seen, psfs = views.volumes[: way.views], two_view.kernels(views, way)
            [(_, found[way])] = deconvolved.deconvolved(seen, psfs, [5])
    one, two = (metrics.psnr(truth, found[two_view.Way(n, widened=False)]) for n in (1, 2))
    assert two > one + 1
    # The second view is sharp where the first is not: along z.
    assert np.abs(np.diff(along_x, axis=0)).sum() > 1.1 * np.abs(np.diff(along_z, axis=0)).sum()


def test_the_isotropic_truth_can_be_segmented(tmp_path):
    case = {"method": "isotropic truth", "seed": 1, "count": 1, "side": 96, "recipe": {}}
    rows = isonet_seg.measure(case, tmp_path, QUIET)
    assert [row["threshold"] for row in rows] == ["intermodes", "Otsu"]
    for row in rows:
        assert row["seg"] > 0.85
        assert row["f1"] > 0.9
        assert row["nuclei"] > 5


def test_blur_leaves_intermodes_without_a_threshold_and_otsu_with_one(tmp_path):
    case = {"method": "blurred", "seed": 0, "count": 1, "side": 160, "recipe": {}}
    by = {row["threshold"]: row["seg"] for row in isonet_seg.measure(case, tmp_path, QUIET)}
    assert by["intermodes"] < 0.1
    assert 0.65 < by["Otsu"] < 0.85


def test_a_stack_is_thinned_from_its_first_plane_on():
    microscope = scenes.MICROSCOPES["liver"]
    scene = scenes.simulate("tissue", microscope, (20, 32, 32), 1)
    stack = scenes.record(scene, microscope, 1)
    few = liver_sweep.thinned(stack, 4)
    np.testing.assert_array_equal(few.array(), stack.array()[[0, 4, 8, 12, 16]])
    assert few.voxel_um == pytest.approx((1.2, 0.3, 0.3))


def test_a_camera_records_the_light_that_is_there():
    microscope = scenes.MICROSCOPES["gaussian"]
    scene = scenes.simulate("nuclei", microscope, (48, 48, 48), 1)
    stack = scenes.record(scene, microscope, 1)
    light = (stack.array() - scenes.CAMERA.offset) / scenes.PHOTONS
    assert stack.shape == (6, 48, 48)
    assert abs(float((light - scene.seen[::8]).mean())) < 0.002
    assert stack.voxel_um == pytest.approx((0.8, 0.1, 0.1))
    again = scenes.record(scene, microscope, 1)
    np.testing.assert_array_equal(stack.array(), again.array())


@pytest.mark.parametrize("best", [2, 8, 50])
def test_iterations_are_those_closest_to_each_truth(best):
    tried = []
    truth = np.random.default_rng(0).random((8, 8))
    noise = np.random.default_rng(1).normal(size=(8, 8))

    def found():
        for iterations in deconvolved.ITERATIONS:
            tried.append(iterations)
            yield iterations, truth + noise * (0.01 + abs(np.log(iterations / best)))

    assert deconvolved.best_iterations(found(), [truth]) == [best]
    assert len(tried) == deconvolved.ITERATIONS.index(best) + 2


def test_what_each_number_of_iterations_comes_to():
    kernel = np.ones((3, 3, 3))
    light = np.random.default_rng(0).poisson(50, (8, 12, 12)).astype(np.float32)
    found = dict(deconvolved.deconvolved([light + scenes.CAMERA.offset], [kernel], (5, 2)))
    assert list(found) == [2, 5]
    for number, volume in found.items():
        whole = baselines.richardson_lucy(light, kernel, iterations=number)
        np.testing.assert_allclose(volume, whole, rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(arrays.arrays(np.float32, (5, 7), elements=st.floats(-1e6, 1e6, width=32)))
def test_a_picture_survives_json(picture):
    back = pictures.unpacked(pictures.packed(picture))
    spread = float(picture.max()) - float(picture.min())
    np.testing.assert_allclose(back, picture, atol=1e-3 + spread / 60_000)


def test_a_training_that_was_finished_before_a_kill_is_not_repeated(tmp_path, in_a_process):
    """The same program is killed as it begins to restore, and goes on."""
    program = textwrap.dedent(f"""
        import os, pathlib, signal, sys
        from dataclasses import replace
        from carescope import experiments
        from carescope.app.progress import Watch
        from carescope.experiments.run import run
        class Killer(Watch):
            def restoring(self, done):
                os.kill(os.getpid(), signal.SIGKILL)
        one = experiments.named("spectrum")
        cases = lambda full, seed: [c | {TINY["spectrum"] | {"recipe": RECIPE}}
                                    for c in one.cases(full, seed)]
        run(replace(one, cases=cases), pathlib.Path({str(tmp_path)!r}), watch=Killer(quiet=True))
    """)
    ended = in_a_process(program)
    assert ended.returncode == -signal.SIGKILL, ended.stderr

    class Trainer(Watch):
        def training(self, progress):
            raise AssertionError("trained again")

    one = experiments.named("spectrum")
    cases = [c | TINY["spectrum"] | {"recipe": RECIPE} for c in one.cases(False, 0)]
    same = type(one)(**{**vars(one), "cases": lambda full, seed: cases})
    made = run(same, tmp_path, watch=Trainer(quiet=True))
    assert made.markdown.exists()
    assert len(made.rows) == 6
