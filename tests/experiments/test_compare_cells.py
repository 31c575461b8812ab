"""Cells in a comparison: which rows they have, what stays the same, and what is refused."""

import io
import json
import pickle
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console

from experiments import load_network, load_result
from experiments.assemble import assemble
from experiments.bench import Bench, bench_for, scored
from experiments.compare import compare, summarised
from experiments.origin import subject
from experiments.plan import plan
from experiments.report import contrast_table, terminal_table
from experiments.single import read_inputs, score_saved
from experiments.spec import Spec, read_spec, spec_from
from experiments.verdict import verdict
from networks import BlindspotsError, Physiology, SpikingUnit, physiology_from, wiring_named
from networks.derive import as_spiking
from sim.brian.detailed import Detailed

pytestmark = pytest.mark.usefixtures("cells_alone")

NAME, CELLS = "tiny-spiking", "tiny-spiking@cells"
IMAGES, STEPS, EPSILON = 24, 8, 0.1
Refused = Callable[..., str]
WorkHere = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def result(cells_run: Path) -> xr.Dataset:
    return load_result(cells_run)


@pytest.fixture(scope="module")
def own_bench(cells_alone: None) -> Bench:
    return bench_for(None, "cpu")


@pytest.fixture(scope="module")
def spec(cells_settings: dict[str, Any]) -> Spec:
    return spec_from(cells_settings)


def test_every_spiking_network_has_a_row_in_cells(result: xr.Dataset) -> None:
    assert list(result["network"].values) == ["FC10", NAME, CELLS]
    assert list(result["units"].values) == ["rate", "spiking", "cells"]
    cells, twin = result.sel(network=CELLS), result.sel(network=NAME)
    assert int(cells["macs"]) == -1
    assert int(cells["parameters"]) == int(twin["parameters"]) > 0
    assert cells["recurrence"] == twin["recurrence"] == "top-down"
    assert NAME in str(cells["role"].values)


def test_cells_are_scored_on_independent_and_their_twins_sets_alone(result: xr.Dataset) -> None:
    assert CELLS not in result["source"]
    assert (result["clean_correct"] >= 0).all()
    scored_on = {
        (str(source), str(attack)): (result["correct"] >= 0).sel(
            network=CELLS, source=source, attack=attack
        )
        for source in result["source"].values
        for attack in result["attack"].values
    }
    wanted = {("independent-FC10", "uniform"), ("independent-FC10", "pgd-linf"), (NAME, "pgd-linf")}
    for place, measured in scored_on.items():
        assert bool(measured.all()) == bool(measured.any()) == (place in wanted)
    assert set(scored_on) > wanted


def test_predictions_in_cells_follow_from_saved_weights_and_inputs(
    cells_run: Path, result: xr.Dataset, own_bench: Bench
) -> None:
    cells = load_network(cells_run, CELLS)
    assert isinstance(cells, Detailed)
    compared = 0
    for source, attack in (("independent-FC10", "uniform"), (NAME, "pgd-linf")):
        tensors, _ = read_inputs(cells_run / "inputs" / f"{source}-0-{attack}")
        there = result["prediction"].sel(network=CELLS, individual=0, source=source, attack=attack)
        for at, images in enumerate(tensors["inputs"]):
            np.testing.assert_array_equal(there[at], cells(images).argmax(1))
            compared += 1
    assert compared == 4
    clean = cells(scored(own_bench, IMAGES).images).argmax(1)
    np.testing.assert_array_equal(result["clean_prediction"].sel(network=CELLS)[0], clean)
    assert float(result["clean_correct"].sel(network=CELLS).mean()) > 0.5


def test_cells_have_the_weights_of_their_twin_and_other_answers(
    cells_run: Path, result: xr.Dataset
) -> None:
    cells, twin = load_network(cells_run, CELLS), load_network(cells_run, NAME)
    for name, values in twin.values.items():
        assert torch.equal(values, cells.network.values[name])
    assert (result["prediction"].sel(network=CELLS) != result["prediction"].sel(network=NAME)).any()
    facts = json.loads((cells_run / "networks" / CELLS / "individual-0" / "cells.json").read_text())
    after, trained = facts["calibration"]["after"], facts["calibration"]["trained"]
    assert set(after) == {"v1", "v2"}
    for area, rate in trained.items():
        assert after[area] == pytest.approx(rate, rel=0.1)


def test_without_cells_the_other_rows_are_the_same(
    cells_settings: dict[str, Any], spec: Spec, result: xr.Dataset, own_bench: Bench
) -> None:
    trained = spec_from({**cells_settings, "engine": "torch", "physiology": None})
    planned, with_cells = plan(trained, own_bench), plan(spec, own_bench)
    keys = {place: unit.key for place, unit in with_cells.scores.items() if place[0] != CELLS}
    assert {place: unit.key for place, unit in planned.scores.items()} == keys
    assert planned.sets == with_cells.sets
    alone = assemble(trained, planned, own_bench)
    both = result.sel(network=["FC10", NAME])
    for name in ("correct", "prediction", "clean_prediction", "distance_linf"):
        np.testing.assert_array_equal(alone[name], both[name])
    assert (alone["correct"] >= 0).any()


