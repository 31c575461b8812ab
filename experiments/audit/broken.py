"""Controls: models and attacks known to be broken, which the audit must find out, and a sound one.

Each is made from data within seconds, and named with the check that must fail on it. An audit that
misses one cannot be relied on (Carlini et al. 2019, section 5.9).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, relu

from experiments.adam import Adam
from experiments.attacks.victim import Model
from experiments.audit.allowance import Allowance
from experiments.audit.checks import CHECKS
from experiments.audit.finding import Finding, Verdict, verdict
from experiments.audit.subject import Claim, Subject
from experiments.data.dataset import Dataset, Split
from networks import wiring_named
from networks.area import SpikingUnit
from networks.derive import hidden
from sim import Network

TRAINED_ON, PASSES, BATCH, RATE = 2000, 8, 50, 3e-3
IMAGES = 60
WIDTH = 64
EPSILON = 0.1
SMALL = Allowance(images=30, few=30, handful=3, draws=1000, samples=400, steps=10, queries=200)


def taught(model: nn.Module, split: Split) -> nn.Module:
    """The model after a short training, its parameters frozen."""
    chance = torch.Generator().manual_seed(0)
    images, labels = split.images[:TRAINED_ON], split.labels[:TRAINED_ON]
    optimiser = Adam(model.parameters(), fused=False)
    for _ in range(PASSES):
        for chosen in torch.randperm(len(labels), generator=chance).split(BATCH):
            optimiser.zero_grad()
            cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimiser.step(RATE)
    return model.eval().requires_grad_(False)


def perceptron() -> nn.Sequential:
    """784-64-10 with ReLU, its first weights drawn from one seed."""
    chance = torch.Generator().manual_seed(1)
    layers = [nn.Linear(784, WIDTH), nn.Linear(WIDTH, 10)]
    for each in layers:
        nn.init.kaiming_uniform_(each.weight, nonlinearity="relu", generator=chance)
        nn.init.zeros_(each.bias)
    return nn.Sequential(nn.Flatten(), layers[0], nn.ReLU(), layers[1])


class Drawn(nn.Module):
    """Shows the network spikes drawn with the pixels as probabilities: no gradient at all."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.generator = torch.Generator().manual_seed(2)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) to logits (N, 10)."""
        return self.network(torch.bernoulli(images, generator=self.generator))


class Saturated(nn.Module):
    """Answers with probabilities of a network that is sure of everything."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) to probabilities (N, 10)."""
        return (100 * self.network(images)).softmax(1)


class Shaken(nn.Module):
    """Hides most pixels, others at every call."""

    def __init__(self, network: nn.Module, kept: float = 0.3):
        super().__init__()
        self.network, self.kept = network, kept
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) to logits (N, 10)."""
        seen = torch.rand(images.shape, generator=self.generator) < self.kept
        return self.network(images * seen / self.kept)


class _Misled(torch.autograd.Function):
    """x W, whose gradient by x goes back through other weights."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, back)
        return linear(inputs, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        inputs, back = ctx.saved_tensors
        return gradient @ back, gradient.T @ inputs, None


class FeedbackAligned(nn.Module):
    """784-64-10 whose errors go back through fixed random weights (Lillicrap et al. 2016).

    It is trained by that gradient, and an attack that follows it goes astray, though the network
    is as brittle as any (Akrout 2019, arXiv 1908.03560, took that for robustness).
    """

    def __init__(self) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(4)
        shapes = [(WIDTH, 784), (10, WIDTH)]
        draws = [torch.randn(shape, generator=chance) / shape[1] ** 0.5 for shape in 2 * shapes]
        self.weights = nn.ParameterList(nn.Parameter(each) for each in draws[:2])
        self.register_buffer("first_back", draws[2])
        self.register_buffer("second_back", draws[3])

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) to logits (N, 10)."""
        inner = relu(_Misled.apply(images.flatten(1), self.weights[0], self.first_back))
        return _Misled.apply(inner, self.weights[1], self.second_back)


def spiking(split: Split, slope: float) -> Network:
    """A small spiking network, trained by its usual surrogate, that gives attacks another slope."""
    wiring = wiring_named("fc-b-spiking")
    inner = {area.name for area in hidden(wiring)}
    small = [
        a.model_copy(update={"shape": (WIDTH,)}) if a.name in inner else a for a in wiring.areas
    ]
    wiring = wiring.replace(areas=tuple(small))
    learned = Network.initial(wiring, 5)
    taught(learned, split)
    steep = [
        a.model_copy(update={"unit": a.unit.model_copy(update={"slope": slope})})
        if isinstance(a.unit, SpikingUnit)
        else a
        for a in small
    ]
    return Network(
        wiring.replace(areas=tuple(steep)), {n: v.detach() for n, v in learned.values.items()}
    )


@dataclass(frozen=True)
class Control:
    """A model or an attack whose verdict is known beforehand.

    Attributes:
        name: for tables.
        check: that must fail on it; None: the model is sound and must not be void.
        model: from data to the model.
        options: of the claimed attack, projected gradient.
        epsilon: its budget; small enough to leave some images standing.
    """

    name: str
    check: str | None
    model: Callable[[Split], Model]
    options: tuple[tuple[str, Any], ...] = ()
    epsilon: float = EPSILON

    def subject(self, data: Dataset) -> Subject:
        """What is audited: the model, trained, on a few test images."""
        images, labels = data.test.images[:IMAGES], data.test.labels[:IMAGES]
        claim = Claim("pgd-linf", self.epsilon, dict(self.options))
        return Subject(self.name, self.model(data.train), images, labels, claim, allowance=SMALL)


BARELY = (("steps", 10), ("relative_step", 0.3), ("schedule", "constant"), ("random_start", False))
THOROUGH = (("steps", 50), ("restarts", 3), ("loss", "margin"))
CONTROLS = (
    Control("zero-gradient encoder", "zero gradient", lambda s: Drawn(taught(perceptron(), s))),
    Control("saturated softmax", "outputs", lambda s: Saturated(taught(perceptron(), s))),
    Control("feedback alignment", "gradient correctness", lambda s: taught(FeedbackAligned(), s)),
    Control(*("surrogate of slope 1000", "surrogates", lambda s: spiking(s, 1000.0)), epsilon=0.07),
    Control("ten small steps", "more steps", lambda s: taught(perceptron(), s), BARELY),
    Control("judged on one draw", "random draws", lambda s: Shaken(taught(perceptron(), s))),
    Control("sound network", None, lambda s: taught(perceptron(), s), THOROUGH),
)


@dataclass(frozen=True)
class Told:
    """What the audit made of a control.

    Attributes:
        control: its name.
        check: that had to catch it; "" for the sound one.
        caught: whether it was told rightly: caught, or not void.
        sentence: of the check, or the verdict.
    """

    control: str
    check: str
    caught: bool
    sentence: str


def told_apart(data: Dataset) -> Iterator[Told]:
    """Every control under the check that must catch it; the sound one under all."""
    for control in CONTROLS:
        subject = control.subject(data)
        if control.check:
            found: Finding = CHECKS[control.check](subject)
            yield Told(control.name, control.check, found.outcome == "fail", found.sentence)
        else:
            findings = [check(subject) for check in CHECKS.values()]
            result: Verdict = verdict(findings)
            doubts = [f"{f.check}: {f.sentence}" for f in findings if f.outcome in ("warn", "fail")]
            sentence = f"The verdict is {result}. {' '.join(doubts)}".strip()
            yield Told(control.name, "", result != "void", sentence)
