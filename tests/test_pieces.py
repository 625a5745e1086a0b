"""Passes over an image: every pixel once, in whole chunks, through whatever views there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carescope import Image, pieces
from carescope.errors import InputError
from carescope.pieces import map_pieces


class Chunked:
    """An array that says how it is stored, and remembers what was asked of it."""

    def __init__(self, array, grain):
        self.array, self.grain, self.asked = array, grain, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index):
        self.asked.append(index)
        return self.array[index]


def test_a_sample_is_of_chunks_from_all_parts_of_an_image():
    array = np.arange(64 * 12 * 12).reshape(64, 12, 12)
    chunked = Image(Chunked(array, (4, 6, 12)), "ZYX")
    for image, number in ((Image(array), 8), (chunked, 4)):
        taken = list(pieces.sampled(image, 1 / 8, 100))
        assert [corner[0] * number // 64 for _, corner in taken] == list(range(number))
        for part, corner in taken:
            place = tuple(slice(a, a + n) for a, n in zip(corner, part.shape, strict=True))
            np.testing.assert_array_equal(part, array[place])
    assert all(part.shape == (4, 6, 12) for part, _ in taken)
    assert len(list(pieces.sampled(chunked, 1 / 8, 3))) == 3
    assert list(pieces.sampled(chunked, 1 / 64, 3)) == []


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), room=st.integers(1, 3000), view=st.sampled_from(["whole", "c", "crop", "arr"])
)
def test_every_pixel_is_seen_once_and_in_its_place(data, room, view):
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(4))
    grain = tuple(data.draw(st.integers(1, 5)) for _ in range(4))
    array = np.arange(np.prod(shape), dtype="i4").reshape(shape)
    image = Image(Chunked(array, grain), "CZYX")
    if view == "c":
        image = image.select("C", 0)
    elif view == "crop":
        image = image.cropped({"Y": slice(shape[2] // 2, shape[2])})
    elif view == "arr":
        image = image.arranged("TZCYX")
    seen = np.full(image.shape, -1)

    def note(part, corner):
        place = tuple(slice(a, a + n) for a, n in zip(corner, part.shape, strict=True))
        assert (seen[place] == -1).all()
        seen[place] = part

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", room)
        map_pieces(image, note)
    np.testing.assert_array_equal(seen, image.array())


def test_no_chunk_is_asked_for_twice():
    data = Chunked(np.zeros((8, 64, 64), "u2"), (4, 16, 16))
    map_pieces(Image(data), lambda part, corner: None)
    chunks = [
        tuple(c)
        for z, y, x in data.asked
        for c in np.ndindex(2, 4, 4)
        if z.start // 4 <= c[0] < -(-z.stop // 4)
        and y.start // 16 <= c[1] < -(-y.stop // 16)
        and x.start // 16 <= c[2] < -(-x.stop // 16)
    ]
    assert len(chunks) == len(set(chunks)) == 32


def test_planes_need_their_axes_last():
    with pytest.raises(InputError, match="do not end in YX"):
        map_pieces(Image(np.zeros((3, 4, 5)), "YXZ"), lambda part, corner: None)
