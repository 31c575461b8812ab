"""A population that is trained, attacked and scored at once, as a GPU is to, here on the CPU."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from experiments.attacks.threat import distance
from experiments.bench import Bench, scored
from experiments.holds import holding
from experiments.individuals import Train
from experiments.inputs import Craft
from experiments.plan import plan
from experiments.recipe import Recipe
from experiments.scoring import Score, predictions
from experiments.spec import spec_from
from experiments.together import Together, cohorts
from experiments.units import Report, Unit, is_complete, product
from experiments.work import Event, complete
from networks import wiring_named

RECIPE = Recipe(epochs=2, batch=100, rate=5e-3)
DIVERGES = Recipe(epochs=2, batch=100, rate=1e38)
IMAGES, EPSILONS = 40, (0.02, 0.1)


@pytest.fixture(autouse=True)
def _stacked(monkeypatch: pytest.MonkeyPatch, empty_cache: Path, in_threads: None) -> None:
    """Individuals go along one axis, as on a GPU."""
    monkeypatch.setattr(Bench, "stacks_individuals", property(lambda self: True))


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[type, int]]:
    """Of what is done at once: units of which kind, and how many."""
    found: list[tuple[type, int]] = []

    def counted(kind: Any) -> Any:
        run_all = kind.run_all

        def count(units: Sequence[Any], report: Report) -> None:
            found.append((kind, len(units)))
            run_all(units, report)

        return staticmethod(count)

    for kind in (Train, Craft, Score):
        monkeypatch.setattr(kind, "run_all", counted(kind))
    return found


def trained(bench: Bench, recipe: Recipe = RECIPE, seeds: Sequence[int] = (0, 1, 2)) -> list[Train]:
    return [Train(wiring_named("fc-bl"), recipe, seed, bench) for seed in seeds]


def crafted(victims: Sequence[Train], bench: Bench) -> list[Craft]:
    return [
        Craft(each, "pgd-linf", EPSILONS, IMAGES, 7 + at, bench, (("steps", 4),))
        for at, each in enumerate(victims)
    ]


def asked(networks: Sequence[Train], on: Sequence[Craft], bench: Bench) -> list[Score]:
    return [Score(each, inputs, IMAGES, bench) for each, inputs in zip(networks, on, strict=True)]


def work(units: Sequence[Unit]) -> tuple[list[Event], dict[str, str]]:
    """What happened, and the failures."""
    events: list[Event] = []
    failures = complete(units, 1, events.append)
    return events, failures


def forge(craft: Craft) -> None:
    """As if other inputs had been crafted before."""
    told = product(craft).with_name("inputs.json")
    told.write_text(told.read_text().replace('"sha256": "', '"sha256": "0'))


def test_one_unit_serves_a_population_at_each_stage(
    bench: Bench, sizes: list[tuple[type, int]]
) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    scores = asked(victims, sets, bench)
    events, failures = work(scores)
    assert failures == {}
    assert sizes == [(Train, 3), (Craft, 3), (Score, 3)]
    started = [e["unit"].stage for e in events if e["what"] == "started"]
    assert started == ["train-together", "craft-together", "score-together"]
    took = {e["unit"].key: e["seconds"] for e in events if e["what"] == "done"}
    whole = next(took[e["unit"].key] for e in events if e["unit"].stage == "score-together")
    assert sum(took[each.key] for each in scores) == pytest.approx(whole)
    images, labels = scored(bench, IMAGES)
    for craft, score in zip(sets, scores, strict=True):
        inputs = load_file(product(craft))["inputs"]
        for epsilon, each in zip(EPSILONS, inputs, strict=True):
            assert distance(images, each, "linf").max() == pytest.approx(epsilon, abs=1e-6)
        model = craft.victim.model()
        assert (predictions(model, images) == labels).double().mean() > 0.5
        answers = torch.stack([predictions(model, each) for each in inputs])
        said = load_file(product(score))["prediction"]
        assert (said == answers).double().mean() > 0.98  # but for what is tied up to rounding
        robust = (said == labels).double().mean(1)
        assert robust[1] < 0.3 < robust[0]


def test_inputs_are_spent_once_all_have_answered(bench: Bench) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    events, _ = work(asked(victims, sets, bench))
    spent = [e["unit"] for e in events if e["what"] == "spent"]
    assert [unit for unit in spent if isinstance(unit, Craft)] == sets


def test_sets_of_a_crowd_are_those_of_each_alone(bench: Bench) -> None:
    victims = trained(bench)
    work(victims)
    sets = crafted(victims, bench)
    work(sets)
    for craft in sets:
        path = product(craft)
        before = load_file(path)["inputs"]
        path.unlink()
        path.with_name("inputs.json").unlink()
        craft.run(lambda done, score: None)
        after = load_file(path)["inputs"]
        assert (before - after).abs().gt(1e-5).double().mean() < 0.01  # a sign tipped by rounding


def test_other_inputs_than_were_scored_are_refused(bench: Bench) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    work(sets)
    product(sets[0]).unlink()
    forge(sets[0])
    _, failures = work(sets)
    assert set(failures) == {sets[0].key}
    assert "crafted again, the inputs differ in last bits" in failures[sets[0].key]


def test_whom_it_cannot_serve_holds_no_one_up(bench: Bench, sizes: list[tuple[type, int]]) -> None:
    good, bad = trained(bench, seeds=(0, 1)), trained(bench, DIVERGES, seeds=(2, 3))
    victims = [good[0], bad[0], good[1]]
    sets = crafted(victims, bench)
    sets[1] = replace(sets[1], seed=99)
    scores = asked(victims, sets, bench)
    assert cohorts(scores) == [Together((scores[0], scores[2]))]
    _, failures = work([*scores, Score(good[0], sets[1], IMAGES, bench)])
    assert set(failures) == {bad[0].key}
    assert "a loss that is no number" in failures[bad[0].key]
    assert [is_complete(each) for each in sets] == [True, False, True]
    assert [is_complete(each) for each in scores] == [True, False, True]
    assert sizes.count((Craft, 2)) == sizes.count((Score, 2)) == 1


def test_an_individual_that_diverges_is_left_out_at_every_stage(
    bench: Bench, sizes: list[tuple[type, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    victims = trained(bench)
    leave = Train.leave

    def lose(self: Train, network: Any, facts: Any) -> None:
        if self.seed != 1:
            leave(self, network, facts)

    monkeypatch.setattr(Train, "leave", lose)
    sets = crafted(victims, bench)
    scores = asked(victims, sets, bench)
    _, failures = work(scores)
    assert set(failures) == {victims[1].key}
    assert sorted(sizes, key=str) == sorted(
        [(Train, 3), (Train, 1), (Craft, 2), (Score, 2)], key=str
    )
    sizes.clear()
    again, _ = work(scores)
    assert sizes == [(Train, 1)]  # nothing is done anew for those that are served
    assert [e["unit"] for e in again if e["what"] == "started"] == [victims[1]]


def test_one_that_spoils_it_for_all_is_found(bench: Bench, sizes: list[tuple[type, int]]) -> None:
    """One that answers with no number spoils the attack of all, but no other's own."""
    victims = trained(bench)
    work(victims)
    network = victims[2].model()
    with torch.no_grad():
        for value in network.values.values():
            value.fill_(torch.nan)
    product(victims[2]).unlink()
    victims[2].leave(network, {"seed": 2})
    sets = crafted(victims, bench)
    _, failures = work(sets)
    assert set(failures) == {sets[2].key}
    assert "not finite" in failures[sets[2].key]
    assert [is_complete(each) for each in sets] == [True, True, False]
    halves = [size for kind, size in sizes if kind is Craft]
    assert halves[0] == 3
    assert halves[-1] == 1  # which says why


