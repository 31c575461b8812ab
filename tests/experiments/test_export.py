"""The export command writes what its file's ending asks for, and says what it cannot."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.training import save_individual
from networks import BlindspotsError, wiring_named
from sim import Network
from sim.exchange import read_nir


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the weights of a spiking network."""
    directory = tmp_path_factory.mktemp("trained")
    save_individual(Network.initial(wiring_named("FC100-100-10-spiking"), 5), {}, directory)
    return directory


def said(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if done.exception:
        raise done.exception
    return done.output


def test_a_network_to_nir(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("nir", reason="NIR is not installed (extra 'exchange')")
    words = said(trained, "--to", tmp_path / "n.nir")
    assert "only its metadata say the reset" in words
    assert "Untrained" not in words
    values = Network.initial(wiring_named("FC100-100-10-spiking"), 5).values
    back = read_nir(tmp_path / "n.nir").values
    assert all((back[name] == value).all() for name, value in values.items())


def test_an_untrained_network_is_called_so(tmp_path: Path) -> None:
    pytest.importorskip("nir", reason="NIR is not installed (extra 'exchange')")
    assert "Untrained" in said("fc-b-spiking", "--to", tmp_path / "n.nir")


def test_activity_to_neo(trained: Path, tmp_path: Path, cache: Path) -> None:
    neo = pytest.importorskip("neo", reason="Neo is not installed (extra 'exchange')")
    said(trained, "--to", tmp_path / "r.mat", "--images", 2, "--dt", 0.5)
    block = neo.io.NeoMatlabIO(str(tmp_path / "r.mat")).read_block()
    assert [len(s.spiketrains) for s in block.segments] == [200, 200]
    assert block.annotations["dt_ms"] == 0.5


def test_activity_to_nwb(trained: Path, tmp_path: Path, cache: Path) -> None:
    pynwb = pytest.importorskip("pynwb", reason="PyNWB is not installed (extra 'exchange')")
    said(trained, "--to", tmp_path / "r.nwb", "--images", 2)
    with pynwb.NWBHDF5IO(str(tmp_path / "r.nwb"), "r") as source:
        file = source.read()
        assert len(file.units) == 200
        assert len(file.trials) == 2


@pytest.mark.parametrize(
    ("network", "file", "says"),
    [
        ("fc-b-spiking", "n.pkl", r"no format '\.pkl'; .*\.nir"),
        ("fc-bb-spiking", "n.nir", "no network 'fc-bb-spiking'; did you mean"),
        ("torch.nn:Identity", "n.nir", "import path; only wirings can be exported"),
    ],
)
def test_what_cannot_be_exported(network: str, file: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BlindspotsError, match=says):
        said(network, "--to", tmp_path / file)
    assert not list(tmp_path.iterdir())
