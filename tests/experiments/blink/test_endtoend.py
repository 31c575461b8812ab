"""Networks that are trained to do the whole task: what they are asked for, and how they answer."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from experiments.adam import Adam
from experiments.blink.endtoend import reported
from experiments.blink.glances import glanced
from experiments.blink.pictures import Noise
from experiments.blink.recipes import is_reportable
from experiments.blink.rehearsal import (
    GRU,
    Rehearsal,
    answers_to,
    begun,
    exercise,
    loss,
    rehearse,
    untaught,
)
from experiments.blink.schooling import descend
from experiments.blink.spec import blink_spec_from
from experiments.blink.streams import streams
from experiments.blink.task import Task, conditions
from experiments.data.dataset import Split
from experiments.training import Diverged
from networks import BlindspotsError, wiring_named
from sim.attention import Stream
from sim.attention.reporting import Wired

TASK = Task(items=15, first=(3,), lags=(1, 7))


@pytest.fixture(scope="module")
def split() -> Split:
    labels = torch.arange(10).repeat(3)
    return Split(torch.rand(30, 1, 28, 28, generator=torch.Generator().manual_seed(0)), labels)


def test_the_right_answers_are_the_targets_so_far_in_their_order(split: Split) -> None:
    for task in (TASK, TASK.but(single=True)):
        trials = streams(task, 2, split.labels.numpy(), np.random.default_rng(0))
        answers = answers_to(trials)
        for i in range(len(trials)):
            seen = []
            for item in range(task.items):
                if trials.target[i, item]:
                    seen.append(trials.label[i, item])
                assert answers[i, item].tolist() == [*seen, 10, 10][:2]


@pytest.mark.parametrize("network", [GRU, "fc-blt"])
def test_answers_depend_on_what_has_been_shown_alone(network: str, split: Split) -> None:
    """Each step's answer knows the items up to then, and the last one knows the first item."""
    model = untaught(network, Rehearsal(units=16), 0)
    frames = torch.rand(2, 6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    other = frames.clone()
    other[:, 3] = 0
    with torch.no_grad():
        first, second = (model(Stream(each, 2)) for each in (frames, other))
    assert first.shape == (2, 12, 2, 11)
    torch.testing.assert_close(first[:, :6], second[:, :6])
    assert not torch.equal(first[:, 6], second[:, 6])
    assert not torch.equal(first[:, -1], second[:, -1])


def test_the_loss_is_that_of_the_end_and_of_the_mean_over_items(split: Split) -> None:
    how = Rehearsal(units=8, per_lag=4, prefixes=0.5)
    chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    given, model = exercise(TASK, split, how, 0.75, chance), untaught(GRU, how, 0)
    assert len(given.frames) == 8
    assert (given.answers[:, -1, 1] == 10).sum() == 2  # one in four has no second target
    with torch.no_grad():
        odds = model(Stream(given.frames, 2)).softmax(-1)[:, 1::2].numpy()
        found = loss(model, given, how, 2)
    right = np.take_along_axis(odds, given.answers.numpy()[..., None], 3)[..., 0]
    by_item = -np.log(right).mean((0, 2))
    assert float(found) == pytest.approx(by_item[-1] + 0.5 * by_item.mean(), rel=1e-5)


def test_streams_grow_from_their_first_targets_to_their_length(split: Split) -> None:
    chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    given = exercise(TASK, split, Rehearsal(per_lag=4), 0.75, chance)
    items = [begun(given, TASK, grown).frames.shape[1] for grown in (0.0, 0.5, 1.0)]
    assert items == [5, 10, 15]
    short = begun(given, TASK, 0.0)
    assert torch.equal(short.frames, given.frames[:, :5])
    assert (short.answers[:6, -1, 0] < 10).all()  # of all pairs the first target has been shown


def test_what_remembers_starts_by_holding_and_what_sees_by_letting_go() -> None:
    model = untaught("fc-blt", Rehearsal(), 0)
    assert isinstance(model, Wired)
    sees, holds = (model.network.values[f"weight/{h}>{h}"] for h in ("h1", "h2"))
    assert torch.equal(holds, torch.eye(128))
    assert float(sees.detach().diagonal().abs().max()) < 0.1


def test_glances_teach_the_first_area_to_tell_digits_apart_and_nothing_else() -> None:
    """Ten kinds of pictures, each lit in a place of its own: in noise h1 differs more by kind."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(10).repeat(20)
    images = torch.zeros(200, 1, 28, 28)
    for i, label in enumerate(labels.tolist()):
        images[i, 0, 2 * label + 3 : 2 * label + 6, 4:20] = 0.7
    noisy = (images + 0.4 * torch.randn(images.shape, generator=generator)).clamp(0, 1).flatten(1)
    values = glanced(wiring_named("fc-blt"), 10, 1e-2, 0.4, Split(images, labels), 0)
    assert set(values) == {"weight/input>h1", "bias/h1"}

    def separation(of: Mapping[str, torch.Tensor]) -> float:
        """Variance between kinds over that within."""
        felt = torch.relu(noisy @ of["weight/input>h1"].T + of["bias/h1"]).unflatten(0, (20, 10))
        return float(felt.mean(0).var(0).sum() / felt.var(0).mean(0).sum())

    model = untaught("fc-blt", Rehearsal(), 0)
    assert isinstance(model, Wired)
    before = {name: value.detach().clone() for name, value in model.network.values.items()}
    assert separation(values) > 3 * separation(before)
    model.begin_with(values)
    for name, value in model.network.values.items():
        assert torch.equal(value, (before | values)[name])


def test_a_rehearsal_begins_with_what_was_learned_from_glances(split: Split) -> None:
    """Its first step moves no weight by more than a twenty-fifth of the highest rate."""
    how = Rehearsal(batches=1, per_lag=2, rate=1e-3, dt_ms=100, growing=0.5, glances=2)
    model = rehearse("fc-blt", how, TASK, split, 0.75, 3)
    assert isinstance(model, Wired)
    expected = glanced(wiring_named("fc-blt"), 2, 1e-3, how.noise, split, 3)
    for name, value in expected.items():
        torch.testing.assert_close(model.network.values[name].detach(), value, rtol=0, atol=4.1e-5)


class Straight(Adam):
    """Down the slope as it is, so that its size is seen."""

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for value in self.values:
            assert value.grad is not None
            value.sub_(rate * value.grad)


def test_a_step_goes_down_and_what_is_no_number_ends_it() -> None:
    weight = torch.nn.Linear(1, 1, bias=False)
    optimiser = Straight(weight.parameters())
    before = float(weight.weight.detach())
    descend(weight, optimiser, 50 * weight.weight.sum(), 0.1, 0.3)  # its slope is cut to 1
    assert float(weight.weight.detach()) == pytest.approx(before - 0.1, abs=1e-5)
    with pytest.raises(Diverged, match=r"loss of nan after 30%; lower the learning rate \(0\.1\)"):
        descend(weight, optimiser, weight.weight.sum() * torch.nan, 0.1, 0.3)


def test_reports_have_no_gap_and_the_steps_follow_the_interval(split: Split) -> None:
    trials = streams(TASK, 3, split.labels.numpy(), np.random.default_rng(0))
    steps = []

    def model(stream: Stream) -> torch.Tensor:
        """Of even trials nothing first, then a 7; of odd ones a 4 and nothing."""
        steps.append(stream.steps)
        logits = torch.zeros(len(stream.items), 1, 2, 11)
        logits[::2, 0, 0, 10] = logits[::2, 0, 1, 7] = 1
        logits[1::2, 0, 0, 4] = logits[1::2, 0, 1, 10] = 1
        return logits

    found = reported(model, trials, split.images, Noise(), dt_ms=50.0, seed=0)  # type: ignore[arg-type]
    assert found["identity"].to_numpy().tolist() == [[7, -1], [4, -1]] * 3
    assert steps == [2]


def test_it_is_asked_only_for_what_it_was_trained_for() -> None:
    able = {name for name, task in conditions().items() if is_reportable(task, 50.0)}
    assert {"dual", "t1+1-blank", "soa-50", "t2-absent"} <= able
    assert able.isdisjoint({"ignore-t1", "TTT", "detect", "cued"})
    assert not is_reportable(Task(soa_ms=150.0), 100.0)
    whole = {"network": "gru", "end_to_end": True}
    for observer, says in (
        (whole, "set its conditions"),
        ({**whole, "conditions": ["dual"], "attention": {"leak": 0.2}}, "drop one of the two"),
        ({**whole, "conditions": ["dual"], "rehearsal": {"glances": 9}}, "glances to 0"),
        ({"network": "gru"}, "There is no network 'gru'"),
    ):
        settings = {"observers": {"a": observer}, "conditions": ["dual", "ignore-t1"]}
        with pytest.raises(BlindspotsError, match=says):
            blink_spec_from(settings)
