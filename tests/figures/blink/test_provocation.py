"""The blink under attack, drawn from a made-up result."""

import numpy as np
import pytest
import xarray as xr

from figures.blink import provocation
from figures.style import BLUE, GREY

EPSILONS, LAGS = [0.04, 0.1], [1, 2, 8]
AXES = {"network": ["fc-blt", "open"], "individual": [0, 1], "condition": ["noise", "attacked"],
        "lag": LAGS}  # fmt: skip


@pytest.fixture
def found():
    rng = np.random.default_rng(0)

    def made(**dims):
        return xr.DataArray(rng.random([len(each) for each in dims.values()]), dims)

    frames = {"frame": ["target", "distractor"], "norm": ["linf", "l2"]}
    rest = {name: values for name, values in AXES.items() if name != "individual"}
    budget = made(**frames, **rest) / 20
    budget[{"frame": 0, "norm": 0, "network": 0, "condition": 1, "lag": 0}] = np.inf
    span = xr.concat([0.8 * budget, 1.2 * budget], "bound").assign_coords(bound=["low", "high"])
    judged = made(frame=["target", "distractor", "universal"], judge=["itself", "open"], **AXES)
    return xr.Dataset(
        {
            "success": made(**frames, epsilon=EPSILONS, **AXES),
            "missed": made(**frames, epsilon=EPSILONS, **AXES) / 2,
            "half_budget_of_mean": budget,
            "half_budget_interval": span,
            "judged": judged,
        },
        {"control": ("network", ["", "no gate"])},
        {"data": "MNIST", "reference_target": 0.04, "reference_distractor": 0.1,
         "reference_universal": 0.4},
    )  # fmt: skip


def solid(panel, colour):
    """Values of the drawn lines of a colour with markers."""
    return [
        line.get_ydata(orig=False)
        for line in panel.lines
        if line.get_color() == colour and line.get_marker() not in ("", "None")
    ]


def test_panels_draw_means_at_the_reference_and_budgets_up_to_the_largest(found):
    own, budget, induced, universal = provocation(found).get_axes()[:4]
    for panel, frame, epsilon in ((own, "target", 0.04), (induced, "distractor", 0.1)):
        at = {"frame": frame, "norm": "linf", "condition": "attacked", "epsilon": epsilon}
        for name, colour in (("fc-blt", BLUE), ("open", GREY)):
            wanted = found["success"].sel({**at, "network": name})
            np.testing.assert_allclose(solid(panel, colour)[0], wanted.mean("individual"))
        assert f"ε = {epsilon:g}" in panel.get_title()
    drawn = solid(budget, BLUE)
    missed = found["missed"].sel(
        frame="distractor", norm="linf", condition="attacked", epsilon=0.1, network="fc-blt"
    )
    np.testing.assert_allclose(solid(induced, BLUE)[1], missed.mean("individual"))
    assert drawn[0][0] == EPSILONS[-1]  # beyond the largest tried
    here = found["half_budget_of_mean"].sel(
        frame="target", norm="l2", network="fc-blt", condition="attacked"
    )
    np.testing.assert_allclose(drawn[1], here)
    wanted = found["judged"].sel(
        frame="universal", network="fc-blt", judge="open", condition="attacked"
    )
    np.testing.assert_allclose(solid(universal, GREY)[0], wanted.mean("individual"))


def test_without_other_judges_there_is_no_universal_panel(found):
    panels = provocation(found.drop_vars("judged")).get_axes()
    assert not panels[3].get_visible()
