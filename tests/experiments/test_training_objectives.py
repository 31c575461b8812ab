"""What individuals are trained on: shifted, noisy and adversarial inputs, and how fast."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from experiments import adversarial, objective, training
from experiments.adam import Adam
from experiments.adversarial import attacked, budget, robust_accuracy
from experiments.attacks.gradient import pgd_linf
from experiments.autoencoder import first_layer
from experiments.data.dataset import Dataset, Split
from experiments.recipe import Recipe, recipe_for
from experiments.training import accuracy, one_cycle, train
from networks import NAMES, Area, InputUnit, Projection, RateUnit, Wiring, wiring_named
from sim import Network

SMALL = Wiring(
    name="small",
    areas=(
        Area(name="input", shape=(1, 28, 28), unit=InputUnit()),
        Area(name="h", shape=(64,), unit=RateUnit()),
        Area(name="output", shape=(10,), unit=RateUnit(activation="identity")),
    ),
    projections=(Projection(source="input", target="h"), Projection(source="h", target="output")),
    steps=3,
)


def perturbed(recipe: Recipe, split: Split, network: Network, seed: int = 0) -> Tensor:
    """What a batch of all of ``split`` becomes."""
    everything = torch.arange(len(split.labels))
    generator = torch.Generator().manual_seed(seed)
    return objective.perturbed(network, recipe, split, everything, generator, 1.0).detach()


def recipe_of(**changes: object) -> Recipe:
    return Recipe.model_validate({"epochs": 1, "batch": 50, "rate": 5e-3, **changes})


@pytest.fixture(scope="module")
def network(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Trained as usual."""
    recipe = recipe_of(epochs=12)
    return train(SMALL, recipe, digits, 0, checkpoint=tmp_path_factory.mktemp("usual"))[0]


@pytest.fixture
def some(digits: Dataset) -> Split:
    return Split(digits.train.images[:60], digits.train.labels[:60])


# Shifts


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """``image`` rolled, and black where it came around."""
    rolled = np.roll(image, (down, right), (0, 1))
    rows, columns = np.indices(image.shape)
    comes_from = (rows - down, columns - right)
    inside = (comes_from[0] >= 0) & (comes_from[0] < image.shape[0])
    inside &= (comes_from[1] >= 0) & (comes_from[1] < image.shape[1])
    return np.where(inside, rolled, 0)


@pytest.mark.parametrize("most", [1, 2, 4])
def test_each_image_moves_by_its_own_whole_pixels(most: int) -> None:
    images = np.random.default_rng(0).random((150, 1, 28, 28)).astype(np.float32)
    generator = torch.Generator().manual_seed(1)
    found = objective.shifted(torch.from_numpy(images), most, generator).numpy()
    steps = range(-most, most + 1)
    ways = []
    for before, after in zip(images[:, 0], found[:, 0], strict=True):
        fits = [(y, x) for y in steps for x in steps if np.array_equal(moved(before, y, x), after)]
        assert len(fits) == 1
        ways.append(fits[0])
    assert {y for y, _ in ways} == {x for _, x in ways} == set(steps)


def test_all_moves_are_equally_likely() -> None:
    dot = torch.zeros(5000, 1, 28, 28)
    dot[:, 0, 14, 14] = 1
    found = objective.shifted(dot, 1, torch.Generator().manual_seed(0))
    assert torch.equal(found.sum((1, 2, 3)), torch.ones(5000))
    seen = found[:, 0, 13:16, 13:16].sum(0)
    assert float(seen.sum()) == 5000
    expected = 5000 / 9
    assert float(((seen - expected) ** 2 / expected).sum()) < 26.1  # chi-squared, 8 df, p = 0.001


def test_standard_inputs_are_the_images(network: Network, some: Split) -> None:
    assert torch.equal(perturbed(recipe_of(), some, network), some.images)


# Noise


