"""Progress: how long a job still takes is told from what it did itself."""

from __future__ import annotations

import re

import pytest

from carescope.app import progress
from carescope.app.progress import Watch


@pytest.mark.parametrize("already", [0.0, 0.4, 0.9])
def test_a_job_that_goes_on_tells_the_time_its_rest_takes(
    already: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 1,000 s: what an interrupted run had done took this one no time."""
    now = 5_000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    watch = Watch()
    for seconds in range(1 + round(1_000 * (1 - already))):
        now = 5_000.0 + seconds
        watch.restoring(already + seconds / 1_000)
    told = re.findall(r"^restoring: +(\d+)%, (\d+) s left$", capsys.readouterr().err, re.MULTILINE)
    assert len(told) >= 10
    for percent, left in told:
        assert int(left) == pytest.approx(10 * (100 - int(percent)), abs=6)  # % are rounded


def test_another_image_starts_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    watch = Watch()
    for image in range(2):
        for tenths in range(11):
            now = 100.0 * image + 10.0 * tenths * (1 + image)  # the second one is twice as large
            watch.restoring(tenths / 10)
    said = capsys.readouterr().err.splitlines()
    assert "restoring:  50%, 50 s left" in said
    assert "restoring:  50%, 100 s left" in said
