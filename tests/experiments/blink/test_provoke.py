"""One frame of a stream under attack."""

import numpy as np
import pytest
import torch
import xarray as xr

from experiments.blink.pictures import Noise
from experiments.blink.provoke import Frame, Observer, half_budget, hits, provoked, success
from experiments.blink.streams import Streams, streams
from experiments.blink.task import Task
from experiments.data.dataset import Dataset
from networks import BlindspotsError, wiring_named
from networks.attention import Attention
from networks.viewing import viewing
from sim import Network

EPSILONS = (0.1, 0.3)


@pytest.fixture(scope="module")
def trials(digits: Dataset) -> Streams:
    task = Task(items=15, first=(2,), lags=(1, 2))
    return streams(task, 3, digits.test.labels.numpy(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def observer() -> Observer:
    """Untaught, but strongly moved by what it sees, and easily satisfied."""
    network = Network.initial(viewing(wiring_named("fc-b"), 10.0), 0)
    with torch.no_grad():
        for value in network.values.values():
            value.mul_(3)
    return Observer(network, Attention(threshold=0.05, noise=0.02), spiking=False)


def test_only_the_attacked_place_changes(trials: Streams, observer: Observer) -> None:
    frames = torch.rand(len(trials), 15, 1, 28, 28)
    frame = Frame(observer, frames, trials, trials.t2, draws=1, seed=0)
    changed = frame.with_frame(torch.zeros(len(trials), 1, 28, 28))
    same = (changed == frames).flatten(2).all(2).numpy()
    np.testing.assert_array_equal(~same, np.arange(15) == trials.t2[:, None])
    torch.testing.assert_close(frame.with_frame(frame.clean()), frames)
    with pytest.raises(BlindspotsError, match="attack all at once"):
        frame.with_frame(torch.zeros(1, 1, 28, 28))


def test_the_frame_has_a_gradient_through_the_whole_stream(
    trials: Streams, observer: Observer
) -> None:
    frames = torch.rand(len(trials), 15, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    frame = Frame(observer, frames, trials, trials.t2, draws=2, seed=0)
    points = frame.clean().requires_grad_()
    logits = frame(points)
    assert logits.shape == (len(trials), 2)
    assert not logits[:, 1].any()
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), points)
    assert (gradient.flatten(1).abs().amax(1) > 0).any()
    assert torch.isfinite(gradient).all()


@pytest.mark.filterwarnings("ignore::experiments.attacks.victim.MaskedGradientWarning")
def test_an_attack_lowers_the_target_within_its_budget_and_noise_is_as_large(
    trials: Streams, observer: Observer, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {}
    monkeypatch.setattr(
        "experiments.blink.provoke.answered",
        lambda model, inputs, *a: shown.update(model=model, **inputs) or xr.Dataset(),
    )
    provoked(
        *(observer, trials, digits.test.images, Noise(sd=0.0)),
        where="target", attack="pgd-linf", epsilons=EPSILONS, options={"steps": 3},
        draws=1, judged=1, seed=0,
    )  # fmt: skip
    clean = shown["clean"][0]
    budgets = torch.tensor(EPSILONS)[:, None]
    sizes = {n: (shown[n] - clean).abs().amax((2, 3, 4)) for n in ("attacked", "noise")}
    torch.testing.assert_close(sizes["noise"], budgets.expand(-1, len(trials)))
    assert (sizes["attacked"] <= budgets + 1e-6).all()
    assert (sizes["attacked"] > 0).any(1).all()
    with torch.no_grad():
        margins = [float(shown["model"](each)[:, 0].mean()) for each in (clean, *shown["attacked"])]
    assert margins[0] > margins[1] > margins[2]


def test_hits_are_counted_by_target(trials: Streams) -> None:
    first, second = (trials.at(trials.label, place) for place in (trials.t1, trials.t2))
    other = next(d for d in range(10) if d not in (first[0], second[0]))
    said = np.full((len(trials), 2), -1)
    said[0] = second[0], other
    said[1] = first[1], second[1]
    found = hits(said, trials)
    assert [found[name][:3].tolist() for name in ("t1", "t2", "others")] == [
        [0, 1, 0], [1, 1, 0], [1, 0, 0],
    ]  # fmt: skip


def made_up() -> xr.Dataset:
    """Two lags, three trials each, two draws; T1 always reported but once under attack."""
    clean = np.ones((2, 6), dtype=int)
    clean[:, 0] = 0  # never seen, so that it cannot be lost
    attacked = clean.copy()
    attacked[:, 1], attacked[0, 4] = 0, 0
    t1 = np.ones((2, 1, 2, 6), dtype=int)
    t1[1, 0, 0, 4] = 0  # then both are lost, which is no blink
    t2 = np.stack([clean, attacked])[:, None]
    dims = ("condition", "epsilon", "draw", "trial")
    return xr.Dataset(
        {"t1": (dims, t1), "t2": (dims, t2), "lag": ("trial", [1, 1, 1, 3, 3, 3])},
        {"condition": ["clean", "attacked"], "epsilon": [0.1]},
    )


def test_success_is_conditional_on_what_was_seen_when_clean() -> None:
    found = success(made_up()).sel(epsilon=0.1)
    assert found["counted"].to_numpy().tolist() == [4, 6]
    assert found["success"].sel(condition="attacked").to_numpy().tolist() == [0.5, 0.0]
    assert not found["success"].sel(condition="clean").any()


def test_without_a_first_target_only_the_second_counts() -> None:
    lone = made_up()
    lone["t1"] = lone["t1"] * 0
    attacked = success(lone)["success"].sel(condition="attacked", epsilon=0.1)
    np.testing.assert_allclose(attacked.to_numpy(), [0.5, 1 / 6])


def test_the_budget_for_half_is_interpolated() -> None:
    rates = xr.DataArray(
        [[0.25, 0.75, 1.0], [0.0, 0.1, 0.2], [0.6, np.nan, np.nan], [np.nan] * 3],
        dims=("lag", "epsilon"), coords={"epsilon": [0.1, 0.2, 0.3]},
    )  # fmt: skip
    np.testing.assert_allclose(half_budget(rates), [0.15, np.inf, 0.1 * 0.5 / 0.6, np.nan])
