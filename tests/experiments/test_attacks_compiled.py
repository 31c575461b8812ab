"""The ascent in C++ beside that in Python, which asks about the same images in other batches."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.training_step import lively
from experiments.attacks import ascent
from experiments.attacks.compiled import is_led
from experiments.attacks.cost import Cost, counting
from experiments.attacks.goal import Goal
from experiments.attacks.gradient import pgd_linf
from experiments.attacks.victim import MaskedGradientWarning, under_attack
from networks import BlindspotsError, from_toml, wiring_named
from networks.catalogue import NAMES
from sim import Network

pytestmark = pytest.mark.usefixtures("compiled")

WIRING = """
name = "mixed"
steps = 9
areas = [
  { name = "input", shape = [1, 6, 6], unit = { model = "input" } },
  { name = "a", shape = [37], unit = { model = "rate", activation = "sigmoid", leak = 0.6 } },
  { name = "b", shape = [11], unit = { model = "rate", activation = "tanh", leak = 0.3 } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity", leak = 0.5 } },
]
projections = [
  { source = "input", target = "a" },
  { source = "input", target = "b", kind = "skip", delay = 3 },
  { source = "a", target = "b" },
  { source = "a", target = "a", kind = "lateral", pattern = { model = "one-to-one" } },
  { source = "b", target = "a", kind = "top-down", delay = 2 },
  { source = "b", target = "output" },
]
"""
GRIDS = """
name = "grids"
steps = 9
areas = [
  { name = "input", shape = [1, 6, 6], unit = { model = "input" } },
  { name = "a", shape = [5, 6, 6], unit = { model = "rate", activation = "sigmoid", leak = 0.6 } },
  { name = "b", shape = [9, 3, 3], unit = { model = "rate", activation = "tanh", leak = 0.3 } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity", leak = 0.5 } },
]
[[projections]]
source = "input"
target = "a"
pattern = { model = "convolution", kernel = 3 }
[[projections]]
source = "input"
target = "b"
kind = "skip"
delay = 3
[[projections]]
source = "a"
target = "b"
pattern = { model = "convolution", kernel = 3, stride = 2 }
[[projections]]
source = "a"
target = "a"
kind = "lateral"
pattern = { model = "one-to-one" }
[[projections]]
source = "b"
target = "a"
kind = "top-down"
delay = 2
pattern = { model = "convolution", kernel = 3, stride = 2, upward = false }
[[projections]]
source = "b"
target = "output"
"""
SPIKING = """
name = "spiking"
steps = 10
areas = [
  { name = "input", shape = [1, 6, 6], unit = { model = "input" } },
  { name = "a", shape = [100], unit = { model = "lif", beta = 0.5, threshold = 0.2 } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity", leak = 0.5 } },
]
projections = [
  { source = "input", target = "a" },
  { source = "a", target = "a", kind = "lateral" },
  { source = "a", target = "output" },
]
"""
EPSILONS = [0.02, 0.05, 0.1, 0.2]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(
    params=[(WIRING, "mean"), (WIRING, "last"), (GRIDS, "mean")], ids=["mean", "last", "grids"]
)
def network(request: pytest.FixtureRequest) -> Network:
    """Smooth, so that rounding decides next to nothing."""
    wiring, readout = request.param
    return lively(from_toml(wiring).replace(readout=readout))


@pytest.fixture
def shown(network: Network) -> tuple[Tensor, Tensor]:
    """More images than go in a block, and labels; every seventh image is wrong as it is."""
    images = torch.rand(200, 1, 6, 6, generator=seeded(1))
    labels = network(images).argmax(1)
    labels[::7] = (labels[::7] + 1) % 3
    return images, labels


def attack(network: Network, shown: tuple[Tensor, Tensor], **settings: Any) -> tuple[Tensor, Cost]:
    settings = {"steps": 8, "restarts": 2, **settings}
    with counting() as cost:
        found = pgd_linf(network, *shown, epsilons=EPSILONS, generator=seeded(2), **settings)
    return found, cost


def in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ascent, "is_led", lambda victim: False)


@pytest.mark.parametrize("keep_going", [False, True])
def test_it_finds_and_asks_what_the_one_in_python_does(
    keep_going: bool,
    network: Network,
    shown: tuple[Tensor, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led, cost = attack(network, shown, keep_going=keep_going)
    in_python(monkeypatch)
    found, asked = attack(network, shown, keep_going=keep_going)
    # where a slope is next to nought its sign is a matter of rounding
    assert ((led - found).abs() > 1e-5).double().mean() < 1e-3
    judged_again = len(shown[0]) * (len(EPSILONS) if keep_going else 1)  # the clean images
    assert cost.forward - judged_again == pytest.approx(asked.forward, rel=0.01)
    assert cost.backward == pytest.approx(asked.backward, rel=0.01)
    robust = (torch.stack([network(each).argmax(1) for each in led]) == shown[1]).double().mean(1)
    assert 0.05 < robust[2] < robust[0] < 0.87  # images fall at several budgets, some at none


def test_no_image_depends_on_others_to_the_last_bit(
    network: Network, shown: tuple[Tensor, Tensor]
) -> None:
    images, labels = shown
    together = attack(network, shown, restarts=1, random_start=False)[0]
    torch.set_num_threads(2)
    with_threads = attack(network, shown, restarts=1, random_start=False)[0]
    torch.set_num_threads(1)
    few = attack(network, shown, restarts=1, random_start=False, batch_size=7)[0]
    alone = attack(network, (images[9:10], labels[9:10]), restarts=1, random_start=False)[0]
    assert torch.equal(with_threads, together)
    assert torch.equal(few, together)
    assert torch.equal(alone, together[:, 9:10])


def test_nor_on_whether_others_spike_at_most_units() -> None:
    """Sums over few spikes and over many are added in another order, image by image."""
    network = lively(from_toml(SPIKING))
    with torch.no_grad():
        network.values["weight/input>a"].add_(0.03)
    bright = torch.linspace(0.1, 1, 120)[torch.randperm(120, generator=seeded(1))]
    images = torch.rand(120, 1, 6, 6, generator=seeded(0)) * bright.reshape(-1, 1, 1, 1)
    shown = images, network(images).argmax(1)
    settings: dict[str, Any] = {"steps": 20, "restarts": 1, "random_start": False}
    together = attack(network, shown, **settings)[0]
    assert torch.equal(attack(network, shown, batch_size=1, **settings)[0], together)


@pytest.mark.parametrize(
    "name",
    ["fc-blt-spiking", "fc-bt-modular-spiking", "fc-blt-sparse", "conv-bt", "conv-bl-spiking"],
)
def test_networks_of_the_catalogue(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_beside(name, 24, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_the_catalogue(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_beside(name, 48, monkeypatch)


def hold_beside(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps, after which roundings have hardly tipped a spike over."""
    network = lively(wiring_named(name))
    images = torch.rand(count, 1, 28, 28, generator=seeded(1))
    network.generator = seeded(3)
    labels = network(images).argmax(1)
    found = []
    for _ in range(2):
        network.generator = seeded(3)
        found.append(attack(network, (images, labels), steps=3, restarts=1)[0])
        in_python(monkeypatch)
    led, expected = found
    apart = (led - expected).flatten(2).abs().amax(2) > 1e-5
    assert apart.double().mean() <= 0.05
    assert (led - images).abs().max() > 0.01


def test_what_it_does_not_know_is_left_to_python(network: Network) -> None:
    """Another loss, model or type, networks that answer by chance or in one pass."""

    def led(model: Any, goal: Goal | None = None, **kind: Any) -> bool:
        shape = model.wiring.input.shape if isinstance(model, Network) else (1, 6, 6)
        images, labels = torch.zeros(2, *shape, **kind), torch.zeros(2, dtype=torch.int64)
        with under_attack(model, images, labels, goal) as victim:
            return is_led(victim)

    assert led(network)
    assert led(Network.initial(wiring_named("fc-blt-spiking"), 0))
    coloured = from_toml(GRIDS.replace("shape = [1, 6, 6]", "shape = [2, 6, 6]"))
    assert not led(Network.initial(coloured, 0))  # with channels first, grids with channels last
    assert not led(network, Goal("margin"))
    assert not led(network, Goal(targeted=True))
    assert not led(nn.Sequential(network))
    assert not led(Network.initial(network.wiring, 0).double(), dtype=torch.float64)
    assert led(Network.initial(wiring_named("conv-blt"), 0))
    for name in ("fc-b", "conv-b", "fc-blt-spiking-poisson", "fc-blt-spiking-latency"):
        assert not led(Network.initial(wiring_named(name), 0))


@pytest.mark.parametrize("hung", ["forward", "before", "after", "back"])
def test_a_network_that_something_hangs_on_is_left_to_python(hung: str, network: Network) -> None:
    """Such as noise that is added to images, or logits that are masked: a defence."""
    if hung == "forward":
        network.forward = lambda images: Network.forward(network, 1 - images)  # type: ignore
    elif hung == "before":
        network.register_forward_pre_hook(lambda _, given: (1 - given[0],))
    elif hung == "after":
        network.register_forward_hook(lambda _, given, logits: logits.flip(1))
    else:
        network.register_full_backward_hook(lambda _, by_given, by_logits: by_given)
    images, labels = torch.zeros(2, 1, 6, 6), torch.zeros(2, dtype=torch.int64)
    with under_attack(network, images, labels) as victim:
        assert not is_led(victim)


def test_labels_that_lie_apart(network: Network, shown: tuple[Tensor, Tensor]) -> None:
    images, labels = shown
    apart = torch.stack([labels, 2 - labels], 1)[:, 0]
    found = attack(network, (images[:9], labels[:9]), steps=2)[0]
    assert torch.equal(attack(network, (images[:9], apart[:9]), steps=2)[0], found)


def test_gradients_of_nought_are_told(network: Network, shown: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for area in ("a", "b"):
            network.values[f"weight/input>{area}"].zero_()
    labels = network(shown[0]).argmax(1)
    with pytest.warns(MaskedGradientWarning, match=r"for 100 % of the attacked"):
        attack(network, (shown[0], labels))


def test_answers_that_are_not_finite_are_one_sentence() -> None:
    """Of images that are changed alone: the clean ones are asked about in Python."""
    network, black = lively(from_toml(WIRING.replace("tanh", "identity"))), torch.zeros(9, 1, 6, 6)
    with torch.no_grad():
        network.values["weight/input>b"].fill_(3e38)
    with pytest.raises(BlindspotsError, match="logits that are not finite"):
        attack(network, (black, network(black).argmax(1)))


@pytest.mark.parametrize("grow", [Tensor.mul_, Tensor.fill_], ids=["no number", "infinite"])
def test_gradients_that_are_not_finite_are_one_sentence(
    grow: Callable[[Tensor, float], Tensor], shown: tuple[Tensor, Tensor]
) -> None:
    """Large weights between areas whose spikes keep all answers small."""
    spiking = 'model = "lif", surrogate = "straight_through_estimator"'
    rate = 'model = "rate", activation = '
    wiring = WIRING.replace(f'{rate}"sigmoid", leak = 0.6', spiking)
    network = lively(from_toml(wiring.replace(f'{rate}"tanh", leak = 0.3', spiking)))
    with torch.no_grad():
        for name in ("weight/input>a", "weight/a>b"):
            grow(network.values[name], 1e30)
        if grow is Tensor.fill_:  # all of one sign; else infinities of both meet
            for name in ("weight/b>a", "weight/a>a"):
                network.values[name].zero_()
    with pytest.raises(BlindspotsError, match="gradient by the input is not finite"):
        attack(network, (shown[0], network(shown[0]).argmax(1)))
