import pytest

from experiments.blink.task import Task, condition_named, conditions, task_from
from networks.errors import BlindspotsError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"soa_ms": 105}, "105 ms is no whole number of steps of 10 ms; change dt_ms"),
        ({"soa_ms": 5}, "no whole number of steps"),
        ({"lags": (1, 9)}, "lag 9 after position 7 takes 21 items with the 4 that trail, and the"),
        ({"lags": (2, 1)}, "lags: .* must rise"),
        ({"first": (4, 4)}, "first: .* must rise"),
        ({"items": 14}, "items"),
        ({"pattern": "TTT"}, "lags: the last of TTT comes at lag 2"),
        ({"pattern": "TDT", "lags": (2,), "single": True}, "pattern: TDT goes with plain streams"),
        ({"single": True, "t2_absent": True}, "without T2 no target is left"),
        ({"single": True, "blank_after_t1": True}, "a single target has no T1"),
        ({"t2_last": True, "t2_absent": True}, "cannot be last and absent"),
        ({"targets": "cue", "instruction": "second"}, "a first target without a ring is what"),
        ({"instruction": "second"}, "set t2_ringed"),
        ({"t1_contrast": -1}, "t1_contrast"),
        ({"distracter": "fine"}, "no setting of a task 'distracter'; did you mean 'distractor'"),
    ],
)
def test_refusals_say_what_to_do(settings, message):
    with pytest.raises(BlindspotsError, match=message):
        task_from(settings)


def test_a_last_target_needs_no_trailing_items():
    assert Task(lags=tuple(range(1, 13)), t2_last=True).lags[-1] == 12


def test_every_condition_can_be_shown():
    found = conditions()
    assert {"dual", "ignore-t1", "single", "t1+1-blank", "t2-last", "TTT", "TDT"} < set(found)
    assert found["soa-50"].steps_per_item == 5
    assert found["soa-50"].lags[-1] == 10
    assert max(task.items for task in found.values() if task.soa_ms >= 90) <= 20


def test_ignoring_differs_from_its_twin_in_the_instruction_alone():
    twin, ignoring = condition_named("dual-ringed"), condition_named("ignore-t1")
    changed = {k for k, v in dict(twin).items() if v != getattr(ignoring, k)}
    assert changed == {"instruction"}


def test_conditions_change_the_base():
    base = Task(distractor="letters", dt_ms=5)
    assert condition_named("t2-last", base) == base.but(t2_last=True)


def test_an_unknown_condition_is_named():
    with pytest.raises(BlindspotsError, match="no condition 'dua'; did you mean 'dual'"):
        condition_named("dua")