def test_a_comparison_with_cells_that_has_ended_does_nothing_again(
    cells_run: Path, spec: Spec, work_here: WorkHere
) -> None:
    before = load_result(cells_run)
    with work_here() as work:
        compare(spec, cells_run, device="cpu", console=Console(quiet=True))
    assert work.done == []
    xr.testing.assert_identical(load_result(cells_run).drop_attrs(), before.drop_attrs())


def test_the_report_has_the_row_in_cells(cells_run: Path) -> None:
    assert CELLS in (cells_run / "report.html").read_text()


def test_units_in_cells_travel_to_workers_whole(spec: Spec, own_bench: Bench) -> None:
    planned = plan(spec, own_bench)
    units = [unit for place, unit in planned.scores.items() if place[0] == CELLS]
    assert len(units) == 4
    for unit in units:
        again = pickle.loads(pickle.dumps(unit))
        assert again == unit
        assert again.key == unit.key
        assert again.network.stage == "embody"


def test_scores_of_cells_are_those_of_the_comparison(cells_run: Path, result: xr.Dataset) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    score_saved(Path(f"{NAME}-0-pgd-linf"), CELLS, cells_run, 0, console)
    out = console.export_text()
    right = result["correct"].sel(network=CELLS, individual=0, source=NAME, attack="pgd-linf")
    for epsilon in (0.05, EPSILON):
        row = next(line for line in out.splitlines() if re.search(rf"\b{epsilon:g}\b", line))
        said = float(re.findall(r"\d+\.\d+", row)[-1])
        assert said == pytest.approx(100 * float(right.sel(epsilon=epsilon).mean()), abs=0.051)


def test_cells_are_neither_replicated_nor_exported(refused: Refused, cells_run: Path) -> None:
    said = refused("replica", CELLS, "--run", cells_run, "--images", 1)
    assert said == (
        f"'{CELLS}' runs in cells, and only trained units run in Brian2; name '{NAME}'."
    )
    said = refused("export", CELLS, "--run", cells_run, "--to", "x.nir")
    assert said == (
        f"'{CELLS}' runs in cells, and only trained units can be exported; name '{NAME}'."
    )
    assert not Path("x.nir").exists()


# --- specifications with cells


def test_a_specification_with_cells_reads_back_equal(cells_run: Path, spec: Spec) -> None:
    again = read_spec(cells_run / "spec.toml")
    assert again == spec
    assert again.to_toml() == (cells_run / "spec.toml").read_text()
    assert again.physiology is not None
    assert again.physiology.dt_ms == 1.0
    assert again.physiology.label == "currents + jitter + noise + heterogeneity"
    assert "capacitance_pf = 500.0" in spec.to_toml()  # defaults stand there, too


def test_the_detailed_engine_has_the_usual_physiology(cells_settings: dict[str, Any]) -> None:
    assert spec_from({**cells_settings, "physiology": None}).physiology == Physiology()
    trained = spec_from({**cells_settings, "engine": "torch", "physiology": None})
    assert "physiology" not in trained.to_toml()


def test_cells_where_nothing_spikes_are_refused(refused: Refused) -> None:
    said = refused("compare", "--networks", "FC10", "--engine", "detailed", "--out", "new")
    assert said.startswith("None of the networks spikes, ")
    assert "fc-blt-spiking" in said
    assert not Path("new").exists()


def test_a_physiology_without_its_engine_is_refused(refused: Refused) -> None:
    Path("cells.toml").write_text("dt_ms = 1.0")
    said = refused("compare", "--physiology", "cells.toml", "--out", "new")
    assert said.startswith("The comparison cannot be run: physiology: it needs engine = ")
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"dt_ms": 3.0}, ["dt_ms", "3 ms"]),
        ({"dt_ms": 0.3}, ["dt_ms", "0.3 ms"]),
        ({"dt_ms": 0}, ["dt_ms", "0"]),
        ({"jitter": 2.5}, ["jitter", "2.5"]),
        ({"capacitance_pf": -1.5}, ["capacitance_pf", "-1.5"]),
        ({"tau_spread": "much"}, ["tau_spread", "'much'"]),
        ({"threshold_mv": -71.5}, ["-71.5"]),
        ({"reversal_inhibitory_mv": -12.5}, ["reversal", "-12.5"]),
        ({"ingredients": ["magic"]}, ["ingredients", "'magic'"]),
        ({"ingredients": ["noise", "noise"]}, ["ingredients", "twice"]),
        ({"ingredients": ["currents", "conductances"]}, ["ingredients", "not both"]),
        ({"dt": 0.1}, ["'dt'", "dt_ms"]),
    ],
)
def test_physiologies_that_cannot_be_are_named(
    wrong: dict[str, Any],
    says: list[str],
    cells_settings: dict[str, Any],
    refused: Refused,
    cells_run: Path,
) -> None:
    import tomli_w

    with pytest.raises(BlindspotsError) as alone:
        physiology_from(wrong)
    with pytest.raises(BlindspotsError) as within:
        spec_from({**cells_settings, "physiology": wrong})
    Path("wrong.toml").write_text(tomli_w.dumps(wrong))
    said = refused("detailed", cells_run, "--physiology", "wrong.toml")
    assert said == str(alone.value)
    for word in says:
        assert word in said
    assert next(iter(wrong)) in str(within.value) or says[0] in str(within.value)
    assert "\n" not in said + str(within.value)


