import numpy as np
import pytest
import xarray as xr

from figures.blink import beside, inside, lag_curves, population
from figures.style import RIGHT, WRONG

PEOPLE = {"mean": 0.37, "sd": 0.15, "non_blinkers": 0.07, "below": 0.1, "count": 118}


def drawn(panel, colour):
    """Lines of a colour that are longer than an axis line."""
    return [
        line for line in panel.lines if line.get_color() == colour and len(line.get_xdata()) > 2
    ]


def test_the_inside_draws_the_traces_of_the_lag_and_network_asked_for(result):
    figure = inside(result, "spiking", lag=3)
    by_title = {panel.get_title(): panel for panel in figure.get_axes()}
    for title, name in (
        ("gate", "gate"), ("refractoriness", "refractory"), ("type node of T2", "t2_type"),
        ("input of memory: T1", "t1_memory"),
    ):  # fmt: skip
        for colour, outcome in ((RIGHT, "seen"), (WRONG, "missed")):
            (line,) = drawn(by_title[title], colour)
            wanted = result[name].sel(network="spiking", lag=3, outcome=outcome)
            np.testing.assert_allclose(line.get_ydata(orig=False), wanted)
    senses = by_title["T2 right in the senses (share)"]
    wanted = result["t2_sensed_missed"].sel(network="spiking").mean("individual")
    np.testing.assert_allclose(drawn(senses, WRONG)[0].get_ydata(orig=False), wanted)
    legend = figure.get_axes()[-1]
    labels = [text.get_text() for text in legend.get_legend().get_texts()]
    assert "T2 missed (11 trials)" in labels
    assert "bimodality 0.40" in legend.texts[0].get_text()


def test_a_histogram_counts_individuals_and_says_who_does_not_blink(result):
    values = np.array([[0.02, 0.31, 0.32, 0.33, np.nan], [0.2, 0.3, 0.4, 0.5, 0.6]])
    magnitude = xr.DataArray(
        values, dims=("network", "individual"), coords={"network": ["rate", "spiking"]}
    )
    first, second = population(result, magnitude, PEOPLE).get_axes()
    assert "4 individuals" in first.get_title()
    assert "5 individuals" in second.get_title()
    heights = {round(bar.get_x(), 2): bar.get_height() for bar in first.patches}
    assert heights[0.0] == 1
    assert heights[0.3] == 3
    assert sum(heights.values()) == 4
    for panel in (first, second):  # whose bars are not equally high
        assert all(text.xy[1] < 0.95 * panel.get_ylim()[1] for text in panel.texts)
    said = [text.get_text() for text in first.texts]
    assert "people: 0.37 ± 0.15 (SD), 7% without a blink" in said
    assert f"networks: 0.24 ± {np.std(values[0, :4], ddof=1):.2f} (SD), 25% without a blink" in said


def curves():
    lag = np.arange(1.0, 8)
    people = np.linspace(0.3, 0.9, 7)
    accuracy = np.stack([people + 0.1, people, np.full(7, 0.6)])
    return xr.Dataset(
        {
            "accuracy": (("curve", "lag"), accuracy),
            "rmse": ("curve", [0.1, 0.04, 0.2]),
            "rmse_low": ("curve", [0.07, np.nan, np.nan]),
            "rmse_high": ("curve", [0.15, np.nan, np.nan]),
            "r": ("curve", [1.0, 0.5, np.nan]),
            "people": ("lag", people),
            "people_sem": ("lag", np.full(7, 0.03)),
        },
        {
            "curve": ["fc-blt", "lc-ne", "flat line"],
            "kind": ("curve", ["rate", "published", "fitted"]),
            "lag": lag,
            "lag_ms": ("lag", 100 * lag),
        },
        {"sample": "Berkeley", "participants": 12, "individuals": 4, "ceiling": [0.02, 0.03]},
    )


def test_models_stand_beside_people_with_their_distance(result):
    left, right = beside(result, curves()).get_axes()
    lines = [line.get_ydata(orig=False) for line in left.lines]
    for wanted in (*curves()["accuracy"].to_numpy(), curves()["people"].to_numpy()):
        assert any(np.array_equal(line, wanted) for line in lines)
    band = left.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(0.27)
    assert band.max() == pytest.approx(0.93)
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names == ["flat line", "lc-ne", "fc-blt"]
    assert [text.get_text() for text in right.texts] == ["r –", "r = 0.50", "r = 1.00"]
    assert [c.lines[0].get_xdata(orig=False)[0] for c in right.containers] == [0.2, 0.04, 0.1]


def test_lag_curves_name_controls_and_keep_the_legend_off_the_panels(result):
    rng = np.random.default_rng(1)
    dims = ("network", "individual", "condition", "lag")
    found = result.assign({name: (dims, rng.random((2, 3, 1, 8))) for name in ("last", "t1", "t2")})
    found = found.assign_coords(
        control=("network", ["", "no gate"]), units=("network", ["rate", "rate"])
    )
    ms = 100.0 * np.arange(1, 8)
    figure = lag_curves(found, {"Berkeley": (ms, np.full(7, 0.5), 12)}, error=np.full(7, 0.05))
    (panel,) = figure.get_axes()
    assert panel.get_legend() is None
    labels = [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()]
    assert labels == ["people (Berkeley, N = 12; band: SEM)", "T2|T1", "T1", "control: no gate"]
    band = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(0.45)
    assert band.max() == pytest.approx(0.55)
