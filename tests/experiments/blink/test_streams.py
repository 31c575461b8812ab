import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.blink.streams import LETTERS, Kind, Streams, spaced, streams
from experiments.blink.task import TRAILING, Task, condition_named, conditions
from networks.errors import BlindspotsError

NAMES = sorted(conditions())


def drawn(name, labels, per_lag=10, seed=0, **changes) -> Streams:
    task = condition_named(name).but(**changes)
    return streams(task, per_lag, labels, np.random.default_rng(seed))


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**20))
def test_nothing_is_repeated_within_two_items(name, seed):
    labels = np.arange(100) % 10
    shown = drawn(name, labels, per_lag=3, seed=seed)
    letters = (shown.kind == Kind.DISTRACTOR) & (shown.task.distractor == "letters")
    # the digit that a whole or scrambled image comes from; letters have other codes
    source = np.where(letters, 100 + shown.image, labels[np.maximum(shown.image, 0)])
    blank = shown.kind == Kind.BLANK
    for apart in (1, 2):
        same = source[:, :-apart] == source[:, apart:]
        assert not (same & ~blank[:, :-apart] & ~blank[:, apart:]).any()
    digits = shown.kind == Kind.DIGIT
    assert (shown.label[digits] == labels[shown.image[digits]]).all()
    assert (shown.label[~digits] == -1).all()
    assert (shown.image[blank] == -1).all()


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**20))
def test_targets_stand_where_they_should_and_differ(name, seed):
    shown = drawn(name, np.arange(100) % 10, per_lag=4, seed=seed)
    task = shown.task
    places = shown.places
    there = places >= 0
    if there[:, 0].all() and (there[:, 1] | there[:, 2]).all():
        assert (places.max(1) - shown.t1 == shown.lag).all()
    ids = np.stack([shown.at(shown.label, place) for place in places.T], 1)
    assert (ids[there] >= 0).all()
    for row, present in zip(ids, there, strict=True):
        assert len(set(row[present])) == present.sum()
    assert shown.target.sum() == there.sum() - (task.instruction == "second") * there[:, 0].sum()
    last = places.max(1)
    if task.t2_last:
        assert (shown.kind[np.arange(task.items) > last[:, None]] == Kind.BLANK).all()
    else:
        assert (task.items - 1 - last >= TRAILING).all()


def test_lags_and_positions_are_balanced(labels):
    shown = drawn("dual", labels, per_lag=12)
    assert len(shown) == 8 * 12
    for lag in range(1, 9):
        counts = np.bincount(shown.t1[shown.lag == lag], minlength=8)[3:]
        assert counts.sum() == 12
        assert counts.max() - counts.min() <= 1
    assert (np.diff(shown.lag) != 0).any()
    assert (shown.lag_ms == shown.lag * 100).all()


def test_conditions_share_what_they_do_not_change(labels):
    dual, ringed, ignoring, single, blank, last, absent = (
        drawn(name, labels)
        for name in (
            *("dual", "dual-ringed", "ignore-t1", "single", "t1+1-blank", "t2-last", "t2-absent"),
        )
    )
    for field in ("kind", "image", "label", "cue", "contrast"):
        assert (getattr(ringed, field) == getattr(ignoring, field)).all()
    assert (ringed.target.sum(1) == 2).all()
    assert (ignoring.target.sum(1) == 1).all()
    assert (ignoring.at(ignoring.target, ignoring.t2) == 1).all()
    for other, changed in ((single, 0), (absent, 0), (blank, 1), (last, None)):
        differs = other.image != dual.image
        if changed == 0:
            assert not differs.any()
        else:
            assert (other.kind[differs] == Kind.BLANK).all()
    rows = np.arange(len(dual))
    assert (single.kind[rows, dual.t1] == Kind.DISTRACTOR).all()
    assert (absent.kind[rows, dual.t2] == Kind.DISTRACTOR).all()
    after = blank.kind[rows, blank.t1 + 1]
    assert (after == np.where(blank.lag == 1, Kind.DIGIT, Kind.BLANK)).all()


def test_cued_streams_are_digits_with_rings_on_targets(labels):
    shown = drawn("cued", labels)
    assert (shown.kind == Kind.DIGIT).all()
    assert (shown.cue == shown.target).all()
    assert (shown.cue.sum(1) == 2).all()
    assert (drawn("dual", labels).cue.sum(1) == 0).all()


def test_triplets(labels):
    ttt, tdt = drawn("TTT", labels), drawn("TDT", labels)
    assert (ttt.t2 == ttt.t1 + 1).all()
    assert (ttt.t3 == ttt.t1 + 2).all()
    assert (tdt.t2 == -1).all()
    assert (tdt.t3 == ttt.t3).all()
    assert (tdt.image == ttt.image).all()
    assert (tdt.kind[np.arange(len(tdt)), tdt.t1 + 1] == Kind.DISTRACTOR).all()


def test_salience_belongs_to_the_target(labels):
    shown = drawn("t2-salient", labels)
    expected = np.where(np.arange(shown.task.items) == shown.t2[:, None], 1.4, 1.0)
    assert (shown.contrast == expected).all()


def test_letters_are_none_that_pass_for_digits():
    assert not set("IOQSZB") & set(LETTERS)
    assert len(set(LETTERS)) == len(LETTERS) == 20


def test_free_places_are_filled_without_bias():
    fixed = np.full((6000, 5), -1)
    fixed[:, 3] = 2
    filled = spaced(fixed, 6, np.random.default_rng(1))
    counts = np.bincount(filled[:, 0], minlength=6)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(6000 * 5 / 36)
    assert set(filled[:, 4]) == {0, 1, 3, 4, 5}


def test_a_part_keeps_its_trials(labels):
    shown = drawn("dual", labels)
    part = shown.part(slice(4, 9))
    assert len(part) == 5
    assert (part.image == shown.image[4:9]).all()
    assert (part.t2 == shown.t2[4:9]).all()


def test_refusals(labels):
    with pytest.raises(BlindspotsError, match="No image is a 3; give a split with images of all"):
        streams(Task(), 2, labels[labels != 3], np.random.default_rng(0))
    with pytest.raises(BlindspotsError, match="0 trials for each lag were asked for; give 1"):
        streams(Task(), 0, labels, np.random.default_rng(0))
