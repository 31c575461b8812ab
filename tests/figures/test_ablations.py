"""The figure of a detailed run: every variant, condition and area at its value."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from statsmodels.stats.proportion import proportion_confint

from figures.ablations import ablations
from figures.save import save
from figures.style import VERMILLION

VARIANTS = ["torch", "bare", "currents", "noise", "together"]
CONDITIONS = ["clean", "uniform", "same inputs", "torch's own"]
IMAGES = 40


def made(
    data: str = "MNIST", areas: int = 2, conditions: list[str] = CONDITIONS, seed: int = 0
) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    names = [f"h{at + 1}" for at in range(areas)]
    shape = (len(VARIANTS), len(conditions))
    share = rng.uniform(0.05, 0.95, (*shape, 1))
    by_area = ("variant", "condition", "area")
    correct = (rng.random((*shape, IMAGES)) < share).astype(np.int8)
    by_condition = ("variant", "condition")
    low, high = proportion_confint(correct.sum(-1), IMAGES, method="wilson")
    return xr.Dataset(
        {
            "correct": ((*by_condition, "image"), correct),
            "accuracy": (by_condition, correct.mean(-1)),
            "accuracy_low": (by_condition, low),
            "accuracy_high": (by_condition, high),
            "rate_correlation": (by_area, rng.uniform(0.5, 0.99, (*shape, areas))),
            "divergence_from_torch": (by_area, rng.uniform(0.1, 1.5, (*shape, areas))),
        },
        {"variant": VARIANTS, "condition": conditions, "area": names},
        {
            **{"data": data, "network": "fc-blt-spiking", "individual": 0},
            **{"attack": "pgd-linf", "epsilon": 0.1},
        },
    )


def panels(figure: Figure) -> list[Axes]:
    return [part for part in figure.findobj(Axes) if part.lines]


def rows(panel: Axes) -> dict[str, float]:
    """Where each variant's row is."""
    return {
        text.get_text(): at
        for text, at in zip(panel.get_yticklabels(), panel.get_yticks(), strict=True)
    }


def marks(panel: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is drawn with a mark per variant: (x, y) each."""
    lines = [line for line in panel.lines if line.get_marker() not in ("None", "", None)]
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in lines]


@pytest.mark.parametrize("extra", [0, 4])
def test_every_condition_has_its_accuracy_and_interval_in_its_variants_row(extra: int) -> None:
    conditions = CONDITIONS + [f"more {at}" for at in range(extra)]
    result = made(conditions=conditions)
    figure = ablations(result)
    figure.draw_without_rendering()
    left = panels(figure)[0]
    places = rows(left)
    assert list(places) == VARIANTS
    drawn, bars = marks(left), [each.get_segments() for each in left.collections]
    assert len(drawn) == len(bars) == len(conditions)
    heights = set()
    for condition, (x, y), bar in zip(conditions, drawn, bars, strict=True):
        for variant, across, up, segment in zip(VARIANTS, x, y, bar, strict=True):
            count = int(result["correct"].sel(variant=variant, condition=condition).sum())
            assert across == pytest.approx(100 * count / IMAGES)
            low, high = proportion_confint(count, IMAGES, method="wilson")
            np.testing.assert_allclose(segment[:, 0], [100 * low, 100 * high])
            np.testing.assert_allclose(segment[:, 1], up)
            assert abs(up - places[variant]) < 0.5
            heights.add(round(float(up), 6))
    assert len(heights) == len(conditions) * len(VARIANTS)  # none covers another


@pytest.mark.parametrize("areas", [1, 3, 6])
def test_every_area_has_its_measures_on_clean_images(areas: int) -> None:
    result = made(areas=areas)
    figure = ablations(result)
    figure.draw_without_rendering()
    left, *others = panels(figure)
    names = ("rate_correlation", "divergence_from_torch")
    for panel, name in zip(others, names, strict=True):
        drawn = marks(panel)
        assert len(drawn) == areas
        for area, (x, y) in zip(result["area"].to_numpy(), drawn, strict=True):
            np.testing.assert_allclose(x, result[name].sel(condition="clean", area=area))
            np.testing.assert_allclose(y, list(rows(left).values()))
            low, high = panel.get_xlim()
            assert low < x.min() <= x.max() < high


@pytest.mark.parametrize("areas", [2, 6])
def test_the_legend_tells_all_apart(areas: int) -> None:
    result = made(areas=areas)
    (legend,) = ablations(result).findobj(Legend)
    said = [text.get_text() for text in legend.get_texts()]
    assert said == [*CONDITIONS, *(f"area {name}" for name in result["area"].to_numpy())]
    looks = {
        (line.get_color(), line.get_marker(), line.get_markerfacecolor(), at < len(CONDITIONS))
        for at, line in enumerate(legend.get_lines())
    }
    assert len(looks) == len(said)


def test_marks_at_the_ends_are_drawn_whole() -> None:
    result = made()
    result["accuracy"][:, 0], result["accuracy"][:, 3] = 1, 0
    left = panels(ablations(result))[0]
    ends = [line for line in left.lines if set(line.get_xdata()) in ({0.0}, {100.0})]
    assert len(ends) == 2
    assert not any(line.get_clip_on() for line in ends)


def test_silent_areas_leave_a_gap() -> None:
    result = made()
    result["rate_correlation"][1, 0, 0] = np.nan
    x, _ = marks(panels(ablations(result))[1])[0]
    assert np.isnan(x).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("data", "loud"), [("MNIST", False), ("scikit-learn digits (8x8 upsampled)", True)]
)
def test_the_title_is_loud_where_it_is_not_mnist(data: str, loud: bool) -> None:
    figure = ablations(made(data))
    (title,) = [t for t in figure.findobj(Text) if "fc-blt-spiking" in t.get_text()]
    assert ("NOT MNIST" in title.get_text()) == loud
    assert same_color(title.get_color(), VERMILLION) == loud
    for word in (data, f"{IMAGES} images", "pgd-linf at ε = 0.1"):
        assert word in title.get_text()


def test_it_fits_the_page_and_is_the_same_twice(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("figures.save.DPI", 50)
    made_twice = [save(ablations(made()), tmp_path / name, "a") for name in "xy"]
    first, second = ([path.read_bytes() for path in paths] for paths in made_twice)
    assert first == second
    other = save(ablations(made(seed=1)), tmp_path / "z", "a")
    assert other[0].read_bytes() != first[0]
    figure = ablations(made("scikit-learn digits (8x8 upsampled)", areas=6))
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    assert title.x0 >= 0
    assert title.x1 <= figure.bbox.width