def test_noise_has_the_deviation_that_was_asked_for(network: Network) -> None:
    grey = Split(torch.full((200, 1, 28, 28), 0.5), torch.zeros(200, dtype=torch.int64))
    change = perturbed(recipe_of(objective="noise", epsilon=0.1), grey, network) - 0.5
    assert float(change.std()) == pytest.approx(0.1, rel=0.01)
    assert abs(float(change.mean())) < 0.001
    across = change.flatten(1).numpy()
    assert abs(np.corrcoef(across[:, 300], across[:, 301])[0, 1]) < 0.3
    assert not np.array_equal(across[0], across[1])


def test_noise_stays_in_the_box(network: Network, some: Split) -> None:
    inputs = perturbed(recipe_of(objective="noise", epsilon=0.5), some, network)
    assert float(inputs.min()) == 0
    assert float(inputs.max()) == 1


# Adversarial inputs


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_adversarial_inputs_spend_the_budget_and_raise_the_loss(
    epsilon: float, network: Network, some: Split
) -> None:
    inputs = perturbed(recipe_of(objective="adversarial", epsilon=epsilon), some, network)
    change = (inputs - some.images).abs()
    assert float(change.max()) <= epsilon + 1e-6
    assert float(change.max()) == pytest.approx(epsilon, abs=1e-6)
    assert float(inputs.min()) >= 0
    assert float(inputs.max()) <= 1
    with torch.no_grad():
        before = cross_entropy(network(some.images), some.labels, reduction="none")
        after = cross_entropy(network(inputs), some.labels, reduction="none")
    assert float(after.mean()) > 1.5 * float(before.mean())
    assert float((after >= before - 1e-5).double().mean()) > 0.95


def test_shifted_images_are_attacked_where_they_were_shifted_to(
    network: Network, some: Split
) -> None:
    recipe = recipe_of(objective="adversarial", epsilon=0.1, shift=2)
    shifted = objective.shifted(some.images, 2, torch.Generator().manual_seed(4))
    inputs = perturbed(recipe, some, network, seed=4)
    assert float((inputs - shifted).abs().max()) <= 0.1 + 1e-6
    assert not torch.equal(shifted, some.images)


def test_attacking_leaves_the_network_as_it_was(network: Network, some: Split) -> None:
    before = {name: value.detach().clone() for name, value in network.values.items()}
    perturbed(recipe_of(objective="adversarial", epsilon=0.1), some, network)
    assert all(torch.equal(value, before[name]) for name, value in network.values.items())
    assert all(value.requires_grad for value in network.values.values())


def under_pgd(network: nn.Module, split: Split, epsilon: float) -> float:
    inputs = pgd_linf(
        *(network, split.images, split.labels),
        epsilons=[epsilon],
        generator=torch.Generator().manual_seed(9),
        steps=15,
    )[0]
    return accuracy(network, Split(inputs, split.labels))


