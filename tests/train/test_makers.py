"""Batches made by threads: the same numbers however many there are, and errors that come out."""

import threading
import time

import pytest
import torch

from carescope.errors import InputError, UsageError
from carescope.train import makers

CPU = torch.device("cpu")


@pytest.mark.parametrize("workers", [None, 0, 1, 2])
def test_f24_any_number_of_workers_gives_the_same_weights(fit, workers):
    quick = {"steps": 8, "steps_per_epoch": 4}
    assert fit(workers=workers, **quick).sha256 == fit(workers=0, **quick).sha256


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_f26_an_error_in_a_worker_ends_training_at_once(fit, made, monkeypatch, workers):
    batch = type(made()).batch

    def broken(self, number, share=(0, 1)):
        if number == 3:
            raise InputError("became shorter while it was read", where="nuclei.tif")
        return batch(self, number, share)

    monkeypatch.setattr(type(made()), "batch", broken)
    seen, began = [], time.monotonic()
    with pytest.raises(InputError, match="became shorter"):
        fit(workers=workers, steps=1000, watch=seen.append)
    assert time.monotonic() - began < 10
    assert [p.step for p in seen] == [1, 2, 3]


def test_no_thread_is_left_behind(fit):
    before = threading.active_count()
    fit(workers=2, steps=2)
    assert threading.active_count() == before


def test_how_many_workers_there_are(monkeypatch):
    monkeypatch.setattr(makers.os, "sched_getaffinity", lambda _: range(12), raising=False)
    threads = [1]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    assert makers.choose(3, CPU) == 3
    assert makers.choose(0, CPU) == 0
    assert makers.choose(None, CPU) == 1  # on a core that the network leaves free
    threads[0] = 12
    assert makers.choose(None, CPU) == 0
    assert makers.choose(None, torch.device("cuda")) == makers.MOST_FOR_A_GPU
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert makers.choose(None, torch.device("cuda")) == 3
    with pytest.raises(UsageError, match="--workers"):
        makers.choose(-1, CPU)
