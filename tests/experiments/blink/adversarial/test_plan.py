"""Who is attacked, and who judges what was crafted on whom."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.blink.adversarial.cast import Cast
from experiments.blink.adversarial.judge import hits
from experiments.blink.adversarial.plan import Effort, attack_plan, norms_named
from experiments.blink.plan import blink_plan
from experiments.blink.spec import blink_preset, blink_spec_from
from experiments.cli import app
from networks import BlindspotsError


@pytest.fixture(scope="module")
def cast():
    """The full preset, with 40 individuals of each kind and two sensory networks."""
    settings = {**blink_preset("full"), "sensory": 2}
    del settings["observers"]["fc-blt"]["individuals"]
    spec = blink_spec_from(settings)
    return Cast(spec, blink_plan(spec, SimpleNamespace()).titrated)


def test_judges_have_the_same_senses_others_or_the_other_reading(cast):
    found = cast.judges("fc-blt", 3)
    who = {name: (each.kind, each.number) for name, each in found.items()}
    assert who == {
        "another, same senses": ("fc-blt", 5),
        "another, other senses": ("fc-blt", 4),
        "the other reading": ("fc-blt-spiking", 3),
        "fc-blt-uninhibited": ("fc-blt-uninhibited", 3),
        "fc-blt-open": ("fc-blt-open", 3),
    }
    own = cast.individual("fc-blt", 3)
    assert found["another, same senses"].titrated is own.titrated
    assert found["another, other senses"].titrated is not own.titrated
    assert found["fc-blt-uninhibited"].attention.refractoriness == 0
    last = cast.judges("fc-blt-spiking", 39)
    assert last["another, same senses"].number == 1
    assert last["another, other senses"].number == 0
    assert last["the other reading"].kind == "fc-blt"


def test_controls_are_attacked_themselves_and_judge_no_others(cast):
    effort = Effort(norms=("linf", "l2"), individuals=2, controls=1, lone=3)
    plan = attack_plan(cast, ["fc-blt", "fc-blt-open"], effort)
    places = sorted(key for key in plan.own if key[2] == "fc-blt-open")
    frames = ("distractor", "target")
    assert places == [(where, "linf", "fc-blt-open", i) for where in frames for i in (0,)]
    assert {(norm, i) for where, norm, kind, i in plan.own if (where, kind) == ("target", "fc-blt")
            } == {("linf", 0), ("linf", 1), ("l2", 0), ("l2", 1)}  # fmt: skip
    assert {i for where, _, _, i in plan.own if where == "alone"} == {0, 1, 2}
    assert {kind for _, kind, _, _ in plan.others} == {"fc-blt"}
    for (frame, kind, i, judge), unit in plan.others.items():
        assert (unit.crafted.who.kind, unit.crafted.who.number) == (kind, i)
        assert effort.reference(frame) in unit.epsilons
        assert (unit.who == unit.crafted.who) == (judge == "itself")
    assert all(unit.crafted.attack == "square-linf" for unit in plan.queried.values())
    assert not attack_plan(cast, ["fc-blt"], Effort(queries=0)).queried


def test_fewer_spiking_individuals_are_attacked_before_a_lone_target(cast):
    plan = attack_plan(cast, ["fc-blt", "fc-blt-spiking"], Effort(individuals=2, lone=3))
    alone = [(kind, i) for where, _, kind, i in plan.own if where == "alone"]
    rate, spiking = [("fc-blt", i) for i in range(3)], [("fc-blt-spiking", i) for i in range(2)]
    assert alone == rate + spiking


def test_by_default_the_runs_own_gate_and_its_controls_are_attacked(cast):
    changed = dict(cast.spec.observers)
    changed["tired"] = changed["fc-blt"].model_copy(update={"attention": {"gate": "fatigue"}})
    tired = replace(
        cast,
        spec=cast.spec.model_copy(update={"observers": changed}),
        titrated={**cast.titrated, ("tired", 0): cast.titrated["fc-blt", 0]},
    )
    others = ("-fatigue", "-coincidence", "-end-to-end")
    own = {kind for kind in cast.spec.observers if not kind.endswith(others)}
    assert set(tired.usual()) == own
    mute = replace(cast, titrated={**cast.titrated, ("fc-b-open", 0): SimpleNamespace(taught=None)})
    assert "fc-b-open" not in mute.usual()
    mute.check(["fc-blt"])
    with pytest.raises(BlindspotsError, match="'fc-b-open' has no attention behind its network"):
        mute.check(["fc-b-open"])


def test_nobody_is_another_and_senses_are_what_they_are_called(cast):
    """Of three individuals the first and the last share one of two sensory networks."""
    few = replace(cast, spec=cast.spec.model_copy(update={"individuals": 3}))
    found = [few.judges("fc-blt", number) for number in range(3)]
    same = [judges.get("another, same senses") for judges in found]
    assert [each and each.number for each in same] == [2, None, 0]
    assert [judges["another, other senses"].number for judges in found] == [1, 2, 1]


def test_norms_are_named():
    assert norms_named(["l2", "linf"]) == ("linf", "l2")
    with pytest.raises(BlindspotsError, match="There is no norm 'l3'"):
        norms_named(["l3"])


def test_hits_are_counted_by_target(scene, digits):
    trials = scene("target").trials(digits.test.labels.numpy())
    first, second = (trials.at(trials.label, place) for place in (trials.t1, trials.t2))
    other = next(d for d in range(10) if d not in (first[0], second[0]))
    said = np.full((len(trials), 2), -1)
    said[0] = second[0], other
    said[1] = first[1], second[1]
    found = hits(said, trials)
    assert [found[name][:3].tolist() for name in ("t1", "t2", "others")] == [
        [0, 1, 0], [1, 1, 0], [1, 0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": ()}, "No budget was given"),
        ({"lags": (0, 2)}, "A lag of 0 items cannot be shown; give lags from 1 to 17"),
        ({"lags": (3, 18)}, "A lag of 18 items"),
        ({"distractor": (0.0, 0.1)}, "A budget of 0 is none"),
        ({"universal": -0.1}, "A budget of -0.1"),
    ],
)
def test_what_changes_nothing_or_has_no_room_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        Effort(**changes).check()


def test_the_longest_lag_has_room_and_a_longer_one_has_not(scene, digits):
    labels = digits.test.labels.numpy()
    assert set(scene("target", lags=(17,)).trials(labels).lag) == {17}
    with pytest.raises(BlindspotsError):
        scene("target", lags=(18,)).trials(labels)


def test_the_command_asks_for_the_usual_effort(monkeypatch):
    """Its defaults stand in its help, and are those of :class:`Effort`."""
    asked = []
    monkeypatch.setattr(
        "experiments.blink.adversarial.command.attack_blink",
        lambda run, observers, effort, **others: asked.append(effort),
    )
    assert CliRunner().invoke(app, ["blink", "attack", "runs/blink"]).exit_code == 0
    assert asked == [Effort()]