def test_memory_that_runs_out_halves_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    run_all = Craft.run_all

    def scarce(units: Sequence[Craft], report: Report) -> None:
        found.append(len(units))
        if len(units) > 1:
            raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)")
        run_all(units, report)

    victims = trained(bench)
    work(victims)
    monkeypatch.setattr(Craft, "run_all", staticmethod(scarce))
    _, failures = work(crafted(victims, bench))
    assert failures == {}
    assert found == [3, 1, 2, 1, 1]


def test_where_all_at_once_crash_each_is_tried_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all = Craft.run_all

    def fragile(units: Sequence[Craft], report: Report) -> None:
        if len(units) > 1:
            raise RuntimeError("nobody foresaw this")
        run_all(units, report)

    monkeypatch.setattr(Craft, "run_all", staticmethod(fragile))
    victims = trained(bench)
    sets = crafted(victims, bench)
    bad = crafted(trained(bench, DIVERGES, seeds=[9]), bench)
    events, failures = work([*sets, *bad])
    assert set(failures) == {bad[0].victim.key}
    failed = {e["unit"].stage for e in events if e["what"] == "failed"}
    assert failed == {"craft-together", "train"}
    assert all(map(is_complete, sets))
    spent = [e["unit"] for e in events if e["what"] == "spent"]
    assert [unit for unit in spent if isinstance(unit, Train)] == victims


def test_what_is_done_is_not_done_again_where_one_fails_midway(
    bench: Bench, sizes: list[tuple[type, int]]
) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    work(sets)
    for each in sets:
        product(each).unlink()
    forge(sets[1])
    sizes.clear()
    _, failures = work(sets)
    assert set(failures) == {sets[1].key}
    assert [size for _, size in sizes] == [3, 2, 1, 1, 1]  # one less at once, each, and it alone


def test_sets_that_were_let_go_are_crafted_together_again(
    bench: Bench, sizes: list[tuple[type, int]]
) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    work(sets)
    with holding(sets) as held:
        for each in sets[:2]:
            held.let_go(each)
    sizes.clear()
    for each in sets[:2]:  # two at once may differ from three in last bits
        product(each).with_name("inputs.json").unlink()
    _, failures = work(sets)
    assert failures == {}
    assert sizes == [(Craft, 2)]


def test_a_comparison_serves_its_populations(bench: Bench) -> None:
    """All individuals of a network by one unit for each of its sets, but where that cannot be."""
    spec = spec_from(
        {
            "networks": ["fc-bt", "fc-bl"],
            "sources": ["fc-b"],
            "individuals": 3,
            "images": 20,
            "attacks": ["fgsm", "worst-linf", "hopskipjump-l2"],
            "epsilons": [0.1],
            "reference_attack": "fgsm",
            "reference_epsilon": 0.1,
            "corruptions": ["sweeps"],
        }
    )
    planned = plan(spec, bench)
    sets = [craft for craft in planned.sets.values() if craft.attack != "hopskipjump-l2"]
    served = cohorts(planned.sets.values())
    assert {unit for each in served for unit in each.units} == set(sets)
    assert {len(each.units) for each in served} == {3}
    assert all(len({unit.label.partition("(")[0] for unit in each.units}) == 1 for each in served)
    on_crowds = [score for score in planned.asked if score.on in (None, *sets)]
    served = cohorts(planned.asked)
    assert {unit for each in served for unit in each.units} >= set(on_crowds)
    assert {len(each.units) for each in served} == {3}
    for each in cohorts(on_crowds):
        assert len({unit.label.partition("(")[0] for unit in each.units}) == 1
