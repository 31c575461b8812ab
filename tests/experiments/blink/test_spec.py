"""A blink experiment's specification, and how its individuals differ."""

import tomllib

import numpy as np
import pytest

from experiments.blink.spec import VARYING, BlinkSpec, blink_preset, blink_spec_from
from networks import BlindspotsError
from networks.attention import Attention


def spec(**changes: object) -> BlinkSpec:
    observers = {
        "gated": {"network": "fc-blt"},
        "uninhibited": {"network": "fc-blt", "attention": {"refractoriness": 0.0}},
        "spiking": {"network": "fc-blt-spiking", "conditions": ["dual"]},
    }
    settings = {"observers": observers, "conditions": ["dual", "ignore-t1"]}
    return blink_spec_from({**settings, **changes})


@pytest.mark.parametrize("name", ["quick", "full"])
def test_a_preset_is_honoured_and_comes_back_from_its_text(name: str) -> None:
    made = blink_spec_from(blink_preset(name))
    assert blink_spec_from(tomllib.loads(made.to_toml())) == made


def test_who_is_shown_what_and_spikes() -> None:
    made = spec()
    assert made.shown_to("gated") == ("dual", "ignore-t1")
    assert made.shown_to("spiking") == ("dual",)
    assert [made.is_spiking(who) for who in made.observers] == [False, False, True]


def test_individuals_deviate_alike_in_all_observers_and_a_control_keeps_its_change() -> None:
    made = spec(variation=0.2)
    first, second = (made.attention_of("gated", i) for i in (0, 1))
    assert first != second
    assert made.attention_of("spiking", 0) == first
    assert made.attention_of("uninhibited", 0) == first.model_copy(update={"refractoriness": 0.0})


def test_deviations_are_log_normal_around_the_usual() -> None:
    made, usual = spec(variation=0.2), Attention()
    drawn = [made.attention_of("gated", i) for i in range(300)]
    for name in VARYING:
        logs = np.log([getattr(each, name) / getattr(usual, name) for each in drawn])
        assert abs(logs.mean()) < 4 * 0.2 / np.sqrt(300)
        assert logs.std() == pytest.approx(0.2, rel=0.2)
    assert {each.mask_ms for each in drawn} == {usual.mask_ms}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"conditions": ["single"], "observers": {"a": {"network": "fc-b"}}}, "is shown 'dual'"),
        ({"conditions": ["dual", "duel"]}, "There is no condition 'duel'; did you mean 'dual'"),
        ({"observers": {"a": {"network": "fc-bit"}}}, "observers.a: There is no network 'fc-bit'"),
        (
            {"observers": {"a": {"network": "fc-blt-spiking-poisson"}}},
            "streams are shown as intensities",
        ),
        ({"task": {"dt_ms": 5.0}}, "taught in steps of 10 ms; make them one"),
        (
            {"observers": {"a": {"network": "fc-b", "attention": {"gat": 1}}}},
            "observers.a: 'gat' is not a known setting",
        ),
        ({"individuals": 0}, "individuals"),
        ({"preset": "quick"}, "'preset' is not a known setting"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(changes: dict[str, object], says: str) -> None:
    with pytest.raises(BlindspotsError) as refused:
        spec(**changes)
    assert says in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(BlindspotsError, match="There is no preset 'quack'; did you mean 'quick'"):
        blink_preset("quack")
