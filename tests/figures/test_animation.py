"""Films: a frame for each step, written completely or not at all."""

import sys

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from PIL import Image

from figures.animation import HOLD, animate, square
from networks.errors import BlindspotsError


@pytest.fixture(scope="module")
def recording(make_dynamics):
    return make_dynamics(units="rate", steps=2)


def test_a_film_has_a_frame_for_each_step(recording, tmp_path):
    path = animate(recording, tmp_path / "film.gif", image=1, per_second=4)
    with Image.open(path) as film:
        assert film.n_frames == 2
        frames = []
        for at in range(2):
            film.seek(at)
            frames.append(np.asarray(film.convert("RGB")))
        assert film.info["duration"] > 250  # the last one stays
    assert not np.array_equal(frames[0], frames[1])
    assert [each.name for each in tmp_path.iterdir()] == ["film.gif"]


def test_an_mp4_has_a_frame_for_each_step_and_holds_the_last(recording, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra 'film'")
    path = animate(recording, tmp_path / "film.mp4", image=1, per_second=4)
    frames, seconds = ffmpeg.count_frames_and_secs(path)
    assert frames == 2 + HOLD
    assert seconds == pytest.approx(frames / 4)


def test_maps_are_squares_with_every_cell():
    maps = square(np.arange(10.0).reshape(2, 5))
    assert maps.shape == (2, 3, 3)
    np.testing.assert_array_equal(maps[1].ravel()[:5], np.arange(5, 10))
    assert np.isnan(maps[1].ravel()[5:]).all()


def test_films_that_cannot_be_written_leave_the_old_one(recording, tmp_path, monkeypatch):
    with pytest.raises(BlindspotsError, match=r"ends in .gif or .mp4, not in '.avi'"):
        animate(recording, tmp_path / "film.avi")
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(BlindspotsError, match="needs ffmpeg"):
        animate(recording, tmp_path / "film.mp4")
    old = tmp_path / "film.gif"
    old.write_bytes(b"old")
    monkeypatch.setattr("figures.animation.show", lambda row, step, label: 1 // (1 - step))
    with pytest.raises(ZeroDivisionError):
        animate(recording, old)
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]
