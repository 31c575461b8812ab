"""One individual's training: resumed, repeated, diverged, saved and loaded again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from experiments import objective, training
from experiments.data.dataset import Dataset, Split
from experiments.recipe import Recipe
from experiments.training import Diverged, accuracy, load_individual, save_individual, train
from networks import (
    Area,
    BlindspotsError,
    InputUnit,
    Projection,
    RateUnit,
    SpikingUnit,
    Wiring,
    wiring_named,
)
from sim import Network


def chain(unit: RateUnit | SpikingUnit, *, lateral: bool = False, name: str = "tiny") -> Wiring:
    """784-12-10, the hidden area with or without a loop."""
    loop = [Projection(source="h", target="h", kind="lateral")] if lateral else []
    return Wiring(
        name=name,
        areas=(
            Area(name="input", shape=(1, 28, 28), unit=InputUnit()),
            Area(name="h", shape=(12,), unit=unit),
            Area(name="output", shape=(10,), unit=RateUnit(activation="identity")),
        ),
        projections=(
            Projection(source="input", target="h"),
            Projection(source="h", target="output"),
            *loop,
        ),
        steps=5,
    )


PLAIN = chain(RateUnit())
USUAL = Recipe(epochs=4, batch=32, rate=5e-3)
CASES = {
    "plain": (PLAIN, USUAL),
    "lateral": (chain(RateUnit(leak=0.5), lateral=True), USUAL),
    "spiking": (chain(SpikingUnit(), lateral=True), USUAL),
    "decay": (PLAIN, Recipe(epochs=4, batch=32, rate=5e-3, weight_decay=0.1)),
    "shift": (PLAIN, Recipe(epochs=4, batch=32, rate=5e-3, shift=2)),
    "noise": (PLAIN, Recipe(epochs=4, batch=32, rate=5e-3, objective="noise", epsilon=0.2)),
    "adversarial": (
        PLAIN,
        Recipe(epochs=4, batch=32, rate=5e-3, objective="adversarial", epsilon=0.1),
    ),
    "adversarial, spiking": (
        chain(SpikingUnit(), lateral=True),
        Recipe(
            epochs=4,
            batch=32,
            rate=5e-3,
            objective="adversarial",
            epsilon=0.3,
            attack_steps=2,
        ),
    ),
    "autoencoder": (
        chain(RateUnit(activation="sigmoid")),
        Recipe(epochs=4, batch=32, rate=5e-3, autoencoder=2),
    ),
}


class Stopped(Exception):
    """What comes between."""


def stop_at(fraction: float) -> Callable[[float, float], None]:
    """A report that ends training once so much is done."""

    def report(done: float, score: float) -> None:
        if done >= fraction:
            raise Stopped

    return report


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """The first of the bundled digits."""
    return Dataset(
        digits.name,
        train=Split(*(part[:160] for part in digits.train)),
        validation=Split(*(part[:80] for part in digits.validation)),
        test=digits.test,
        sha256="",
    )


def values(network: Network) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in network.values.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def resumed(
    wiring: Wiring, recipe: Recipe, data: Dataset, fraction: float, directory: Path
) -> tuple[tuple[Network, dict[str, object]], list[float]]:
    """What comes out of a training that was stopped once, and what its second half reported."""
    with pytest.raises(Stopped):
        train(wiring, recipe, data, 3, checkpoint=directory, report=stop_at(fraction))
    told: list[float] = []
    out = train(
        *(wiring, recipe, data, 3),
        checkpoint=directory,
        report=lambda done, score: told.append(done),
    )
    return out, told


@pytest.mark.parametrize("case", CASES)
def test_stopped_after_an_epoch_and_resumed_is_never_stopped(
    case: str, few: Dataset, tmp_path: Path
) -> None:
    wiring, recipe = CASES[case]
    whole, facts = train(wiring, recipe, few, 3, checkpoint=tmp_path / "whole")
    (again, facts_again), told = resumed(wiring, recipe, few, 0.5, tmp_path / "stopped")
    assert min(told) >= 0.5
    assert facts_again == facts
    assert same(values(again), values(whole))


def test_stopped_within_an_epoch_repeats_that_epoch_alone(few: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, batch=2, rate=1e-3)
    whole, facts = train(PLAIN, recipe, few, 3, checkpoint=tmp_path / "whole")
    (again, facts_again), told = resumed(PLAIN, recipe, few, 0.5, tmp_path / "stopped")
    assert min(told) == pytest.approx(1 / 3)
    assert facts_again == facts
    assert same(values(again), values(whole))


def test_stopped_before_the_first_epoch_ended(few: Dataset, tmp_path: Path) -> None:
    wiring, recipe = CASES["autoencoder"]
    whole, _ = train(wiring, recipe, few, 3, checkpoint=tmp_path / "whole")
    (again, _), _ = resumed(wiring, recipe, few, 0.0, tmp_path / "stopped")
    assert same(values(again), values(whole))


@pytest.mark.parametrize("left", [0, 5, 500, -1])
def test_a_damaged_checkpoint_is_as_good_as_none(left: int, few: Dataset, tmp_path: Path) -> None:
    whole, facts = train(PLAIN, USUAL, few, 3, checkpoint=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    again, facts_again = train(PLAIN, USUAL, few, 3, checkpoint=tmp_path)
    assert facts_again == facts
    assert same(values(again), values(whole))


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.2, 0.9, 0.8, 0.3], 2),
        ([0.9, 0.2, 0.3, 0.4], 1),
        ([0.1, 0.2, 0.3, 0.4], 4),
        ([0.1, 0.9, 0.9, 0.4], 3),
    ],
)
def test_the_weights_are_those_of_the_best_validation_epoch(
    scores: list[float],
    best: int,
    few: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights of each epoch are read off the checkpoint that is written after it."""
    left = iter(scores)
    after: list[dict[str, Tensor]] = []
    monkeypatch.setattr(training, "accuracy", lambda network, split: next(left))

    def keep(done: float, score: float) -> None:
        if done * 4 == len(after) + 1:
            tensors = load_file(tmp_path / "checkpoint.safetensors")
            after.append({k[4:]: v for k, v in tensors.items() if k.startswith("now/")})

    network, facts = train(PLAIN, USUAL, few, 0, checkpoint=tmp_path, report=keep)
    assert facts == {"seed": 0, "validation": scores, "best_epoch": best}
    assert [same(values(network), each) for each in after] == [e == best for e in range(1, 5)]


