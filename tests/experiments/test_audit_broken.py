"""Known-broken controls are caught by the check that must catch them; the sound one is not void."""

import pytest

from experiments.audit.broken import CONTROLS, Told, told_apart
from experiments.audit.checks import CHECKS
from experiments.data.dataset import Dataset, load_data


@pytest.fixture(scope="module")
def controls_told(digits: Dataset) -> dict[str, Told]:
    """What the audit makes of its controls, on the bundled digits."""
    return {each.control: each for each in told_apart(digits)}


@pytest.mark.parametrize("name", [control.name for control in CONTROLS])
def test_each_control_is_told_rightly(name: str, controls_told: dict[str, Told]) -> None:
    assert controls_told[name].caught, controls_told[name].sentence


def test_every_control_names_a_check() -> None:
    assert {c.check for c in CONTROLS if c.check} <= set(CHECKS)
    assert [c.name for c in CONTROLS if c.check is None] == ["sound network"]


def test_the_sound_network_passes_the_checks_that_catch_the_others(digits: Dataset) -> None:
    sound = CONTROLS[-1].subject(digits)
    caught_by = {c.check for c in CONTROLS if c.check} - {"surrogates", "random draws"}
    assert {name: CHECKS[name](sound).outcome for name in sorted(caught_by)} == dict.fromkeys(
        sorted(caught_by), "pass"
    )


@pytest.mark.slow
def test_controls_on_mnist() -> None:
    data = load_data()
    if data.name != "MNIST":
        pytest.skip("MNIST is not here; set BLINDSPOTS_DATA.")
    assert [t.control for t in told_apart(data) if not t.caught] == []
