import numpy as np
import pytest

from experiments.blink.baselines import BASELINES, answers, items_of
from experiments.blink.curves import curves
from experiments.blink.streams import Kind, streams
from experiments.blink.table import Observer, trial_table
from experiments.blink.task import condition_named
from sim.attention.items import ordered


class Everything:
    """Reports every target at its onset."""

    def answers(self, items, generator):
        when = np.full((len(items.target), items.targets), np.inf)
        rows, places = np.nonzero(items.target >= 0)
        when[rows, items.target[rows, places]] = places * items.soa_ms
        return ordered(when)


@pytest.mark.parametrize(
    "name", ["dual", "ignore-t1", "single", "t2-last", "TTT", "TDT", "detect-absent", "cued"]
)
def test_an_observer_that_misses_nothing_scores_full_marks(name, labels):
    shown = streams(condition_named(name), 2, labels, np.random.default_rng(0))
    reports = answers(Everything(), shown, np.random.default_rng(0))
    table = trial_table(shown, reports, Observer("all", 0, 0, "ideal", "none"), name)
    for target in ("t1", "t2", "t3"):
        assert table[f"{target}_correct"].dropna().all()
        assert table[f"{target}_correct_anyorder"].dropna().all()
    assert not table["false_alarm"].any()
    assert not table["order_reversed"].dropna().any()
    entered = table["t2_ignite_ms"].dropna()
    assert (entered == (table["t2_pos"] * shown.task.soa_ms)[entered.index]).all()


def test_an_ignored_target_is_a_distractor(labels):
    shown = streams(condition_named("ignore-t1"), 3, labels, np.random.default_rng(0))
    items = items_of(shown)
    rows = np.arange(len(shown))
    assert (items.target[rows, shown.t1] == -1).all()
    assert (items.target[rows, shown.t2] == 0).all()
    blank = streams(condition_named("t2-last"), 3, labels, np.random.default_rng(0))
    assert (items_of(blank).blank == (blank.kind == Kind.BLANK)).all()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_published_models_blink_on_the_streams(name, labels):
    shown = streams(
        condition_named("dual").but(lags=(1, 2, 7)), 150, labels, np.random.default_rng(0)
    )
    reports = answers(BASELINES[name], shown, np.random.default_rng(1))
    found = curves(trial_table(shown, reports, Observer(name, 0, 0, name, "rate"), "dual"))
    one, two, late = found["last"].to_numpy().ravel()
    assert min(one, late) > two + 0.2