def test_the_history_is_measured_on_the_validation_images(few: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(epochs=15, batch=16, rate=1e-2)
    network, facts = train(PLAIN, recipe, few, 0, checkpoint=tmp_path)
    with torch.no_grad():
        right = network(few.validation.images).argmax(1) == few.validation.labels
    assert max(facts["validation"]) == pytest.approx(float(right.double().mean()))
    assert facts["validation"][-1] > 0.5


def test_accuracy_counts_every_image_once(digits: Dataset) -> None:
    def pixels(images: Tensor) -> Tensor:
        return images.flatten(1)[:, 300:310]

    answers = digits.test.images.numpy().reshape(500, -1)[:, 300:310].argmax(1)
    expected = (answers == digits.test.labels.numpy()).mean()
    for batch in (1, 7, 500, 1000):
        assert accuracy(pixels, digits.test, batch) == pytest.approx(expected)


def test_a_seed_decides_the_weights_and_the_global_generator_does_not(
    few: Dataset, tmp_path: Path
) -> None:
    trained = []
    for at, (seed, noise) in enumerate([(0, 1), (0, 2), (1, 1)]):
        torch.manual_seed(noise)
        network, _ = train(
            *(PLAIN, Recipe(epochs=2, batch=32, rate=5e-3, shift=1), few, seed),
            checkpoint=tmp_path / str(at),
        )
        trained.append(values(network))
    assert same(trained[0], trained[1])
    assert not any(torch.equal(trained[0][k], trained[2][k]) for k in trained[0])


def test_parts_are_disjoint_and_make_up_the_whole(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image bears its number, and each epoch shows each image of the part once."""
    numbered = few.train.images.clone()
    numbered[:, 0, 0, 0] = torch.arange(160) / 1000
    data = Dataset("", Split(numbered, few.train.labels), few.validation, few.test, "")
    seen: list[int] = []

    def watch(network: Network, recipe: Recipe, split: Split, chosen: Tensor, *_: object) -> Tensor:
        seen.extend((split.images[chosen][:, 0, 0, 0] * 1000).round().int().tolist())
        return split.images[chosen]

    monkeypatch.setattr(objective, "perturbed", watch)
    parts = []
    for seed in range(4):
        recipe = Recipe(epochs=2, batch=16, rate=1e-3, parts=3)
        train(PLAIN, recipe, data, seed, checkpoint=tmp_path / str(seed))
        half = len(seen) // 2
        assert sorted(seen[:half]) == sorted(seen[half:])
        assert seen[:half] != seen[half:]
        assert len(set(seen)) == half
        parts.append(set(seen))
        seen.clear()
    assert parts[0] | parts[1] | parts[2] == set(range(160))
    assert sum(map(len, parts[:3])) == 160
    assert parts[3] == parts[0]


def test_divergence_names_network_seed_and_rate(few: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch=32, rate=1e38)
    with pytest.raises(Diverged, match=r"tiny \(seed 7\) .* loss of (nan|inf) .*1e\+38"):
        train(PLAIN, recipe, few, 7, checkpoint=tmp_path)


def test_adversarial_training_diverges_alike(few: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch=32, rate=1e38, objective="adversarial", epsilon=0.1)
    with pytest.raises(Diverged, match=r"tiny \(seed 7\) .* loss of (nan|inf)"):
        train(PLAIN, recipe, few, 7, checkpoint=tmp_path)


def test_images_that_are_not_numbers_diverge_at_once(few: Dataset, tmp_path: Path) -> None:
    broken = Split(few.train.images * float("nan"), few.train.labels)
    data = Dataset("", broken, few.validation, few.test, "")
    with pytest.raises(Diverged, match="loss of nan in epoch 1"):
        train(PLAIN, USUAL, data, 0, checkpoint=tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_that_cannot_be_written_is_one_sentence(few: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BlindspotsError, match=r"cannot be written \(Not a directory\)"):
        train(PLAIN, USUAL, few, 0, checkpoint=tmp_path / "file" / "below")


def test_a_full_disk_is_one_sentence(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("experiments.checkpoint.save_file", full)
    with pytest.raises(BlindspotsError, match="No space left on device"):
        train(PLAIN, USUAL, few, 0, checkpoint=tmp_path)


# Saved and loaded


@pytest.mark.parametrize("name", ["FC10", "fc-blt-modular-spiking", "conv-blt", "fc-blt-sparse"])
def test_an_individual_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    network = Network.initial(wiring_named(name), 5)
    save_individual(network, {"seed": 5, "validation": [0.5]}, tmp_path)
    again = load_individual(tmp_path)
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert again.wiring == network.wiring
    assert same(values(again), values(network))
    assert torch.equal(again(images), network(images))
    assert json.loads((tmp_path / "training.json").read_text())["validation"] == [0.5]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("weights.safetensors", None),
        ("weights.safetensors", b""),
        ("weights.safetensors", b"these are no weights, and never were"),
        ("weights.safetensors", 100),
        ("weights.safetensors", -1),
        ("wiring.json", None),
        ("wiring.json", b"\xff\xfe\x00"),
        ("wiring.json", b"{"),
        ("wiring.json", b"{}"),
        ("wiring.json", wiring_named("fc-bl").to_json().encode()),
        ("wiring.json", wiring_named("FC100-100-10").to_json().encode()),
    ],
)
def test_what_is_damaged_or_missing_is_one_sentence(
    file: str, content: bytes | int | None, tmp_path: Path
) -> None:
    save_individual(Network.initial(wiring_named("fc-b"), 0), {}, tmp_path)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(whole[:content] if isinstance(content, int) else content)
    with pytest.raises(BlindspotsError) as error:
        load_individual(tmp_path)
    assert "\n" not in str(error.value)
