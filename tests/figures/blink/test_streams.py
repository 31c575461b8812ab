import numpy as np
import pytest
from PIL import Image

from figures.blink import film, has_spikes, pools, strip
from networks.errors import BlindspotsError


def words(figure):
    panels = figure.get_axes()
    return [t.get_text() for p in panels for t in (*p.texts, p.title, p._left_title)]


def test_a_strip_shows_every_item_at_its_time_and_every_report_when_it_came(result):
    figure = strip(result, "spiking")
    seen, missed = figure.get_axes()
    frames = result["example_frames"].to_numpy()
    for panel, trial in ((seen, 2), (missed, 3)):
        assert len(panel.images) == result.sizes["item"]
        for item, image in enumerate(panel.images):
            np.testing.assert_array_equal(image.get_array(), frames[trial, item])
            assert image.get_extent()[0] == 100.0 * item
    said = {t.get_text(): t.get_position()[0] for t in seen.texts}
    assert said["7"] == 260
    assert said["3"] == 480
    assert "3" not in [t.get_text() for t in missed.texts]
    outlined = sorted(patch.get_x() for patch in missed.patches if hasattr(patch, "get_x"))
    assert outlined == [200, 400]
    assert "T2 seen: shown 7 and 3; reported 7, then 3" in words(figure)
    assert "T2 missed: shown 7 and 3; reported 7" in words(figure)


def test_nothing_reported_is_said(result):
    result["example_report"][3] = -1
    assert "T2 missed: shown 7 and 3; reported nothing" in words(strip(result, "spiking"))


def test_a_film_has_two_frames_for_each_item_and_the_end(result, tmp_path):
    path = film(result, "rate", tmp_path / "film.gif")
    with Image.open(path) as gif:
        assert gif.n_frames == 2 * result.sizes["item"] + 1
        pictures = []
        for frame in (0, 4, 5):
            gif.seek(frame)
            pictures.append(np.asarray(gif.convert("RGB")).astype(int))
        gif.seek(gif.n_frames - 1)
        last = gif.info["duration"]
    blue = np.abs(pictures[1] - [230, 159, 0]).sum(-1) < 60  # T1's frame is orange
    assert blue.sum() > 4 * (np.abs(pictures[0] - [230, 159, 0]).sum(-1) < 60).sum()
    assert (pictures[1] != pictures[2]).any()  # the traces went on
    assert last > 160
    assert [each.name for each in tmp_path.iterdir()] == ["film.gif"]


def test_a_raster_has_a_tick_for_each_spike_in_view(result):
    figure = pools(result, "spiking")
    panels = [p for p in figure.get_axes() if p.get_ylabel() != "Hz"]
    order = ("gate", "t1_memory", "t2_memory", "refractory")
    for row, pool in enumerate(order):
        for column in (0, 1):
            ticks = panels[2 * row + column].collections[0].get_segments()
            there = result["example_spikes"].isel(example=2 + column).sel(pool=pool) > 0
            assert len(ticks) == int(there.sum())
            cell, step = np.nonzero(there.to_numpy())
            at = {(float(s[0, 0]), float(s[:, 1].mean())) for s in ticks}
            assert at == {(10.0 * t + 5, float(c)) for c, t in zip(cell, step, strict=True)}


def test_what_is_not_there_is_not_drawn(result, tmp_path):
    assert has_spikes(result, "spiking")
    assert not has_spikes(result, "rate")
    with pytest.raises(BlindspotsError, match="no spikes of 'rate'"):
        pools(result, "rate")
    with pytest.raises(BlindspotsError, match="no single trials of 'other'"):
        film(result, "other", tmp_path / "film.gif")
    with pytest.raises(BlindspotsError, match="no single trials"):
        strip(result.drop_vars("example_frames"), "rate")
