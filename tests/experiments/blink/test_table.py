import importlib
import io
import json

import numpy as np
import pandas as pd
import pytest

from experiments.blink.bids import COLUMNS, PAUSE_S, events, write_events, write_participants
from experiments.blink.reports import Reports
from experiments.blink.streams import Kind, streams
from experiments.blink.table import (
    Attacked,
    Observer,
    trial_table,
    write_csv,
    write_parquet,
)
from experiments.blink.task import condition_named
from networks.errors import BlindspotsError


@pytest.fixture(scope="module")
def shown(labels):
    """A function from a condition to one trial at each lag, in the order of lags."""

    def draw(name, **changes):
        task = condition_named(name).but(**changes)
        found = streams(task, 1, labels, np.random.default_rng(4))
        return found.part(found.lag.argsort())

    return draw


def score(drawn, reports, observer, name="dual"):
    return trial_table(drawn, reports, observer, name)


def test_both_ways_of_scoring(shown, said, observer):
    drawn = shown("dual")
    one, two = (drawn.at(drawn.label, place) for place in (drawn.t1, drawn.t2))
    wrong = [next(d for d in range(10) if d not in (a, b)) for a, b in zip(one, two, strict=True)]
    table = score(
        drawn,
        said(
            [one[0], two[0]],  # right
            [two[1], one[1]],  # swapped
            [two[2]],  # T2 alone
            [wrong[3], two[3]],  # T1 wrong
            [two[4], wrong[4]],  # T2 in the wrong place
            [],
            [one[6]],
            [wrong[7], one[7], two[7]],
        ),
        observer,
    )
    expected = {
        "t1_correct": [1, 0, 0, 0, 0, 0, 1, 0],
        "t2_correct": [1, 0, 1, 1, 0, 0, 0, 0],
        "t1_correct_anyorder": [1, 1, 0, 0, 0, 0, 1, 1],
        "t2_correct_anyorder": [1, 1, 1, 1, 1, 0, 0, 1],
        "false_alarm": [0, 0, 0, 1, 1, 0, 0, 1],
    }
    for column, values in expected.items():
        assert table[column].astype(int).tolist() == values, column
    assert table["order_reversed"].notna().tolist() == [True, True, *[False] * 5, True]
    assert table["order_reversed"].dropna().tolist() == [False, True, False]
    assert table["t3_correct"].isna().all()
    assert table["t2_ignite_ms"].tolist()[:2] == [600.0, 500.0]
    assert np.isnan(table["t2_ignite_ms"][5])
    assert table["r1"][5] is pd.NA
    assert table["r3"][7] == two[7]
    assert (table["lag_ms"] == table["lag"] * 100).all()
    assert table["network_id"].unique().tolist() == ["fc-blt-3"]
    assert (table["t2_pos"] - table["t1_pos"] == table["lag"]).all()


def test_what_was_not_asked_for_is_neither_right_nor_wrong(shown, said, observer):
    drawn = shown("ignore-t1")
    one, two = (drawn.at(drawn.label, place) for place in (drawn.t1, drawn.t2))
    rows = [[t2] for t2 in two[:4]] + [[t1, t2] for t1, t2 in zip(one[4:], two[4:], strict=True)]
    table = score(drawn, said(*rows), observer)
    assert table["t1_correct"].isna().all()
    assert table["t1_id"].tolist() == one.tolist()
    assert table["t2_correct"].tolist() == [True] * 4 + [False] * 4
    assert table["t2_correct_anyorder"].all()
    assert table["false_alarm"].tolist() == [False] * 4 + [True] * 4


def test_catch_trials(shown, said, observer):
    drawn = shown("t2-absent")
    one = drawn.at(drawn.label, drawn.t1)
    other = (one + 1) % 10
    rows = [[a] for a in one[:3]] + [[a, b] for a, b in zip(one[3:], other[3:], strict=True)]
    table = score(drawn, said(*rows), observer)
    assert table["t2_correct_anyorder"].isna().all()
    assert table["t2_pos"].isna().all()
    assert table["false_alarm"].tolist() == [False] * 3 + [True] * 5


def test_detection_takes_any_second_report(shown, said, observer):
    for name, column in (("detect", "t2_correct"), ("detect-absent", "false_alarm")):
        drawn = shown(name)
        one = drawn.at(drawn.label, drawn.t1)
        rows = [[a] for a in one[:3]] + [[a, (a + 3) % 10] for a in one[3:]]
        table = score(drawn, said(*rows), observer)
        assert table[column].tolist() == [False] * 3 + [True] * 5


@pytest.mark.parametrize("offset", [-2, -1, 1, 2])
def test_intrusions_are_neighbours_of_a_missed_target(shown, said, observer, offset):
    drawn = shown("cued").part(slice(4, 8))
    one = drawn.at(drawn.label, drawn.t1)
    near = drawn.at(drawn.label, drawn.t2 + offset)
    rows = [[a, b] for a, b in zip(one, near, strict=True)]
    table = score(drawn, said(*rows), observer)
    clear = near != one
    # the digit may also stand on the other side of the target, and the nearer one counts
    for i in np.flatnonzero(clear):
        places = [o for o in (1, -1, 2, -2) if drawn.label[i, drawn.t2[i] + o] == near[i]]
        assert table["intrusion_t2"][i] == places[0]
        assert offset in places
    assert table["intrusion_t1"].isna().all()
    assert table["false_alarm"][clear].all()


