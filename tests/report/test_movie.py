"""Movies: what goes in comes out of another decoder, and a movie is there whole or not at all."""

import re
import subprocess
import sys

import numpy as np
import pytest

from carescope.errors import InputError, OutputError, UsageError
from carescope.report.movie import EDGE_PX, LABEL_PX, PANEL_PX, panels, shared_contrast, write_movie

ffmpeg = pytest.importorskip("imageio_ffmpeg")


def decoded(path):
    """Frames as a decoder gives them, and what it says of the file."""
    command = [ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    said = next(line for line in done.stderr.decode().splitlines() if "Video: h264" in line)
    width, height = map(int, re.search(r", (\d+)x(\d+)", said).groups())
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3), said


def frames(count=5, shape=(64, 96, 3)):
    for n in range(count):
        yield np.full(shape, 40 * (n % 6), np.uint8)


def test_frames_come_back_as_they_went_in(tmp_path):
    path = tmp_path / "x.mp4"
    assert write_movie(path, frames(), fps=8) == 5
    found, facts = decoded(path)
    assert "yuv420p" in facts
    assert " 8 fps" in facts
    assert found.shape == (5, 64, 96, 3)
    for n, frame in enumerate(found):
        assert abs(frame.astype(int) - 40 * n).max() <= 3
    assert [p.name for p in tmp_path.iterdir()] == ["x.mp4"]


def test_odd_sides_are_made_even_without_moving_a_pixel(tmp_path):
    gradient = np.linspace(0, 255, 33 * 51).reshape(33, 51)
    frame = np.repeat(gradient[..., None], 3, axis=2).astype(np.uint8)
    write_movie(tmp_path / "x.mp4", [frame, frame])
    found, _ = decoded(tmp_path / "x.mp4")
    assert found.shape == (2, 34, 52, 3)
    assert abs(found[1][:33, :51].astype(int) - frame).max() <= 6


def test_the_same_frames_give_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_movie(tmp_path / name, frames())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_movie_that_cannot_be_finished_leaves_nothing(tmp_path):
    def broken():
        yield from frames(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_movie(tmp_path / "x.mp4", broken())
    with pytest.raises(InputError, match="frame 2 is uint8"):
        write_movie(tmp_path / "x.mp4", [*frames(2), np.zeros((64, 98, 3), np.uint8)])
    with pytest.raises(InputError, match="frame 1 is float64"):
        write_movie(tmp_path / "x.mp4", [*frames(1), np.zeros((64, 96, 3))])
    with pytest.raises(InputError, match="no frame"):
        write_movie(tmp_path / "x.mp4", [])
    with pytest.raises(InputError, match="a frame of shape"):
        write_movie(tmp_path / "x.mp4", [np.zeros((64, 96), np.uint8)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
@pytest.mark.parametrize("reads", ["sys.stdin.buffer.read()", "pass"])
def test_what_the_encoder_complains_of_is_told(tmp_path, monkeypatch, reads):
    """One that fails when all is written, as on a full disk, and one that never begins."""
    script = tmp_path / "encoder"
    script.write_text(f"#!{sys.executable}\nimport sys\n{reads}\nsys.exit('No space left')\n")
    script.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "get_ffmpeg_exe", lambda: str(script))
    with pytest.raises(OutputError, match="No space left"):
        write_movie(tmp_path / "x.mp4", frames(20, (256, 256, 3)))
    assert [p.name for p in tmp_path.iterdir()] == ["encoder"]


def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        write_movie(path, frames())
    assert path.read_bytes() == b"mine"
    write_movie(path, frames(), overwrite=True)
    assert len(decoded(path)[0]) == 5


def test_other_names_and_speeds_are_refused(tmp_path):
    with pytest.raises(UsageError, match="MP4"):
        write_movie(tmp_path / "x.gif", frames())
    for fps in (0, -1, float("nan"), 1e9):
        with pytest.raises(UsageError, match="frames a second"):
            write_movie(tmp_path / "x.mp4", frames(), fps=fps)


def test_panels_show_every_pixel_magnified_and_in_its_contrast():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, 100, 120))
    frame, again = panels(
        ["a", "b"],
        [(left, right), (left, right)],
        limits=[(0, 255), (0, 510)],
    )
    zoom = PANEL_PX // 120
    assert frame.dtype == np.uint8
    assert [n % 2 for n in frame.shape[:2]] == [0, 0]
    shown = frame[LABEL_PX : LABEL_PX + 100 * zoom]
    first = shown[:, EDGE_PX : EDGE_PX + 120 * zoom]
    np.testing.assert_array_equal(first[1::zoom, 1::zoom, 0], left)
    assert (first.reshape(100, zoom, 120, zoom, 3).std(axis=(1, 3, 4)) == 0).all()
    second = shown[:, -EDGE_PX - 120 * zoom : -EDGE_PX][1::zoom, 1::zoom, 2]
    np.testing.assert_allclose(second, right / 2, atol=0.51)
    assert frame.tobytes() == again.tobytes()


