"""What crafting leaves: frames within their budgets, one perturbation for all trials, noise."""

from types import SimpleNamespace

import pytest
import torch

from experiments.attacks.threat import rms
from experiments.blink.adversarial.craft import Provoke, frames_of, staged
from experiments.blink.adversarial.judge import Judge
from experiments.blink.adversarial.observer import AttackedFrame
from experiments.blink.adversarial.plan import GENTLE
from experiments.blink.adversarial.universal import Induce
from experiments.blink.pictures import Noise

EPSILONS = (0.05, 0.1)


@pytest.fixture
def who(moved, digits, tmp_path, monkeypatch):
    """An individual that needs no units before."""
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path))
    bench = SimpleNamespace(load=lambda: digits)
    observer = moved()
    return SimpleNamespace(
        titrated=SimpleNamespace(sensory=SimpleNamespace(bench=bench)),
        facts={}, label="somebody", observer=lambda: observer, noise=lambda: Noise(sd=0.1),
    )  # fmt: skip


def model_of(unit, split):
    trials, frames = staged(unit.scene, unit.who, split)
    return AttackedFrame(unit.who.observer(), frames, trials, unit.scene.place(trials), 1, 0)


@pytest.mark.filterwarnings("ignore::experiments.attacks.victim.MaskedGradientWarning")
@pytest.mark.parametrize(("attack", "size"), [
    ("pgd-linf", lambda change: change.flatten(1).abs().amax(1)), ("pgd-l2", rms),
])  # fmt: skip
def test_frames_and_noise_keep_their_budgets_and_t2_suffers(who, scene, digits, attack, size):
    unit = Provoke(who, scene("target"), attack, EPSILONS, (("steps", 3), *GENTLE.items()), draws=1)
    unit.run(lambda done, score: None)
    left, model = frames_of(unit), model_of(unit, digits.test)
    budgets = torch.tensor(EPSILONS)[:, None]
    sizes = {
        name: torch.stack([size(each - model.clean()) for each in left[name]])
        for name in ("attacked", "noise")
    }
    assert (sizes["attacked"] <= budgets + 1e-6).all()
    torch.testing.assert_close(sizes["noise"], budgets.expand(-1, 6), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        margins = [
            float(model.watched(each)[0].mean()) for each in (model.clean(), *left["attacked"])
        ]
    assert margins[0] >= margins[1]
    assert margins[0] > margins[2]


def test_a_universal_distractor_is_the_same_for_all_and_made_for_other_streams(who, scene, digits):
    unit = Induce(who, scene("distractor"), 3, "linf", (0.2,), steps=3, batch=4)
    unit.run(lambda done, score: None)
    left, model = frames_of(unit), model_of(unit, digits.test)
    perturbation, clean = left["perturbation"][0], model.clean()
    assert float(perturbation.abs().max()) <= 0.2 + 1e-6
    torch.testing.assert_close(left["attacked"][0], (clean + perturbation).clamp(0, 1))
    shift = left["noise"][0] - clean
    pattern = 0.2 * shift.gather(0, shift.abs().argmax(0, keepdim=True)).sign()  # of some trial
    torch.testing.assert_close(left["noise"][0], (clean + pattern).clamp(0, 1))
    minibatch = unit.minibatch(who.observer(), 0)
    assert set(minibatch.trials.lag) == {3}
    assert (minibatch.trials.image[:, 10] < len(digits.validation.labels)).all()
    labels = digits.validation.labels.numpy()
    assert (labels[minibatch.trials.image[:, 10]] == minibatch.trials.label[:, 10]).all()
    assert not torch.equal(unit.minibatch(who.observer(), 1).frames, minibatch.frames)


def test_judges_see_the_same_pixels_with_their_own_eyes(who, scene, digits, moved):
    crafted = Provoke(who, scene("distractor"), "pgd-linf", EPSILONS, (("steps", 1),), draws=1)
    crafted.run(lambda done, score: None)
    blind = moved()
    with torch.no_grad():
        for value in blind.network.values.values():
            value.zero_()
    other = SimpleNamespace(**{**vars(who), "observer": lambda: blind, "facts": {"other": 1}})
    other.noise = lambda: pytest.fail("frames are those of whom they were crafted on")
    judged = [Judge(crafted, each, EPSILONS[:1], draws=2) for each in (who, other)]
    for each in judged:
        each.run(lambda done, score: None)
    assert judged[0].key != judged[1].key
    own, others = (each.load() for each in judged)
    assert own["epsilon"].to_numpy().tolist() == [0.05]
    assert own.sizes["draw"] == 2
    assert own.attrs["lone"]
    assert int(own["t2"].sum()) > 0
    assert not own["t1"].any()
    assert not others["t2"].sel(condition="clean").equals(own["t2"].sel(condition="clean"))
