"""The search for parameters: its loss on outcomes that are known, and its pieces."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.blink.evolve import evolve
from experiments.blink.fit import fitted_by, rounded, with_values
from experiments.blink.humans import sample
from experiments.blink.objective import BOUNDS, Outcome, loss, terms
from experiments.blink.once import Once, curve, share, told
from experiments.blink.spec import BlinkSpec, blink_preset, blink_spec_from
from experiments.blink.streams import Ints, Kind, streams
from experiments.blink.task import Task, conditions
from networks import BlindspotsError
from networks.attention import Attention
from networks.viewing import CUE, DISTRACTOR, EMPTY

PEOPLE = np.append(sample().accuracy, sample().accuracy[-1])


def outcome(**changes: object) -> Outcome:
    """Of an observer that lacks nothing, but for ``changes``."""
    facts: dict[str, object] = {
        "ms": np.arange(1, 9) * 100.0, "last": PEOPLE, "t1": 0.9, "single": 0.88,
        "ttt": 0.7, "tdt": 0.4, "gate": 0.2,
    }  # fmt: skip
    return Outcome(**{**facts, **changes})  # type: ignore[arg-type]


def test_who_is_as_people_are_loses_nothing() -> None:
    assert loss([outcome(), outcome()], 0.88) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "term", "lost"),
    [
        ({"last": PEOPLE + ([0.1] * 7 + [0.0])}, "curve", 0.01),
        ({"last": PEOPLE + ([0.7] + [0.0] * 7)}, "curve", 0.07),
        ({"last": PEOPLE + ([0.0] * 7 + [-0.2])}, "late", 0.3 * 0.04),
        ({"t1": 0.75}, "t1", 2 * 0.01),
        ({"single": 0.98}, "single", 2 * 0.01),
        ({"ttt": 0.45, "tdt": 0.2}, "triplets", 0.3 * 0.01),
        ({"ttt": 0.6, "tdt": 0.52}, "triplets", 0.5 * 0.01),
        ({"gate": 0.8}, "gate", 0.25),
    ],
)
def test_each_part_of_the_loss(changes: dict[str, object], term: str, lost: float) -> None:
    found = terms(outcome(**changes), 0.88)
    assert found.pop(term) == pytest.approx(lost)
    assert sum(found.values()) == pytest.approx(0, abs=1e-12)
    assert loss([outcome(), outcome(**changes)], 0.88) == pytest.approx(lost / 2)


@pytest.fixture(scope="module")
def once(labels: Ints) -> Once:
    """Dual trials and triplets whose items are all told without doubt."""
    base, generator = Task(items=15, first=(3,), lags=(1, 2, 7)), np.random.default_rng(0)
    parts = tuple(
        (name, streams(conditions(base)[name], 4, labels, generator)) for name in ("dual", "TTT")
    )
    kind, label = (
        np.concatenate([getattr(trials, name) for _, trials in parts]) for name in ("kind", "label")
    )
    said = np.where(kind == Kind.DIGIT, label, np.where(kind == Kind.BLANK, EMPTY, DISTRACTOR))
    by_item = 50.0 * torch.nn.functional.one_hot(torch.from_numpy(said.T), CUE + 1).float()
    return Once(parts, by_item.repeat_interleave(base.steps_per_item, 0))


USUAL = Attention(noise=0, encoding_spread=0, order_ms=0, rivalry=0, leak=0)


def test_answers_of_one_who_sees_all_or_nothing(once: Once) -> None:
    sees = USUAL.model_copy(update={"threshold": 0.3})
    blind = USUAL.model_copy(update={"threshold": 50.0})
    for who, seen in ((sees, 1.0), (blind, 0.0)):
        answers, _ = told(once, [who], dt_ms=10.0, seed=0)
        assert curve(answers).tolist() == [seen] * 3
        assert share(answers, "dual", 0) == share(answers, "TTT", 2, given=0) == seen
    both, _ = told(once, [sees, blind], dt_ms=10.0, seed=0)
    assert share(both, "dual", 0) == 0.5


def test_the_gate_is_averaged_before_the_first_target(once: Once) -> None:
    """A gate without memory that hears nothing stands at the sigmoid of its bias; targets open it.

    Its input is late by 30 ms, so that no target has been heard before the target comes.
    """
    deaf = USUAL.model_copy(update={"gate_ms": 10.0, "gate_self": 0.0, "gate_bias": -1.0})
    for gain in (0.0, 50.0):
        heard = deaf.model_copy(update={"gate_input": gain})
        _, gate = told(once, [heard], dt_ms=10.0, seed=0)
        assert gate == pytest.approx(1 / (1 + np.e), rel=1e-5)


PLANE = {"x": (-4.0, 4.0), "y": (0.0, 8.0)}


def test_a_search_in_pieces_is_the_search_in_one_piece(tmp_path: Path) -> None:
    tried: list[int] = []

    def far(at: np.ndarray) -> float:
        tried.append(1)
        return float((at[0] - 1) ** 2 + (at[1] - 2) ** 2)

    def go(generations: int, kept: Path) -> object:
        return evolve(
            far, PLANE, np.array([-3.0, 7.0]),
            generations=generations, seed=3, kept=kept, members=8,
        )  # fmt: skip

    whole = go(30, tmp_path / "whole.json")
    assert len(tried) == 8 * 31  # who stays is not tried again
    for generations in (0, 1, 17, 30):
        pieces = go(generations, tmp_path / "pieces.json")
    assert (tmp_path / "whole.json").read_text() == (tmp_path / "pieces.json").read_text()
    np.testing.assert_array_equal(whole.population, pieces.population)  # type: ignore[attr-defined]
    np.testing.assert_allclose(whole.population[0], [1, 2], atol=0.05)  # type: ignore[attr-defined]
    assert np.diff(whole.history).max() <= 0  # type: ignore[attr-defined]


def test_a_search_for_other_parameters_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "generation.json"
    for text, says in ((json.dumps({"parameters": ["z"]}), "a search for z"), ("{", "cannot be")):
        kept.write_text(text)
        with pytest.raises(BlindspotsError, match=says):
            evolve(lambda at: 0.0, PLANE, np.zeros(2), generations=1, seed=0, kept=kept)


def test_what_is_fitted_lies_within_its_bounds_and_keeps_three_digits() -> None:
    start = blink_spec_from(blink_preset("fit")).attention
    for attention in (start, Attention()):
        for name, (low, high) in BOUNDS.items():
            assert low <= getattr(attention, name) <= high, name
    values = np.array([low + 0.123456 * (high - low) for low, high in BOUNDS.values()])
    found = rounded(with_values(start, values))
    assert found.mask_ms == 28.6
    assert found.rise_ms == start.rise_ms


def settings(**changes: object) -> BlinkSpec:
    return blink_spec_from({**blink_preset("fit"), **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"observers": {"a": {"network": "fc-b", "control": "no"}}}, "All observers are controls"),
        ({"attention": {"contrast_gain": 0.1}}, r"attention\.contrast_gain: .* set it to 0"),
        ({"attention": {"gate": "open"}}, r"attention\.gate: 'open' has no parameters to fit"),
        (
            {"observers": {"a": {"network": "fc-b", "attention": {"leak": 0.0}}}},
            r"observers\.a\.attention\.leak: .* remove it, or call",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        fitted_by(settings(**changes))
