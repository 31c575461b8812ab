"""A finished comparison is taken up again with the data that it was made with, or not at all."""

from pathlib import Path

import pytest
import xarray as xr

from experiments.data.dataset import DIGITS, load_again
from experiments.finished import bench_of
from networks import BlindspotsError

RUN = Path("runs/one")


@pytest.fixture(autouse=True)
def _out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST is neither in a directory nor to be downloaded."""
    monkeypatch.setattr("experiments.data.dataset.MIRRORS", ())
    monkeypatch.delenv("BLINDSPOTS_DATA", raising=False)
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path))


def test_nothing_stands_in_for_mnist(capfd: pytest.CaptureFixture[str]) -> None:
    made = xr.Dataset(attrs={"data": "MNIST", "data_sha256": "0"})
    with pytest.raises(BlindspotsError, match=r"^'runs/one' was made with MNIST; '.*' is no dir.*"):
        bench_of(RUN, made, None)
    assert capfd.readouterr() == ("", "")


def test_a_directory_without_mnist_is_named(tmp_path: Path) -> None:
    made = xr.Dataset(attrs={"data": "MNIST", "data_sha256": "0"})
    with pytest.raises(BlindspotsError, match=r"was made with MNIST; .* holds no train-images"):
        bench_of(RUN, made, tmp_path)


def test_a_run_on_digits_goes_on_with_digits() -> None:
    sha256 = load_again(DIGITS, None).sha256
    assert bench_of(RUN, xr.Dataset(attrs={"data": DIGITS, "data_sha256": sha256}), None).data
    with pytest.raises(BlindspotsError, match="other data than scikit-learn digits"):
        bench_of(RUN, xr.Dataset(attrs={"data": DIGITS, "data_sha256": "0"}), None)