def damage(facts: dict[str, Any], *where: str, value: Any) -> str:
    place = facts
    for name in where[:-1]:
        place = place[name]
    if value is None:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    return json.dumps(facts)


@pytest.mark.parametrize(
    "broken",
    [
        lambda facts: json.dumps(facts)[:50],
        lambda facts: "[]",
        lambda facts: "",
        lambda facts: damage(facts, "seed", value=None),
        lambda facts: damage(facts, "seed", value="x"),
        lambda facts: damage(facts, "physiology", value=[1]),
        lambda facts: damage(facts, "physiology", "dt_ms", value=3),
        lambda facts: damage(facts, "physiology", "dtms", value=3),
        lambda facts: damage(facts, "calibration", value=None),
        lambda facts: damage(facts, "calibration", "gains", value=3),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=None),
        lambda facts: damage(facts, "calibration", "gains", "v1", value="x"),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=[]),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=float("nan")),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=-1),
        lambda facts: damage(facts, "calibration", "gains", "v3", value=1),
    ],
)
def test_damaged_cells_are_one_sentence(
    broken: Callable[[dict[str, Any]], str], cells_copy: Path, refused: Refused
) -> None:
    path = cells_copy / "networks" / CELLS / "individual-0" / "cells.json"
    path.write_text(broken(json.loads(path.read_text())))
    said = refused("score", CELLS, "--run", cells_copy, "--inputs", f"{NAME}-0-pgd-linf")
    assert said.startswith(f"'{path}' cannot be read (")
    assert said.endswith("remove the directory that it lies in, and run the same command again.")


def test_the_table_marks_what_flatters_cells_and_compares_them_on_the_same_inputs(
    result: xr.Dataset,
) -> None:
    summary = summarised(result)
    printed = Console(width=80, file=io.StringIO())
    printed.print(terminal_table(summary, {}), contrast_table(summary))
    lines = printed.file.getvalue().splitlines()  # type: ignore[attr-defined]
    accuracies = lines[: next(at for at, line in enumerate(lines) if "Differences" in line)]
    rows = {line.split()[0]: line for line in accuracies if line.startswith(("FC10", "tiny"))}
    assert rows[CELLS].split()[-2].startswith("≤")
    assert "≤" not in rows["FC10"] + rows[NAME]
    assert any(line.startswith("cells, same inputs") for line in lines)
    assert not any(line.strip() == "cells" for line in lines)
    sentences = verdict(summary, result)
    assert not any("Worst case" in each and CELLS in each for each in sentences)
    assert any("Same inputs" in each and CELLS in each for each in sentences)


def test_cells_in_a_directory_are_those_of_the_run(cells_run: Path, own_bench: Bench) -> None:
    directory = cells_run / "networks" / CELLS / "individual-0"
    found = subject(str(directory), None, 0).network
    assert isinstance(found, Detailed)
    images = scored(own_bench, 4).images
    assert torch.equal(found(images), load_network(cells_run, CELLS)(images))


def test_a_wiring_cannot_take_the_name_of_cells(
    cells_settings: dict[str, Any], cells_directory: Path, own_bench: Bench
) -> None:
    path = cells_directory / "taken.toml"
    path.write_text(wiring_named("fc-b-spiking").replace(name="fc-b-spiking@cells").to_toml())
    settings = {**cells_settings, "networks": ["fc-b-spiking", str(path)]}
    with pytest.raises(BlindspotsError, match="Two networks are called 'fc-b-spiking@cells'"):
        plan(spec_from(settings), own_bench)


def test_units_that_forget_at_once_are_refused_before_training(
    cells_settings: dict[str, Any], cells_directory: Path, own_bench: Bench
) -> None:
    wiring = as_spiking(wiring_named("fc-b"), SpikingUnit(beta=0.0)).replace(name="forgetful")
    path = cells_directory / "forgetful.toml"
    path.write_text(wiring.to_toml())
    with pytest.raises(BlindspotsError, match="beta 0"):
        plan(spec_from({**cells_settings, "networks": [str(path)]}), own_bench)


def test_a_calibration_that_failed_is_said(result: xr.Dataset) -> None:
    assert result["rate_error"].sel(network=CELLS).notnull().all()
    assert result["rate_error"].sel(network=NAME).isnull().all()
    for error, said in ((0.01, 0), (0.5, 1)):
        changed = result.assign(rate_error=xr.full_like(result["rate_error"], np.nan))
        changed["rate_error"].loc[{"network": CELLS}] = error
        sentences = verdict(summarised(changed), changed)
        assert sum("calibration left the rate" in each for each in sentences) == said