def test_scrambled_digits_and_found_targets_do_not_intrude(shown, said, observer):
    drawn = shown("dual")
    two = drawn.at(drawn.label, drawn.t2)
    table = score(drawn, said(*[[b] for b in two]), observer)
    assert table["intrusion_t2"].isna().all()
    assert table["intrusion_t1"].isna().all()  # T2 itself is next to T1 at lags 1 and 2


def test_triplets_are_scored_for_each_target(shown, said, observer):
    drawn = shown("TTT")
    digits = [drawn.at(drawn.label, place)[0] for place in (drawn.t1, drawn.t2, drawn.t3)]
    table = score(drawn.part(slice(0, 1)), said(digits[::-1]), observer, "TTT")
    assert table[["t1_correct", "t2_correct", "t3_correct"]].iloc[0].tolist() == [
        False,
        True,
        False,
    ]
    assert table["t3_correct_anyorder"][0]
    assert table["order_reversed"][0]


def test_attacks_are_recorded(shown, said, observer):
    drawn = shown("dual")
    table = trial_table(
        drawn, said(*[[]] * 8), observer, "dual", Attacked("pgd-linf", 0.1, drawn.t2)
    )
    assert table["attacked_frame"].tolist() == drawn.t2.tolist()
    assert set(table["attack"]) == {"pgd-linf"}
    assert score(drawn, said(*[[]] * 8), observer)["attacked_frame"].isna().all()


def test_csv_comes_back_as_it_was(shown, said, observer, tmp_path):
    table = score(shown("dual"), said(*[[1, 2]] * 8), observer)
    write_csv(table, tmp_path / "trials.csv")
    back = pd.read_csv(tmp_path / "trials.csv", keep_default_na=False, na_values=[""])
    assert back.columns.tolist() == table.columns.tolist()
    for column in table:
        assert back[column].isna().tolist() == table[column].isna().tolist()
        assert back[column].dropna().tolist() == table[column].dropna().tolist()


def test_parquet_comes_back_as_it_was(shown, said, observer, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'parquet')")
    table = score(shown("dual"), said(*[[1, 2]] * 8), observer)
    write_parquet(table, tmp_path / "trials.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "trials.parquet"), table, check_dtype=False
    )
    assert [path.name for path in tmp_path.iterdir()] == ["trials.parquet"]


def test_parquet_says_what_it_needs(monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(BlindspotsError, match=r"pip install 'blindspots\[parquet\]'  or write CSV"):
        write_parquet(pd.DataFrame(), tmp_path / "trials.parquet")


@pytest.mark.parametrize(
    ("identity", "when", "message"),
    [
        ([[1, 2]], [[0.0]], "must both be"),
        ([[11]], [[0.0]], "must be digits"),
        ([[-1, 3]], [[np.nan, 0.0]], "put those of -1 last"),
    ],
)
def test_reports_that_make_no_sense(identity, when, message):
    with pytest.raises(BlindspotsError, match=message):
        Reports(np.array(identity), np.array(when))


def test_as_many_reports_as_trials(shown, said, observer):
    with pytest.raises(BlindspotsError, match="8 trials and 1 reports"):
        score(shown("dual"), said([1]), observer)


def test_events_are_every_item_and_every_report(shown, said, observer, tmp_path):
    drawn = shown("t1+1-blank")
    reports = said([5], *[[1, 2]] * 7)
    table = events(drawn, reports, "t1+1-blank")
    assert len(table) == 8 * 20 + 15
    assert table.columns.tolist()[:2] == ["onset", "duration"]
    assert table["onset"].is_monotonic_increasing
    kinds = table["trial_type"].value_counts()
    assert (kinds["T1"], kinds["T2"], kinds["response"]) == (8, 8, 15)
    assert kinds["blank"] == (drawn.kind == Kind.BLANK).sum()
    second = table[(table["trial"] == 1) & (table["trial_type"] == "T2")].iloc[0]
    assert second["onset"] == pytest.approx((2.0 + PAUSE_S) + drawn.t2[1] * 0.1)
    assert second["digit"] == drawn.label[1, drawn.t2[1]]
    path = write_events(tmp_path, observer, 2, table)
    assert path == tmp_path / "sub-fcblt03" / "beh" / "sub-fcblt03_task-rsvp_run-02_events.tsv"
    back = pd.read_csv(path, sep="\t")
    assert len(back) == len(table)
    assert "n/a" in path.read_text()
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert set(sidecar) == set(COLUMNS) == set(back.columns)


def test_participants_have_their_parameters(observer, tmp_path):
    other = Observer("lif", 0, 1, "gated", "spiking")
    write_participants(tmp_path, [observer, other], [{"theta": 1.59}, {"theta": 1.7}])
    back = pd.read_csv(io.StringIO((tmp_path / "participants.tsv").read_text()), sep="\t")
    assert back["participant_id"].tolist() == ["sub-fcblt03", "sub-lif00"]
    assert back["theta"].tolist() == [1.59, 1.7]
    assert json.loads((tmp_path / "dataset_description.json").read_text())["BIDSVersion"]
    twin = Observer("fcb-lt", 3, 7, "gated", "rate")
    with pytest.raises(BlindspotsError, match="would be called 'sub-fcblt03'; rename"):
        write_participants(tmp_path, [observer, twin], [{}, {}])
