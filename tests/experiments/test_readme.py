"""What the README shows works as it stands there."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import torch
import typer.main

from experiments.bring import imported
from experiments.cli import app
from experiments.data.dataset import load_data
from networks import from_toml, physiology_from, wiring_named
from sim import Network

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    """Every call of blindspots in the shell blocks, in words."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("blindspots ")]


def test_the_wiring_is_one_and_has_what_the_text_says() -> None:
    (text,) = [block for block in blocks("toml") if "[[areas]]" in block]
    wiring = from_toml(text)
    by_kind = {p.kind: p for p in wiring.projections}
    assert by_kind["lateral"].delay == 2
    assert by_kind["top-down"].pattern.model == "sparse"
    assert by_kind["skip"].source == "input"
    logits = Network.initial(wiring, seed=0)(torch.rand(2, 1, 28, 28))
    assert logits.shape == (2, 10)


def test_the_network_by_import_path_answers_and_has_a_gradient(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = [block for block in blocks("python") if "class ClassMeans" in block]
    (tmp_path / "my_readme_model.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    network, test = imported("my_readme_model:ClassMeans"), load_data().test
    images = test.images.clone().requires_grad_()
    logits = network(images)
    assert float((logits.argmax(1) == test.labels).double().mean()) > 0.8
    logits.sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0


def test_the_cells_parameters_are_such() -> None:
    (text,) = [block for block in blocks("toml") if "noise_mv" in block]
    physiology = physiology_from(tomllib.loads(text))
    assert physiology.noise_mv == 2.0
    assert physiology.synapses == "currents"


def test_the_network_in_cells_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block for block in blocks("python") if "calibrate(" in block]
    trained = Network.initial(wiring_named("fc-blt-spiking"), seed=0)
    monkeypatch.setattr("experiments.load_network", lambda run, name: trained)
    images = torch.rand(2, 1, 28, 28)
    names = {"images": images, "training_images": images}
    exec(text, names)
    recording, logits = names["recording"], names["logits"]
    assert recording["h1.potential"].attrs["units"] == "mV"
    assert recording.sizes["time"] == 200
    torch.testing.assert_close(logits.double(), torch.tensor(recording["logits"].to_numpy()))


def test_every_command_exists_with_its_options() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shown = commands()
    assert len(shown) >= 2
    for name, *words in shown:
        options = {option for p in known[name].params for option in p.opts}
        assert {word for word in words if word.startswith("--")} <= options
    for name in re.findall(r"`blindspots ([\w-]+)", README):
        assert name in known


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size > 1000