def test_limits_clip_and_no_number_is_black():
    picture = np.array([[-9.0, 0, 1], [2, 9, np.nan]])
    (frame,) = panels(["a"], [[picture]], limits=[(0, 2)])
    zoom = PANEL_PX // 3
    shown = frame[LABEL_PX:, EDGE_PX:][zoom // 2 :: zoom, zoom // 2 :: zoom, 0][:2, :3]
    np.testing.assert_array_equal(shown, [[0, 0, 128], [255, 255, 0]])


@pytest.mark.parametrize(("pixel_um", "length_um"), [(0.1, 2), (0.325, 5), (1.0, 20)])
def test_the_bar_is_as_long_as_it_says(pixel_um, length_um):
    (frame,) = panels(["a"], [[np.zeros((80, 96))]], limits=[(0, 1)], pixel_um=pixel_um)
    (without,) = panels(["a"], [[np.zeros((80, 96))]], limits=[(0, 1)])
    foot = frame[-LABEL_PX:, :, 0] > 200
    longest = max(len(run) for row in foot for run in "".join(" x"[int(v)] for v in row).split())
    assert longest == pytest.approx(length_um / pixel_um * (PANEL_PX // 96), abs=2)
    assert not (without[-EDGE_PX:, :, 0] > 200).any()


def test_panels_stand_in_rows():
    pictures = [np.full((50, 60), n) for n in range(5)]
    wide, rows = (
        next(panels(list("abcde"), [pictures], limits=[(0, 4)] * 5, columns=columns))
        for columns in (None, 3)
    )
    assert wide.shape[0] < rows.shape[0]
    assert wide.shape[1] > rows.shape[1]
    assert rows[-EDGE_PX - 200, EDGE_PX + 600, 0] == 255  # the fifth is second in its row


def test_one_contrast_suits_all():
    dark, bright = np.linspace(0, 1, 1000), np.linspace(0.5, 3, 1000)
    low, high = shared_contrast([dark, bright])
    assert low == pytest.approx(0.005, abs=1e-3)
    assert high == pytest.approx(0.5 + 2.5 * 0.997, abs=1e-2)
    assert shared_contrast([np.full((3, 3), 7.0)]) == (7, 8)


def test_pictures_that_do_not_belong_together_are_refused():
    good = np.zeros((20, 30))
    for wrong in ([good], [good, good.T], [good[0], good[0]]):
        with pytest.raises(InputError, match="a frame has pictures"):
            list(panels(["a", "b"], [wrong], limits=[(0, 1)] * 2))
    with pytest.raises(InputError, match="a frame has pictures"):
        list(panels(["a"], [[good], [good[1:]]], limits=[(0, 1)]))
    with pytest.raises(InputError, match="do not go together"):
        list(panels(["a"], [[good]], limits=[]))
    with pytest.raises(InputError, match="need a frame of"):
        list(panels(["a", "b"], [[np.zeros((20, 3000))] * 2], limits=[(0, 1)] * 2))
