"""One training step of a network here and as an idiomatic snnTorch loop, side by side.

Ours is timed three times: step by step with automatic differentiation, as one function whose
derivative is written by hand (`sim.whole`), which must give the same gradients to the last bit, and
as the same function on the compiled engine, where it can be built (gradients to float tolerance).
All have the same weights, see the same batch and must give the same logits before they are timed
(but for a few images, where a sum in another order moves a potential across its threshold);
they then take turns, so that a drifting clock harms none. Run it with ``make bench``, or
``python -m benchmarks.training_step [--network NAME ...] [--threads N] [--rounds N] [--batch N]
[--steps N]``.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter, process_time

import snntorch as snn
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.limit import products_alone
from benchmarks.peers.loops import Loop, SnnTorch
from experiments.provenance import processor
from networks import BlindspotsError, Wiring, wiring_named
from sim import Network, run
from sim.engine import ENVIRONMENT, Engine
from sim.unroll import potentials
from sim.whole.build import library

ALL = [
    f"{kind}-{paths}{unit}"
    for kind in ("fc", "conv")
    for paths in ("b", "bl", "bt", "blt")
    for unit in ("", "-spiking")
    if (paths, unit) != ("b", "")
]
AGREED = 1e-4
STRAY = 0.02
"""Of images: sums in another order move a potential in its last bits, and where it lies within
those of its threshold a unit spikes in one of two networks alone."""


def lively(wiring: Wiring, seed: int = 0) -> Network:
    """The network with weights three times as large as at the start, so that all areas act."""
    network = Network.initial(wiring, seed)
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


def active(network: Network, images: Tensor) -> str:
    """What share of the units of each hidden area is active at a step."""
    names = [area.name for area in network.wiring.areas[1:-1]]
    recordings = run(network, images, record=names, quantities=["output"])
    return ", ".join(
        f"{name} {float((recordings[f'{name}.output'] > 0).mean()):.2f}" for name in names
    )


class On(nn.Module):
    """A network on an engine of that name."""

    def __init__(self, network: Network, engine: Engine):
        super().__init__()
        self.network, self.engine = network, engine

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) from images (N, 1, 28, 28)."""
        os.environ[ENVIRONMENT] = self.engine
        return self.network(images)


def is_built() -> bool:
    """Whether there is a compiled engine."""
    try:
        library()
    except BlindspotsError as error:
        print(error)
        return False
    return True


def step_of(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """One training step: forward, backward, Adam."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), labels).backward()
        optimiser.step()

    return step


def interleaved(
    works: dict[str, Callable[[], None]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Milliseconds of each work in each round, after one round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for at in range(rounds + 1):
        for name, work in works.items():
            began = clock()
            work()
            if at:
                taken[name].append(1000 * (clock() - began))
    return taken


def asked() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--network",
        nargs="+",
        default=["fc-blt-spiking"],
        help="of the catalogue; 'all': those of one module that run through time",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, help="instead of the catalogue's")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the time of this process alone, as where others run beside it",
    )
    return parser.parse_args()


def main() -> None:
    """Check that all compute the same, time them, and print a table of each network."""
    given = asked()
    torch.set_num_threads(given.threads)
    names = ALL if given.network == ["all"] else given.network
    found = {name: timed(name, given) for name in names}
    if len(found) > 1:
        summarise(found)


def timed(name: str, given: argparse.Namespace) -> dict[str, list[float]]:
    """Milliseconds of each way to take a training step, of which a table is printed."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(given.batch, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (given.batch,), generator=generator)
    wiring = wiring_named(name)
    wiring = wiring.replace(steps=given.steps or wiring.steps)
    if wiring.is_feedforward or wiring.is_random:
        raise SystemExit(f"'{name}' does not run through time, or answers by chance.")
    network = lively(wiring)
    try:
        peer, plain = Loop(SnnTorch(), network), StepByStep(network)
    except BlindspotsError as error:
        raise SystemExit(str(error)) from None
    ours = {"blindspots, one function": On(network, "plain")}
    if is_built():
        ours["blindspots, compiled"] = On(network, "compiled")
    works = {
        "snnTorch, idiomatic loop": step_of(peer, images, labels),
        "blindspots, step by step": step_of(plain, images, labels),
        **{way: step_of(each, images, labels) for way, each in ours.items()},
        "products alone": products_alone(wiring, given.batch),
    }
    agreement = agreed(ours, peer, plain, images, labels)
    taken = interleaved(works, given.rounds, process_time if given.cpu_time else perf_counter)
    show(
        taken,
        f"Training step of {wiring.name}, T = {wiring.steps}, batch {given.batch}, "
        f"{given.threads} thread(s); {agreement}; active units: {active(network, images)}",
        f"{processor()}, torch {torch.__version__}, snnTorch "
        f"{snn.__version__}; {given.rounds} rounds in turn"
        f"{', CPU time' if given.cpu_time else ''}",
    )
    return taken


def agreed(
    ours: Mapping[str, nn.Module], peer: nn.Module, plain: nn.Module, images: Tensor, labels: Tensor
) -> str:
    """How far all compute the same, in words; SystemExit where they do not."""
    apart = [each for one in ours.values() for each in apart_by_image(one, peer, images)]
    strays = sum(each > AGREED for each in apart)
    if strays > STRAY * len(apart):
        raise SystemExit(f"They do not compute the same: logits differ by {max(apart):.2g}.")
    found = [gradients(each, images, labels) for each in (plain, *ours.values())]
    is_same = all(torch.equal(*pair) for pair in zip(found[0], found[1], strict=True))
    return (
        f"logits agree to {AGREED:.1g} but for {strays} of {len(apart)} images; gradients of one "
        f"function {'to the last bit' if is_same else 'NOT exactly'}, of all engines to "
        f"{furthest(found):.1g}"
    )


def summarise(found: Mapping[str, dict[str, list[float]]]) -> None:
    """Print a line for each network: speeds beside the first way, the last beside the limit."""
    table = Table(title="Speed beside snnTorch", box=SIMPLE_HEAD)
    for heading in ("network", "snnTorch (ms)", "one function", "compiled", "of the products"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, taken in found.items():
        first, _, *ours, limit = map(median, taken.values())
        speeds = [f"{first / each:.2f} x" for each in ours] + ["-"] * (2 - len(ours))
        table.add_row(name, f"{first:.1f}", *speeds, f"{ours[-1] / limit:.2f}")
    Console().print(table)


def apart_by_image(model: nn.Module, peer: nn.Module, images: Tensor) -> list[float]:
    """The largest difference of the logits of each image."""
    with torch.no_grad():
        return [float(each) for each in (model(images) - peer(images)).abs().amax(1)]


def furthest(found: list[list[Tensor]]) -> float:
    """The largest difference from the first, as a share of the largest gradient of its kind."""
    return max(
        float((one - first).abs().max() / first.abs().max())
        for other in found[1:]
        for one, first in zip(other, found[0], strict=True)
    )


def show(taken: dict[str, list[float]], title: str, caption: str) -> None:
    """Print a table; the first row is what the others are faster than, the last the limit."""
    first, *_, limit = map(median, taken.values())
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    for heading in ("", "median (ms)", "min-max (ms)", "speed-up", "of the products"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, times in taken.items():
        middle = median(times)
        table.add_row(
            *(name, f"{middle:.1f}", f"{min(times):.1f}-{max(times):.1f}"),
            *(f"{first / middle:.2f} x", f"{middle / limit:.2f}"),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