@pytest.mark.filterwarnings("error")
def test_adversarial_training_makes_robust(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    recipe = recipe_of(epochs=12, objective="adversarial", epsilon=0.05)
    robust, _ = train(SMALL, recipe, digits, 0, checkpoint=tmp_path)
    test = Split(digits.test.images[:200], digits.test.labels[:200])
    assert accuracy(robust, test) > 0.8
    assert under_pgd(robust, test, 0.1) > under_pgd(network, test, 0.1) + 0.2


def test_training_on_noise_makes_robust_to_noise(
    network: Network, digits: Dataset, tmp_path: Path
) -> None:
    recipe = recipe_of(epochs=12, objective="noise", epsilon=0.6)
    used_to, _ = train(SMALL, recipe, digits, 0, checkpoint=tmp_path)
    noise = torch.randn(digits.test.images.shape, generator=torch.Generator().manual_seed(0))
    noisy = Split((digits.test.images + 0.6 * noise).clamp(0, 1), digits.test.labels)
    assert accuracy(used_to, noisy) > accuracy(network, noisy) + 0.05


@pytest.fixture
def linear() -> nn.Module:
    """Two classes, so that the loss rises along one direction everywhere."""
    layer = nn.Linear(784, 2)
    weight = torch.randn(2, 784, generator=torch.Generator().manual_seed(2)) / 28
    layer.load_state_dict({"weight": weight, "bias": torch.zeros(2)})
    return nn.Sequential(nn.Flatten(), layer)


def grey(count: int) -> Tensor:
    """Images that no budget up to 0.3 takes out of the box."""
    chance = torch.Generator().manual_seed(5)
    return 0.3 + 0.4 * torch.rand((count, 1, 28, 28), generator=chance)


def uphill(linear: nn.Sequential, labels: Tensor) -> Tensor:
    """The sign of the gradient of the loss of a linear model."""
    weight = linear[1].weight.detach()
    return torch.sign(weight[1 - labels] - weight[labels]).reshape(-1, 1, 28, 28)


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_several_steps_end_in_the_worst_corner_of_a_linear_model(
    linear: nn.Sequential, steps: int
) -> None:
    images, labels = grey(20), torch.arange(20) % 2
    points = attacked(linear, images, labels, 0.2, steps, torch.Generator().manual_seed(0))
    assert torch.allclose(points, images + 0.2 * uphill(linear, labels), atol=1e-6)


def test_one_step_goes_on_from_a_random_start(linear: nn.Sequential) -> None:
    """Of a start that is uniform in -1 .. 1, a step of 1.25 leaves an eighth within the ball."""
    images, labels = grey(50), torch.arange(50) % 2
    points = attacked(linear, images, labels, 0.2, 1, torch.Generator().manual_seed(0))
    along = (points - images) * uphill(linear, labels) / 0.2
    assert float(along.min()) >= 0.25 - 1e-5
    assert float(along.max()) <= 1 + 1e-5
    assert float((along < 1 - 1e-4).double().mean()) == pytest.approx(0.75 / 2, abs=0.01)


def test_robust_accuracy_of_a_linear_model_is_known(linear: nn.Sequential) -> None:
    """An image withstands if its margin exceeds epsilon times the l1 norm of the difference."""
    images = grey(200)
    weight = linear[1].weight.detach()
    with torch.no_grad():
        margin = linear(images) @ torch.tensor([1.0, -1.0])
    labels = (margin < 0).long()
    for epsilon in (0.001, 0.003, 0.006):
        expected = (margin.abs() > epsilon * (weight[0] - weight[1]).abs().sum()).double().mean()
        assert 0.05 < expected < 0.95
        assert robust_accuracy(linear, Split(images, labels), epsilon) == pytest.approx(expected)


def test_epochs_of_a_spiking_network_are_judged_along_several_gradients(
    some: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = []

    def watched(*given: object, **options: object) -> Tensor:
        followed.append(options["guide"])
        return pgd_linf(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(adversarial, "pgd_linf", watched)
    robust_accuracy(Network.initial(wiring_named("fc-blt-spiking"), 0), some, 0.1)
    assert followed[0] is None
    assert len(followed) == 5
    assert all(guide is not None for guide in followed[1:])


@pytest.mark.parametrize(
    ("rise", "expected"),
    [
        (0.4, {0.0: 0.0, 0.1: 0.075, 0.2: 0.15, 0.4: 0.3, 0.7: 0.3, 1.0: 0.3}),
        (1.0, {0.0: 0.0, 0.5: 0.15, 1.0: 0.3}),
        (0.0, {0.0: 0.3, 0.5: 0.3, 1.0: 0.3}),
    ],
)
def test_the_budget_rises_in_a_line(rise: float, expected: dict[float, float]) -> None:
    recipe = recipe_of(objective="adversarial", epsilon=0.3, rise=rise)
    assert {at: budget(recipe, at) for at in expected} == pytest.approx(expected)


def test_training_raises_the_budget_and_keeps_it(
    some: Split, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []

    def watched(network: Network, images: Tensor, *given: object) -> Tensor:
        points = attacked(network, images, *given)  # type: ignore[arg-type]
        spent.append(float((points - images).abs().max()))
        return points

    monkeypatch.setattr(objective, "attacked", watched)
    data = Dataset("", some, digits.validation, digits.test, "")
    recipe = recipe_of(
        epochs=5, batch=15, objective="adversarial", epsilon=0.2, attack_steps=2, rise=0.5
    )
    train(SMALL, recipe, data, 0, checkpoint=tmp_path)
    assert spent == pytest.approx([min(0.02 * i, 0.2) for i in range(20)], abs=1e-6)


def test_the_best_epoch_is_the_most_robust_one(
    some: Split, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clean accuracy, which is best in the last epochs, does not matter."""
    scores = iter([0.1, 0.6, 0.3, 0.2])
    asked = []

    def judged(network: Network, split: Split, epsilon: float) -> float:
        asked.append((split, epsilon))
        return next(scores)

    monkeypatch.setattr(training, "robust_accuracy", judged)
    data = Dataset("", some, digits.validation, digits.test, "")
    recipe = recipe_of(epochs=4, batch=15, objective="adversarial", epsilon=0.1, attack_steps=1)
    _, facts = train(SMALL, recipe, data, 0, checkpoint=tmp_path)
    assert facts == {"seed": 0, "validation": [0.1, 0.6, 0.3, 0.2], "best_epoch": 2}
    assert {epsilon for _, epsilon in asked} == {0.1}
    assert all(torch.equal(split.images, digits.validation.images) for split, _ in asked)


# The learning rate


def scheduled(steps: int) -> list[float]:
    """PyTorch's own one-cycle learning rates, as fractions of the peak."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1.0, total_steps=steps, div_factor=25, final_div_factor=1e12
    )
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return rates


def test_one_cycle_is_that_of_pytorch() -> None:
    """PyTorch counts steps: it peaks at 0.3 N - 1, and ends at N - 1."""
    steps = 200
    peak, last = 0.3 * steps - 1, steps - 1
    for step, expected in enumerate(scheduled(steps)):
        up = 0.3 * step / peak
        down = 0.3 + 0.7 * (step - peak) / (last - peak)
        assert one_cycle(up if step < peak else down) == pytest.approx(expected, abs=1e-9)


def test_one_cycle_begins_peaks_and_ends() -> None:
    assert one_cycle(0) == pytest.approx(1 / 25)
    assert one_cycle(0.3) == pytest.approx(1)
    assert one_cycle(1) == pytest.approx(0)
    rates = [one_cycle(p) for p in np.linspace(0, 1, 501)]
    assert max(rates) == one_cycle(0.3)
    assert np.all(np.diff(rates[:151]) > 0)
    assert np.all(np.diff(rates[150:]) < 0)


def test_training_follows_the_cycle(
    some: Split, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    class Watched(Adam):
        def step(self, rate: float) -> None:
            rates.append(rate)
            super().step(rate)

    monkeypatch.setattr(training, "Adam", Watched)
    data = Dataset("", some, digits.validation, digits.test, "")
    train(SMALL, recipe_of(epochs=5, batch=16), data, 0, checkpoint=tmp_path)
    assert len(rates) == 5 * 4
    assert rates == pytest.approx([5e-3 * one_cycle(i / 20) for i in range(20)])


# Recipes


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_of_every_network_can_be_followed(name: str) -> None:
    wiring = wiring_named(name)
    if recipe_for(wiring).autoencoder:
        assert all(name in Network.initial(wiring, 0).values for name in first_layer(wiring))


def test_szegedys_autoencoder_is_pre_trained() -> None:
    assert recipe_for(wiring_named("AE400-10")).autoencoder > 0
    assert recipe_for(wiring_named("fc-b")).autoencoder == 0
