"""Two channels restored together and alone, on a tiny stack."""

import numpy as np

from carescope import model
from carescope.app.progress import Watch
from carescope.experiments import channels

TINY = {"side": 52, "every": 4.0, "recipe": {"steps": 1, "batch_size": 1, "patch_px": 32}}


class Steps(Watch):
    """Counts what it is told."""

    def __init__(self):
        super().__init__(quiet=True)
        self.taken = 0

    def training(self, progress):
        self.taken += 1


def test_the_dim_channel_is_the_noisier_one():
    truths, stack = channels.simulate(48, 4.0, 1)
    assert stack.axes == "CZYX"
    assert stack.voxel_um == (0.4, 0.1, 0.1)
    errors = []
    for truth, grey, photons in zip(truths, stack.array(), channels.PHOTONS.values(), strict=True):
        light = (grey - channels.CAMERA.offset) / photons
        errors.append(np.std(np.diff(light)) / np.ptp(truth))
    assert errors[1] > 2 * errors[0]


def test_every_channel_is_measured_in_every_way(tmp_path, one_thread):
    steps = Steps()
    case = TINY | {"name": "seed 1", "seed": 1}
    rows = channels.measure(case, tmp_path, steps)
    assert len(rows) == 2 * 3
    assert all(("converged" in row) == (row["method"] != "interpolated") for row in rows)
    assert steps.taken == 2
    for method in ("together", "alone"):  # kept, for a run that is killed after it
        assert len(model.load(tmp_path / method).members) == 1
    (table,) = channels.tables(rows)
    assert [line[1] for line in table.rows] == 2 * ["interpolated", "together†", "alone†"]
    assert len(channels.notes(rows)) == 2
    assert channels.draw(rows).startswith(b"\x89PNG")
