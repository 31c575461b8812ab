"""Who is right about pulses while feedback is cut or frozen, run by run."""

import numpy as np
import pytest
import torch

from experiments.dynamics.intervene import Scene, Window, phases, windows
from experiments.dynamics.recorded import activity
from networks import Poisson, from_toml
from networks.derive import coded
from sim import Hold, Lesion, Network, run
from sim.parameters import shapes

WIRING = """
name = "looping"
steps = 9
areas = [
  { name = "input", shape = [1, 4, 4], unit = { model = "input" } },
  { name = "h1", shape = [8], unit = { model = "rate", activation = "tanh", leak = 0.5 } },
  { name = "h2", shape = [6], unit = { model = "rate", activation = "tanh" } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity" } },
]
projections = [
  { source = "input", target = "h1" },
  { source = "h1", target = "h1", kind = "lateral" },
  { source = "h1", target = "h2" },
  { source = "h2", target = "h1", kind = "top-down" },
  { source = "h2", target = "output" },
]
"""
IMAGES, EPSILON = 40, 0.3
KINDS = {"lateral": ["lateral"], "top-down": ["top-down"], "both": ["lateral", "top-down"]}


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A network of strong feedback that is mostly right about clean images."""
    wiring = from_toml(WIRING)
    chance = torch.Generator().manual_seed(4)
    values = {n: 0.8 * torch.randn(size, generator=chance) for n, size in shapes(wiring).items()}
    values |= {n: torch.zeros_like(v) for n, v in values.items() if n.startswith("bias")}
    first = next(n for n in values if n.startswith("weight/input"))
    values["bias/h1"] = -0.5 * values[first].sum(1)  # grey images leave the network at rest
    network = Network(wiring, values)
    answers = network(pictures()).argmax(1)
    answers[::7] = (answers[::7] + 1) % 3
    return Scene(network, answers, 0)


def pictures() -> torch.Tensor:
    return torch.rand((IMAGES, 1, 4, 4), generator=torch.Generator().manual_seed(1))


def flashed(self: Scene, clean: torch.Tensor, epsilon: float, window: Window) -> torch.Tensor:
    """In place of a crafted pulse: the images of the next ones, in the frames of the window."""
    movie = clean.expand(self.wiring.steps, *clean.shape).clone()
    movie[window[0] : window[1]] = clean.roll(1, 0)
    return movie


def direct(scene: Scene, movie: torch.Tensor, acts: list[Lesion | Hold]) -> np.ndarray:
    logits = run(scene.network, movie, intervene=acts, record=[])["logits"].to_numpy()
    right: np.ndarray = logits.argmax(1) == scene.labels.numpy()
    return right


def acts_on(act: str, kinds: list[str], start: int, stop: int) -> list[Lesion | Hold]:
    if act == "cut":
        return [Lesion(cut=kind, start=start, stop=stop) for kind in kinds]
    return [Hold(through=kind, start=start, stop=stop) for kind in kinds]


def test_every_phase_is_a_run_with_that_pathway_cut_or_frozen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scene, "pulse", flashed)
    clean, spans = pictures(), phases(scene.wiring)
    found = scene.around_pulses(clean, EPSILON)
    movies = {
        "clean": clean.expand(scene.wiring.steps, *clean.shape),
        "pulse": flashed(scene, clean, EPSILON, spans["during"]),
    }
    assert found.attrs["pulse"].tolist() == list(spans["during"])
    rows = set()
    for stimulus, movie in movies.items():
        plain = direct(scene, movie, [])
        np.testing.assert_array_equal(found["pulse_right"].sel(stimulus=stimulus), plain)
        for pathway, kinds in KINDS.items():
            for phase, span in spans.items():
                for act in ("cut", "freeze"):
                    at = {"pathway": pathway, "act": act, "phase": phase, "stimulus": stimulus}
                    here = found["phase_right"].sel(at)
                    if (act, phase) == ("freeze", "before"):
                        assert (here == -1).all()
                        continue
                    expected = direct(scene, movie, acts_on(act, kinds, *span))
                    np.testing.assert_array_equal(here, expected)
                    rows.add(expected.tobytes())
    assert len(rows) > 20  # of 30: the runs differ, so that none can stand for another


def test_early_and_late_answers_are_those_of_single_steps(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scene, "pulse", flashed)
    clean = pictures()
    found = scene.early_and_late(clean, EPSILON)
    assert found["read"].to_numpy().tolist() == list(scene.wiring.answers)
    assert found["start"].to_numpy().tolist() == [start for start, _ in windows(scene.wiring)]
    rows = set()
    for start, stop in windows(scene.wiring):
        assert stop - start == found.attrs["width"]
        movie = flashed(scene, clean, EPSILON, (start, stop))
        potential = run(scene.network, movie, record=["output"])["output.potential"]
        for read in scene.wiring.answers:
            right = potential.sel(time=read).to_numpy().argmax(1) == scene.labels.numpy()
            here = found["early_late_right"].sel(start=start, read=read)
            np.testing.assert_array_equal(here, right)
            rows.add(right.tobytes())
    assert len(rows) > len(windows(scene.wiring))


def test_a_random_code_draws_the_same_for_recordings_and_for_interventions(scene: Scene) -> None:
    values = {name: value.detach() for name, value in scene.network.values.items()}
    network = Network(coded(scene.wiring, Poisson()), values)
    again = Scene(network, scene.labels, 5)
    kept = activity(network, pictures(), 5)[0]["logits"].to_numpy().argmax(1)
    for _ in range(2):
        last = again.decided(pictures())["running_answer"].isel(time=-1)
        np.testing.assert_array_equal(last, kept)
    assert not np.array_equal(activity(network, pictures(), 6)[0]["logits"].argmax("class"), kept)


@pytest.mark.parametrize("window", [(0, 2), (2, 4)])
def test_a_pulse_is_clean_outside_its_window(scene: Scene, window: Window) -> None:
    clean = pictures()
    movie = scene.pulse(clean, EPSILON, window)
    assert movie.shape == (scene.wiring.steps, *clean.shape)
    changed = (movie - clean).abs().flatten(1).amax(1)  # by frame
    inside = torch.tensor([window[0] <= t < window[1] for t in range(scene.wiring.steps)])
    assert (changed[~inside] == 0).all()
    assert (changed[inside] > 0).all()
    assert changed.max() <= EPSILON + 1e-6
    assert scene.right(movie).mean() < scene.right(clean).mean() - 0.1
