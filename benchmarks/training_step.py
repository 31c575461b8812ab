"""One training step of fc-blt-spiking here and as an idiomatic snnTorch loop, side by side.

Ours is timed twice: as one function whose derivative is written by hand (`sim.whole`), and step by
step with automatic differentiation, which must give the same gradients to the last bit. All have
the same weights, see the same batch and must give the same logits before they are timed; they then
take turns, so that a drifting clock harms none. Run it with ``make bench``, or
``python -m benchmarks.training_step [--threads N] [--rounds N] [--batch N] [--steps N]``.
"""

import argparse
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter

import snntorch as snn
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from snntorch import surrogate
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from networks import Wiring, wiring_named
from sim import Network, run
from sim.unroll import potentials


class Idiomatic(nn.Module):
    """The same network as snnTorch's tutorials write one: layers, states, a loop over time."""

    def __init__(self, network: Network):
        super().__init__()
        self.wiring = network.wiring
        self.layers = nn.ModuleDict()
        for p in self.wiring.projections:
            weight = network.values[f"weight/{p.name}"]
            layer = nn.Linear(weight.shape[1], weight.shape[0], bias=p.kind == "feedforward")
            values = {"weight": weight.detach()}
            if p.kind == "feedforward":
                values["bias"] = network.values[f"bias/{p.target}"].detach()
            layer.load_state_dict(values)
            self.layers[p.name.replace(">", "_")] = layer
        slope = surrogate.fast_sigmoid(slope=2)
        self.h1 = snn.Leaky(beta=0.9, spike_grad=slope)
        self.h2 = snn.Leaky(beta=0.9, spike_grad=slope)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) from images (N, 1, 28, 28)."""
        flat, layers = images.flatten(1), self.layers
        m1, m2 = self.h1.init_leaky(), self.h2.init_leaky()
        s1 = flat.new_zeros(len(flat), 128)
        s2 = flat.new_zeros(len(flat), 128)
        answers = []
        for t in range(self.wiring.steps):
            seen = flat if t >= 1 else torch.zeros_like(flat)
            c1 = layers["input_h1"](seen) + layers["h1_h1"](s1) + layers["h2_h1"](s2)
            c2 = layers["h1_h2"](s1) + layers["h2_h2"](s2)
            answers.append(layers["h2_output"](s2))
            s1, m1 = self.h1(c1, m1)
            s2, m2 = self.h2(c2, m2)
        return torch.stack(answers[self.wiring.first_answer :]).mean(0)


def lively(wiring: Wiring) -> Network:
    """The network with weights three times as large as at the start, so that all areas spike."""
    network = Network.initial(wiring, seed=0)
    with torch.no_grad():
        for value in network.values.values():
            value.mul_(3)
    return network


class StepByStep(nn.Module):
    """The same network without the whole loop's own derivative."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) from images (N, 1, 28, 28)."""
        return potentials(self.network.circuit(), self.network.frames(images)).mean(0)


def gradients(model: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Of all parameters and of the images."""
    images = images.clone().requires_grad_()
    cross_entropy(model(images), labels).backward()
    found = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    return [each for each in (*found, images.grad) if each is not None]


def spike_rates(network: Network, images: Tensor) -> list[float]:
    """Spikes per unit and step in each hidden area."""
    recordings = run(network, images, record=["h1", "h2"], quantities=["output"])
    return [float(recordings[f"{area}.output"].mean()) for area in ("h1", "h2")]


def step_of(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """One training step: forward, backward, Adam."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), labels).backward()
        optimiser.step()

    return step


def products_alone(wiring: Wiring, batch: int) -> Callable[[], None]:
    """Only the dense matrix products that a step cannot do without: a lower limit if spikes
    are not exploited. Forward, input gradient, weight gradient; the image's drive once."""
    sizes = [
        (wiring.area(p.source).size, wiring.area(p.target).size, p.source == "input")
        for p in wiring.projections
    ]
    steps = wiring.steps - 1
    weights = [torch.randn(target, source) for source, target, _ in sizes]
    sources = [torch.randn(batch, source) for source, _, _ in sizes]
    errors = [torch.randn(batch, target) for _, target, _ in sizes]
    whole = [
        (torch.randn(batch * steps, target), torch.randn(batch * steps, source))
        for source, target, _ in sizes
    ]

    def products() -> None:
        for (_, _, once), weight, source, error, (all_errors, all_sources) in zip(
            sizes, weights, sources, errors, whole, strict=True
        ):
            if once:
                torch.mm(source, weight.T)
                torch.mm(error.T, source)
                continue
            for _ in range(steps):
                torch.mm(source, weight.T)
                torch.mm(error, weight)
            torch.mm(all_errors.T, all_sources)

    return products


def interleaved(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each work in each round, after one round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for at in range(rounds + 1):
        for name, work in works.items():
            began = perf_counter()
            work()
            if at:
                taken[name].append(1000 * (perf_counter() - began))
    return taken


def main() -> None:
    """Check that both compute the same, time them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, help="instead of the catalogue's 10")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(given.batch, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (given.batch,), generator=generator)
    wiring = wiring_named("fc-blt-spiking")
    wiring = wiring.replace(steps=given.steps or wiring.steps)
    network = lively(wiring)
    rates = spike_rates(network, images)
    peer = Idiomatic(network)
    with torch.no_grad():
        apart = float((network(images) - peer(images)).abs().max())
    if apart > 1e-4:
        raise SystemExit(f"The two do not compute the same: logits differ by {apart:.2g}.")
    plain = StepByStep(network)
    pairs = zip(*(gradients(each, images, labels) for each in (network, plain)), strict=True)
    same = "to the last bit" if all(torch.equal(*pair) for pair in pairs) else "NOT exactly"
    taken = interleaved(
        {
            "snnTorch, idiomatic loop": step_of(peer, images, labels),
            "blindspots, step by step": step_of(plain, images, labels),
            "blindspots": step_of(network, images, labels),
            "matrix products alone": products_alone(wiring, given.batch),
        },
        given.rounds,
    )
    first = median(taken["snnTorch, idiomatic loop"])
    table = Table(
        title=f"Training step of {wiring.name}, T = {wiring.steps}, batch {given.batch}, "
        f"{given.threads} thread(s); logits agree to {apart:.1g}, our own gradients "
        f"{same}; spike rates {rates[0]:.2f} and {rates[1]:.2f}",
        caption=f"{platform.processor() or platform.machine()}, torch {torch.__version__}, "
        f"snnTorch {snn.__version__}; {given.rounds} rounds in turn",
        box=SIMPLE_HEAD,
    )
    for heading in ("", "median (ms)", "min-max (ms)", "speed-up"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, times in taken.items():
        middle = median(times)
        table.add_row(
            name, f"{middle:.1f}", f"{min(times):.1f}-{max(times):.1f}", f"{first / middle:.2f} x"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
