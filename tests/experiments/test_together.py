"""A population that is trained, attacked and scored at once, as a GPU is to, here on the CPU."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from experiments.attacks.threat import distance
from experiments.bench import Bench, scored
from experiments.holds import holding
from experiments.individuals import Train
from experiments.inputs import Craft
from experiments.plan import Plan, plan
from experiments.recipe import Recipe
from experiments.scoring import Score, predictions
from experiments.spec import spec_from
from experiments.together import Together, together
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


def trained(bench: Bench, recipe: Recipe = RECIPE, seeds: Sequence[int] = (0, 1, 2)) -> list[Train]:
    units = {seed: Train(wiring_named("fc-bl"), recipe, seed, bench) for seed in seeds}
    return list(together(units, shared=lambda seed: None).values())


def crafted(victims: Sequence[Train], bench: Bench) -> list[Craft]:
    units = {
        at: Craft(each, "pgd-linf", EPSILONS, IMAGES, 7 + at, bench, (("steps", 4),))
        for at, each in enumerate(victims)
    }
    return list(together(units, shared=lambda at: None).values())


def asked(networks: Sequence[Train], on: Sequence[Craft], bench: Bench) -> list[Score]:
    units = {
        at: Score(each, inputs, IMAGES, bench)
        for at, (each, inputs) in enumerate(zip(networks, on, strict=True))
    }
    return list(together(units, shared=lambda at: None).values())


def work(units: Sequence[Unit]) -> tuple[list[Unit], dict[str, str]]:
    """The units that were worked on, and the failures."""
    events: list[Event] = []
    failures = complete(units, 1, events.append)
    return [event["unit"] for event in events if event["what"] == "started"], failures


def test_one_unit_serves_a_population_at_each_stage(bench: Bench) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    scores = asked(victims, sets, bench)
    begun, failures = work(scores)
    assert failures == {}
    served = [unit for unit in begun if isinstance(unit, Together)]
    assert [(unit.stage, len(unit.units)) for unit in served] == [
        ("train-together", 3),
        ("craft-together", 3),
        ("score-together", 3),
    ]
    images, labels = scored(bench, IMAGES)
    robust = []
    for craft, score in zip(sets, scores, strict=True):
        inputs = load_file(product(craft))["inputs"]
        for epsilon, each in zip(EPSILONS, inputs, strict=True):
            assert distance(images, each, "linf").max() == pytest.approx(epsilon, abs=1e-6)
        model = craft.victim.model()
        answers = torch.stack([predictions(model, each) for each in inputs])
        said = load_file(product(score))["prediction"]
        assert (said == answers).double().mean() > 0.98  # but for what is tied up to rounding
        robust.append((said == labels).double().mean(1))
        alone = crafted([craft.victim], bench)[0]  # type: ignore[list-item]
        assert alone.together is None
    clean = [
        float((predictions(each.model(), images) == labels).double().mean()) for each in victims
    ]
    assert min(clean) > 0.5
    assert all(accuracy[1] < 0.3 < float(accuracy[0]) for accuracy in robust)


def test_sets_of_a_crowd_are_those_of_each_alone(bench: Bench) -> None:
    victims = trained(bench)
    work(victims)
    sets = crafted(victims, bench)
    work(sets)
    for at, craft in enumerate(sets):
        before = load_file(product(craft))["inputs"]
        product(craft).unlink()
        alone = Craft(victims[at], "pgd-linf", EPSILONS, IMAGES, 7 + at, bench, craft.options)
        assert alone == craft
        alone.run(lambda done, score: None)
        after = load_file(product(alone))["inputs"]
        assert (before - after).abs().gt(1e-5).double().mean() < 0.01  # a sign tipped by rounding


def test_whom_it_cannot_serve_holds_no_one_up(bench: Bench) -> None:
    good, bad = trained(bench, seeds=(0, 1)), trained(bench, DIVERGES, seeds=(2, 3))
    victims = [good[0], bad[0], good[1]]
    sets = crafted(victims, bench)
    scores = asked(victims, sets, bench)
    begun, failures = work(scores)
    assert set(failures) == {bad[0].key}
    assert "a loss that is no number" in failures[bad[0].key]
    assert [is_complete(each) for each in sets] == [True, False, True]
    assert [is_complete(each) for each in scores] == [True, False, True]
    stages = [unit.stage for unit in begun]
    assert stages.count("craft-together") == stages.count("score-together") == 1


def test_where_all_at_once_fail_each_is_tried_alone(bench: Bench) -> None:
    """One that answers with no number spoils the attack of all, but no other's own."""
    victims = trained(bench, seeds=(0, 1))
    work(victims)
    network = victims[1].model()
    with torch.no_grad():
        for value in network.values.values():
            value.fill_(torch.nan)
    product(victims[1]).unlink()
    victims[1].leave(network, {"seed": 1})
    sets = crafted(victims, bench)
    _, failures = work(sets)
    assert set(failures) == {sets[1].key}
    assert "not finite" in failures[sets[1].key]
    assert [is_complete(each) for each in sets] == [True, False]


def test_memory_that_runs_out_halves_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    run_all = Craft.run_all

    def scarce(units: Sequence[Craft], report: Report) -> None:
        found.append(len(units))
        if len(units) > 1:
            raise torch.OutOfMemoryError
        run_all(units, report)

    victims = trained(bench)
    work(victims)
    monkeypatch.setattr(Craft, "run_all", staticmethod(scarce))
    sets = crafted(victims, bench)
    _, failures = work(sets)
    assert failures == {}
    assert found == [3, 1, 2, 1, 1]


def test_sets_that_were_let_go_are_crafted_together_again(bench: Bench) -> None:
    victims = trained(bench)
    sets = crafted(victims, bench)
    work(sets)
    with holding(sets) as held:
        for each in sets:
            held.let_go(each)
    begun, _ = work(sets)
    assert [unit.stage for unit in begun] == ["craft-together", *["craft"] * 3]


def test_a_comparison_serves_its_populations(bench: Bench) -> None:
    """All individuals of a network by one unit for each of its sets, but where that cannot be."""
    spec = spec_from(
        {
            "networks": ["fc-b", "fc-bl"],
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
    planned: Plan = plan(spec, bench)
    for craft in planned.sets.values():
        assert (craft.together is None) == (craft.attack == "hopskipjump-l2")
    for score in (*planned.scores.values(), *planned.corrupted_scores.values()):
        assert isinstance(score.together, Together)
        names = {unit.network.label.partition(" ")[0] for unit in score.together.units}  # type: ignore[attr-defined]
        on = {unit.on.label.partition("(")[0] for unit in score.together.units if unit.on}  # type: ignore[attr-defined]
        assert len(score.together.units) == 3
        assert len(names) == 1
        assert len(on) < 2
