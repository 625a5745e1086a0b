"""Means of frames: those of NumPy, read lazily, and only as much as is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carescope as cs
from carescope import Image
from carescope.errors import InputError, UsageError
from carescope.jobs.averaged import averaged

FILM = np.random.default_rng(0).integers(0, 2**16, (7, 2, 3, 6, 5), np.uint16)
MEANS = FILM[:6].reshape(2, 3, 2, 3, 6, 5).mean(axis=1).astype(np.float32)


class Watched:
    """An array in chunks that counts what is read of it at once."""

    def __init__(self, grey, frames):
        self.grey, self.shape, self.dtype, self.most, self.all = grey, grey.shape, grey.dtype, 0, 0
        self.grain = (frames, *grey.shape[1:]) if frames else None

    def __getitem__(self, index):
        found = self.grey[index]
        self.most, self.all = max(self.most, found.size), self.all + found.size
        return found


def parts(n):
    whole = st.slices(n)
    return whole | st.integers(-n, n - 1)


@given(
    st.tuples(*[parts(n) for n in MEANS.shape]), st.integers(0, 5), st.sampled_from([0, 1, 2, 4])
)
@settings(deadline=None, max_examples=200)
def test_indexing_is_that_of_the_averaged_array(index, depth, chunk):
    means, _ = averaged(Image(Watched(FILM, chunk), "TCZYX"), 3)
    found = means.data[index[:depth]] if depth else means.data[...]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, MEANS[index[:depth]] if depth else MEANS)


def test_time_may_be_any_axis():
    swapped = Image(FILM.transpose(1, 2, 0, 3, 4), "CZTYX")
    means, _ = averaged(swapped, 3)
    assert (means.axes, means.shape, means.size("T")) == ("CZTYX", (2, 3, 2, 6, 5), 2)
    np.testing.assert_array_equal(means.arranged("TCZYX").array(), MEANS)
    np.testing.assert_array_equal(means.arranged("TCZYX").cropped({"Y": slice(2, 5)}).array(),
                                  MEANS[..., 2:5, :])  # fmt: skip


def test_what_is_left_out_is_said():
    _, said = averaged(Image(FILM, "TCZYX"), 3)
    assert said == ["The last frame is left out: the 6 before make 2 means of 3."]
    _, said = averaged(Image(FILM, "TCZYX"), 5)
    assert said == ["The last 2 frames are left out: the 5 before make 1 means of 5."]
    assert averaged(Image(FILM, "TCZYX"), 7)[1] == []


def test_one_frame_is_itself():
    film = Image(FILM[0], "CZYX")
    assert averaged(film, 1) == (film, [])


@pytest.mark.parametrize("chunk", [0, 2])
def test_no_more_than_a_chunk_is_read_at_once(chunk):
    watched = Watched(FILM, chunk)
    means, _ = averaged(Image(watched, "TCZYX"), 6)
    assert watched.all == 0
    plane = means.data[0, 1, 2]
    assert plane.shape == (6, 5)
    assert watched.most == max(chunk, 1) * 30
    assert watched.all == 6 * 30


def test_a_frame_is_read_once_from_a_file(tmp_path):
    cs.save(tmp_path / "film.zarr", Image(FILM, "TCZYX", (1, 0.1, 0.1)))
    means, _ = averaged(cs.open(tmp_path / "film.zarr"), 3)
    np.testing.assert_array_equal(means.array(), MEANS)
    assert means.voxel_um == (1, 0.1, 0.1)


@pytest.mark.parametrize(
    ("film", "count", "said"),
    [
        (Image(FILM[0], "CZYX"), 3, "no time points"),
        (Image(FILM, "TCZYX"), 8, "7 time points"),
    ],
)
def test_too_few_frames_are_refused(film, count, said):
    with pytest.raises(InputError, match=said):
        averaged(film, count)


def test_no_mean_is_of_none():
    with pytest.raises(UsageError, match="--average"):
        averaged(Image(FILM, "TCZYX"), 0)
