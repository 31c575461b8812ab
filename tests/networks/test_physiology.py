"""Parameters of cells: what is refused and how it is said, and the ablation axis."""

import pytest

from networks import INGREDIENTS, BlindspotsError, Physiology, ablations, physiology_from


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dt_ms": 5.0}, "dt_ms: 5 ms is longer than a step of 2 ms, the shortest delay"),
        ({"dt_ms": 0.3}, "no whole number of 0.3 ms"),
        ({"dt_ms": 0.0}, "dt_ms"),
        ({"dt_ms": float("nan")}, "dt_ms"),
        ({"step_ms": float("inf")}, "step_ms"),
        ({"ingredients": ["currents", "conductances"]}, "not both"),
        ({"ingredients": ["noise", "noise"]}, "given twice"),
        ({"ingredients": ["salt"]}, "ingredients"),
        ({"threshold_mv": -80.0}, "threshold_mv: -80 mV must lie above rest_mv (-70)"),
        ({"reset_mv": -40.0}, "reset_mv (-40)"),
        ({"reversal_inhibitory_mv": -55.0}, "either side of -60 mV"),
        ({"capacitance_pf": -1.0}, "capacitance_pf"),
        ({"jitter": 2.0}, "jitter"),
        ({"tau_spred": 0.1}, "did you mean 'tau_spread'"),
    ],
)
def test_what_cannot_be_is_one_sentence(settings, says):
    with pytest.raises(BlindspotsError) as caught:
        physiology_from(settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ablations_hold_each_ingredient_alone_and_all_together():
    given = Physiology(noise_mv=1.0)
    found = ablations(given)
    assert list(found) == ["bare", *INGREDIENTS, "together"]
    assert found["bare"].ingredients == ()
    assert found["together"] == given
    for name in INGREDIENTS:
        assert found[name].ingredients == (name,)
        assert found[name].noise_mv == 1.0


def test_only_validates():
    with pytest.raises(ValueError, match="not both"):
        Physiology().only("currents", "conductances")
