"""Files come out whole, the same twice, and without touching the settings of matplotlib."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from figures import draw_all
from figures import save as saving
from figures.matrix import transfer_matrix
from figures.save import save


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Of each PNG a sixteenth of the pixels, since nothing here depends on how many there are."""
    monkeypatch.setattr(saving, "DPI", 50)


@pytest.fixture
def result(make_result):
    """Two networks are enough here."""
    return make_result(["fc-b", "fc-bl"], ["pgd-linf"], images=20, examples=1)


def test_saves_are_the_same_bytes(result, tmp_path):
    figure = transfer_matrix(result, "pgd-linf", 0.1)
    first = [path.read_bytes() for path in save(figure, tmp_path / "a", "x")]
    second = [path.read_bytes() for path in save(figure, tmp_path / "b", "x")]
    again = save(transfer_matrix(result, "pgd-linf", 0.1), tmp_path / "c", "x")
    assert first == second == [path.read_bytes() for path in again]
    assert [path.name for path in again] == ["x.png", "x.pdf"]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["x.pdf", "x.png"]
    assert b"CreationDate" not in first[1]


def test_a_failed_save_leaves_the_old_file(result, tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"old")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save(transfer_matrix(result, "pgd-linf", 0.1), tmp_path, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"old"


def test_draw_all(make_result, tmp_path):
    from experiments.statistics import summarise

    names, attacks = ["fc-b", "fc-bl"], ["noise-linf", "pgd-linf", "lbfgs"]
    result = make_result(names, attacks, images=40, examples=1).sel(attack=attacks[:2])
    generator = np.random.default_rng(0)
    summary = summarise(
        result, [("recurrence", "fc-bl", "fc-b")], generator=generator, resamples=50
    )
    before = dict(matplotlib.rcParams)
    paths = draw_all(result, summary, tmp_path)
    assert dict(matplotlib.rcParams) == before
    assert set(paths) == {
        *("curves-pgd-linf", "noise-pgd-linf", "images-pgd-linf"),
        *("forest", "transfer", "distortion"),
    }
    for path in paths.values():
        assert path.suffix == ".png"
        assert path.stat().st_size > 2000
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_figures_need_neither_pyplot_nor_torch_nor_the_other_rooms():
    code = (
        "import sys, figures.curves, figures.distortion, figures.forest, figures.images,"
        "figures.matrix, figures.save, figures.wiring, figures.raster, figures.traces,"
        "figures.rates, figures.contrast\n"
        "bad = {'matplotlib.pyplot', 'torch', 'sim', 'experiments', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
