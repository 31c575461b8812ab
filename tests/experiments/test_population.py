"""Individuals that are trained together are those that are trained alone, and lie where they do."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import population
from experiments.bench import Bench
from experiments.data.dataset import Dataset, Split
from experiments.individuals import Train
from experiments.population import train_together
from experiments.recipe import Recipe, trains_together
from experiments.together import MOST, Together, cohorts
from experiments.training import Diverged, load_individual, train
from experiments.units import is_complete
from networks import wiring_named

RECIPE = Recipe(epochs=2, batch=50, rate=2e-3, shift=1, weight_decay=0.01)
SEEDS = (3, 5)


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """150 digits to train on, three batches of each epoch."""
    return replace(digits, train=Split(digits.train.images[:150], digits.train.labels[:150]))


@pytest.mark.parametrize("name", ["FC100-100-10", "fc-blt", "fc-blt-spiking"])
def test_each_is_as_if_trained_alone(name: str, few: Dataset, tmp_path: Path) -> None:
    wiring = wiring_named(name)
    together = train_together(wiring, RECIPE, few, SEEDS, checkpoint=tmp_path / "all")
    for seed, made in zip(SEEDS, together, strict=True):
        assert made
        alone, facts = train(wiring, RECIPE, few, seed, checkpoint=tmp_path / str(seed))
        assert made[1]["seed"] == seed
        assert made[1]["validation"] == pytest.approx(facts["validation"], abs=0.011)  # 3 of 297
        if made[1]["best_epoch"] == facts["best_epoch"]:
            for key, value in alone.values.items():
                torch.testing.assert_close(made[0].values[key], value, rtol=1e-2, atol=1e-3)


def test_it_goes_on_from_where_it_was_interrupted(few: Dataset, tmp_path: Path) -> None:
    wiring = wiring_named("FC10")
    whole = train_together(wiring, RECIPE, few, SEEDS, checkpoint=tmp_path / "whole")

    def interrupt(done: float, score: float) -> None:
        raise KeyboardInterrupt

    given = (wiring, RECIPE, few, SEEDS)
    with pytest.raises(KeyboardInterrupt):
        train_together(*given, checkpoint=tmp_path / "half", report=interrupt)
    resumed = train_together(*given, checkpoint=tmp_path / "half")
    for one, other in zip(whole, resumed, strict=True):
        assert one
        assert other
        assert one[1] == other[1]
        for key, value in one[0].values.items():
            assert torch.equal(other[0].values[key], value)


def test_one_that_diverges_leaves_the_others_alone(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring = wiring_named("FC10")
    usual = train_together(wiring, RECIPE, few, SEEDS, checkpoint=tmp_path / "usual")
    initial = population.Network.initial

    def ill(wiring, stream):  # type: ignore[no-untyped-def]
        network = initial(wiring, stream)
        if stream == population.stream_of(wiring, SEEDS[0]):
            next(iter(network.values.values())).data.fill_(torch.nan)
        return network

    monkeypatch.setattr(population.Network, "initial", staticmethod(ill))
    first, second = train_together(wiring, RECIPE, few, SEEDS, checkpoint=tmp_path / "ill")
    assert first is None
    assert second
    assert usual[1]
    for key, value in usual[1][0].values.items():
        assert torch.equal(second[0].values[key], value)


def test_the_unit_leaves_each_under_its_own_key(
    empty_cache: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many at a time as memory holds; those that are there already are left as they are."""
    held: list[int] = []

    def scarce(wiring, recipe, data, seeds, **others):  # type: ignore[no-untyped-def]
        if len(seeds) > 1:
            raise torch.OutOfMemoryError("out of memory")
        held.extend(seeds)
        return train_together(wiring, recipe, data, seeds, **others)

    monkeypatch.setattr(population, "train_together", scarce)
    recipe = Recipe(epochs=1, batch=200, rate=1e-3)
    alone = [Train(wiring_named("FC10"), recipe, seed, bench) for seed in (1, 2, 3)]
    alone[1].run(lambda done, score: None)
    Together(tuple(alone)).run(lambda done, score: None)
    assert held == [1, 3]
    for each in alone:
        assert load_individual(empty_cache / "units" / "train" / each.key).wiring == each.wiring
    assert not list((empty_cache / "units" / "training").glob("*"))


def test_one_alone_on_a_gpu_goes_the_same_way(
    empty_cache: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key stands for the numbers of one way only; the GPU is played by the CPU."""
    found: list[tuple[int, ...]] = []

    def on_cpu(wiring, recipe, data, seeds, *, device, **others):  # type: ignore[no-untyped-def]
        assert device.type == "cuda"
        found.append(tuple(seeds))
        return train_together(wiring, recipe, data, seeds, **others) if seeds[0] < 9 else [None]

    monkeypatch.setattr(population, "train_together", on_cpu)
    recipe = Recipe(epochs=1, batch=200, rate=1e-3)
    alone = Train(wiring_named("FC10"), recipe, 4, replace(bench, device="cuda"))
    alone.run(lambda done, score: None)
    assert found == [(4,)]
    assert is_complete(alone)
    assert not list((empty_cache / "units" / "training").glob("*"))
    with pytest.raises(Diverged, match=r"FC10 \(seed 9\) met a loss that is no number; lower"):
        replace(alone, seed=9).run(lambda done, score: None)


def test_individuals_are_trained_together_on_a_gpu_alone() -> None:
    wiring, seeds = wiring_named("fc-b"), range(10, 10 + MOST + 2)
    cpu, cuda = (Bench("digits", None, "", device, "tests") for device in ("cpu", "cuda"))
    assert cohorts([Train(wiring, RECIPE, seed, cpu) for seed in seeds]) == []
    alone = Train(wiring_named("fc-bl"), RECIPE, 5, cuda)
    units = [Train(wiring, RECIPE, seed, cuda) for seed in seeds]
    first, last = cohorts([alone, *units])
    assert first.units == tuple(units[:MOST])
    assert last.units == tuple(units[MOST:])
    adversarial = Recipe(**dict(RECIPE) | {"objective": "adversarial", "epsilon": 0.1})
    assert not trains_together(wiring, adversarial)
    assert cohorts([Train(wiring, adversarial, seed, cuda) for seed in seeds]) == []
