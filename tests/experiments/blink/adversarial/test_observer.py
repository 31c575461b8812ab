"""One frame of a stream as a model, and what of the stream an attack needs not watch."""

from functools import reduce

import numpy as np
import pytest
import torch

from experiments.blink.adversarial.observer import AttackedFrame
from networks import BlindspotsError
from networks.viewing import CUE
from sim.attention import Stream, evidence, goal_of, pools_of, see


def test_only_the_attacked_place_changes(streams_of, moved):
    frames, trials, place = streams_of("distractor")
    model = AttackedFrame(moved(), frames, trials, place, draws=1, seed=0)
    changed = model.with_frame(torch.zeros(len(trials), 1, 28, 28))
    same = (changed == frames).flatten(2).all(2).numpy()
    np.testing.assert_array_equal(~same, np.arange(frames.shape[1]) == place[:, None])
    torch.testing.assert_close(model.with_frame(model.clean()), frames)
    with pytest.raises(BlindspotsError, match="attack all at once"):
        model.with_frame(torch.zeros(1, 1, 28, 28))


def whole_stream(model, points):
    """The margin up to the model's end, and what the frame is taken for, from a whole stream."""
    observer, trials, draws = model.observer, model.trials, model.draws
    heard, memory = [], []
    generator = torch.Generator().manual_seed(model.seed)

    def keep(t, potential, state):
        heard.append(evidence(potential)[0].log())
        if t < model.end:
            memory.append(state.memory - observer.attention.threshold)

    see(
        observer.network,
        Stream(model.with_frame(points).repeat(draws, 1, 1, 1, 1), trials.task.steps_per_item),
        observer.attention,
        goal_of(trials.task.targets, trials.task.instruction),
        generator,
        dt_ms=trials.task.dt_ms,
        moment=keep,
        pools=pools_of(observer.attention, trials.task.dt_ms, generator, spiking=observer.spiking),
    )
    peak = reduce(torch.maximum, memory)  # ties of spiking pools share the slope as there
    digit = torch.from_numpy(trials.label[np.arange(len(trials)), trials.t2])
    margin, taken = [], []
    steps, late = trials.task.steps_per_item, observer.network.wiring.first_answer
    for d in range(draws):
        for i in range(len(trials)):
            row, start = d * len(trials) + i, int(model.place[i]) * steps + late
            margin.append(peak[row, digit[i]])
            shown = torch.stack([each[row] for each in heard[start : start + steps]])
            others = [k for k in range(10) if k != digit[i]]
            own = model.place[i] == trials.t2[i]
            log = shown[:, digit[i]] if own else -shown[:, others].exp().sum(1).log()
            taken.append(log.mean())
    return tuple(torch.stack(each).reshape(draws, -1).mean(0) for each in (margin, taken))


@pytest.mark.parametrize(
    ("where", "wiring", "spiking"),
    [("target", "fc-b", False), ("distractor", "fc-b-spiking", True)],
)
def test_what_is_not_watched_changes_neither_margins_nor_gradients(
    streams_of, moved, where, wiring, spiking
):
    frames, trials, place = streams_of(where)
    model = AttackedFrame(moved(wiring, spiking=spiking), frames, trials, place, draws=2, seed=0)
    points = (model.clean() + 0.05).clamp(0, 1)
    values, slopes = [], []
    for watched in (model.watched, lambda points: whole_stream(model, points)):
        here = points.detach().clone().requires_grad_()
        margin, taken = watched(here)
        values += [(margin.detach(), taken.detach())]
        slopes += [torch.autograd.grad((margin + taken).sum(), here)[0]]
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-5)
    assert (slopes[0].flatten(1).abs().amax(1) > 0).all()
    assert model.end < trials.task.items * trials.task.steps_per_item
    assert CUE == 12  # classes of evidence, which `whole_stream` counts on


def test_a_logit_is_the_margin_and_its_slope_that_of_the_aim(streams_of, moved):
    frames, trials, place = streams_of("target")
    model = AttackedFrame(moved(), frames, trials, place, draws=1, seed=0)
    points = model.clean().requires_grad_()
    logits = model(points)
    margin, taken = model.watched(points)
    torch.testing.assert_close(logits, torch.stack([margin, torch.zeros_like(margin)], 1))
    (slope,) = torch.autograd.grad(logits[:, 0].sum(), points)
    torch.testing.assert_close(slope, torch.autograd.grad((margin + taken).sum(), points)[0])
