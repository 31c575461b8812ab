"""Where a network may come from: one answer for every command."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from experiments.origin import subject, warn_untrained, wired
from experiments.training import save_individual
from networks import BlindspotsError, wiring_named
from sim import Network


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A directory with the weights of an individual called "mine"."""
    directory = tmp_path / "individual"
    directory.mkdir()
    wiring = wiring_named("FC10").replace(name="mine")
    save_individual(Network.initial(wiring, seed=5), {}, directory)
    return directory


def same(one: Network, other: Network) -> bool:
    return all(torch.equal(value, other.values[name]) for name, value in one.values.items())


def test_a_directory_is_called_as_its_wiring(trained: Path) -> None:
    for found in (subject(str(trained), None, 0), wired(str(trained), None, 0, 3, purpose="run")):
        assert found[:2] == ("mine", "trained")
        expected = Network.initial(wiring_named("FC10"), seed=5)
        assert isinstance(found.network, Network)
        assert same(found.network, expected)


def test_a_directory_comes_before_the_catalogue(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.rename(trained.with_name("fc-b"))
    monkeypatch.chdir(trained.parent)
    assert subject("fc-b", None, 0, seed=0).name == "mine"


def test_a_run_knows_its_own(small_run: Path) -> None:
    found = wired("mine", small_run, 1, 0, purpose="run")
    assert found[:2] == ("mine", "trained")
    with pytest.raises(BlindspotsError, match="did you mean 'fc-blt'"):
        subject("fc-bll", small_run, 0)
    with pytest.raises(BlindspotsError, match="has no individual 2"):
        subject("fc-blt", small_run, 2)


def test_an_import_path_brings_what_has_no_wiring(small_run: Path) -> None:
    found = subject("brought_model:TimeAveraged", None, 0)
    assert found.name == "brought_model:TimeAveraged"
    assert found.network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(BlindspotsError, match="import path; only wirings can be eaten"):
        wired("no_such_module:it", None, 0, 0, purpose="can be eaten")


def test_nobody_trained_what_a_seed_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = wiring_named("FC10").replace(name="own")
    (tmp_path / "own.toml").write_text(own.to_toml())
    found = [subject(each, None, 0, seed=4) for each in ("fc-b", str(tmp_path / "own.toml"))]
    assert [each.name for each in found] == ["fc-b", "own"]
    assert isinstance(found[1].network, Network)
    assert same(found[1].network, Network.initial(own, 4))
    console = Console(width=300)
    warn_untrained(found[:1], console)
    assert capsys.readouterr().out.startswith(
        "Untrained: The weights of fc-b are drawn from seed 4: nobody trained them."
    )
    warn_untrained(found, console)
    assert "The weights of 2 networks are drawn from seed 4" in capsys.readouterr().out


def test_trained_and_brought_ones_are_not_warned_of(
    trained: Path, small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [subject(each, None, 0) for each in (str(trained), "brought_model:TimeAveraged")]
    capsys.readouterr()
    warn_untrained(found, Console())
    assert capsys.readouterr().out == ""


def test_without_a_seed_a_name_alone_is_not_enough() -> None:
    with pytest.raises(BlindspotsError, match=r"'fc-b' is neither .* add --run DIR"):
        subject("fc-b", None, 0)
    with pytest.raises(BlindspotsError, match="did you mean 'fc-b'"):
        subject("fc-bx", None, 0, seed=0)
