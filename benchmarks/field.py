"""The project beside its peers: a training step, an attack, and Brian2, each as one table."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import brian
from benchmarks.brian_script import a_build_per_image, a_run_per_image
from benchmarks.limit import products_alone
from benchmarks.peers import missing
from benchmarks.peers.attacks import PEERS, Ours, Sweep
from benchmarks.peers.loops import NEURONS, Loop, SnnTorch, difference
from benchmarks.rows import Clock, Row, Section, in_turn
from benchmarks.training_step import lively, step_of
from experiments.data.dataset import load_data
from experiments.recipe import Recipe
from experiments.training import load_individual, train
from networks import BlindspotsError, wiring_named
from sim import Network

EPSILONS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)
TOLERANCE = 1e-4
TIPPED = 1e-2
"""By so much gradients may differ where a spike is tipped over by how a GPU rounds its sums."""
BRIEF = Recipe(epochs=2, batch=128, rate=5e-3)


class Size(NamedTuple):
    """How much work: rounds, images of a batch, images attacked, images of Brian2.

    ``learnt`` images are those of a brief training, and ``individuals`` are trained together.
    """

    rounds: int
    batch: int
    attacked: int
    steps: int
    slow_images: int
    learnt: int
    individuals: tuple[int, ...]


class Victim(NamedTuple):
    """Whom the attacks attack: a network, the name of the data, images with labels."""

    network: Network
    data: str
    images: Tensor
    labels: Tensor


FULL = Size(10, 256, attacked=1000, steps=40, slow_images=10, learnt=5000, individuals=(1, 4))
ON_GPU = FULL._replace(individuals=(1, 16, 64, 256))
QUICK = Size(2, 32, attacked=16, steps=4, slow_images=2, learnt=100, individuals=(1, 2))


def training(name: str, size: Size, device: str = "cpu") -> Section:
    """A step of training by all who can, each of whom must first give loss and gradients alike."""
    wiring = wiring_named(name)
    images, labels = drawn(size.batch, device)
    rows, works, found = list[Row](), dict[str, Callable[[], None]](), dict[str, str]()
    for neuron in NEURONS:
        if why := missing(neuron.package):
            rows.append(Row(neuron.name, missing=why))
            continue
        network = lively(neuron.adapted(wiring)).to(device)
        loop = Loop(neuron, network).to(device)
        try:
            apart = difference(loop, network, images, labels)
        except RuntimeError as error:  # as where a library does not go to a GPU with its weights
            rows.append(Row(neuron.name, missing=str(error).partition("\n")[0]))
            continue
        if apart > (TIPPED if device == "cuda" else TOLERANCE):
            raise BlindspotsError(
                f"{neuron.name} does not compute the same: loss, logits or gradients differ by "
                f"{apart:.2g} of their size; see benchmarks/peers/loops.py."
            )
        found[neuron.name] = f"loss, logits, gradients to {apart:.0e}"
        if network.wiring != wiring:
            found[neuron.name] += ", its own slope of surrogates"
        works[neuron.name] = step_of(loop, images, labels)
    works["blindspots"] = step_of(lively(wiring).to(device), images, labels)
    with torch.device(device):
        works["matrix products alone"] = products_alone(wiring, size.batch)
    timed = in_turn(works, size.rounds, device)
    timed = [replace(row, found=found.get(row.name, "")) for row in timed]
    title = f"Training step of {name}, T = {wiring.steps}, batch {size.batch}"
    facts = {"threads": torch.get_num_threads()}
    return Section(title, clock_of(device), [*timed, *rows], facts=facts)


def drawn(count: int, device: str) -> tuple[Tensor, Tensor]:
    """Images of noise, and labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 1, 28, 28, generator=generator)
    return images.to(device), torch.randint(0, 10, (count,), generator=generator).to(device)


def clock_of(device: str) -> Clock:
    """What tells most where something is done: a processor's time says nothing of a GPU."""
    return "wall" if device == "cuda" else "cpu"


def victim_of(name: str, size: Size, run: Path | None, device: str = "cpu") -> Victim:
    """A trained network, and test images.

    It is the first individual of a finished run, or one that is trained briefly here.
    """
    data = load_data()
    if run:
        network = load_individual(run / "networks" / name / "individual-0")
    else:
        with TemporaryDirectory() as checkpoint:
            network, _ = train(wiring_named(name), BRIEF, data, 0, checkpoint=Path(checkpoint))
    images, labels = data.test.images[: size.attacked], data.test.labels[: size.attacked]
    return Victim(network.to(device), data.name, images.to(device), labels.to(device))


def attack(victim: Victim, size: Size) -> Section:
    """Projected gradient ascent at eight budgets, once; a few images before do not count."""
    network, data, images, labels = victim
    device = images.device.type
    loop = Loop(SnnTorch(), network).to(device)
    ways = {each.name: (each, loop) for each in PEERS if not missing(each.package)}
    both: dict[str, tuple[Callable[[nn.Module, Sweep], list[Tensor]], nn.Module]] = {
        **ways,
        "blindspots": (Ours(), network),
    }
    robust: dict[str, Tensor] = {}
    sweeps = {each: few_first(Sweep(images, labels, EPSILONS, size.steps)) for each in both}

    def work(each: str) -> None:
        sweep, (way, model) = next(sweeps[each]), both[each]
        withstood = torch.stack([right(network, x, sweep.labels) for x in way(model, sweep)])
        robust[each] = withstood.double().mean(1)

    timed = in_turn({each: partial(work, each) for each in both}, 1, device)
    mean = {each: float(accuracy.mean()) for each, accuracy in robust.items()}
    better = [peer for peer in mean if mean[peer] < mean["blindspots"]]
    rows = [
        replace(row, found=" ".join(f"{float(a):.3f}" for a in robust[row.name])) for row in timed
    ]
    rows += [
        Row(each.name, missing=missing(each.package)) for each in PEERS if each.name not in both
    ]
    return Section(
        f"PGD-{size.steps} at 8 budgets, {network.wiring.name}, {len(images)} images of {data}",
        clock_of(device),
        rows,
        per=1000,
        unit="s",
        facts={
            "fools more images than ours, over all budgets": ", ".join(better) or "nobody",
            "found": "robust accuracy at epsilon " + ", ".join(map(str, EPSILONS)),
            "threads": torch.get_num_threads(),
        },
    )


def few_first(sweep: Sweep) -> Iterator[Sweep]:
    """The work with few of the images, to begin with, and then with all of them."""
    few = max(1, len(sweep.images) // 20)
    yield sweep._replace(images=sweep.images[:few], labels=sweep.labels[:few])
    yield from repeat(sweep)


def right(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """Which images are answered right, bool (N,)."""
    with torch.no_grad():
        return network(images).argmax(1) == labels


def brian2(size: Size) -> Section:
    """A detailed run of a small network, beside the scripts that one writes."""
    case = brian.small()
    _, images = brian.shown(size.slow_images)
    network, _ = brian.lively(case.wiring, images)
    reference = brian.ours("product")(network, images)
    ways: dict[str, brian.Work] = {
        "script, a build per image": lambda n, x: a_build_per_image(n, x, "numpy"),
        "script, a run per image": lambda n, x: a_run_per_image(n, x, "numpy"),
        "sim.brian": brian.ours("product"),
    }

    def work(each: str) -> None:
        brian.same(brian.Row(each, len(images), ways[each]), ways[each](network, images), reference)

    rows = in_turn({each: partial(work, each) for each in ways}, min(2, size.rounds))
    return Section(
        f"Brian2, {case.wiring.name}, T = {case.wiring.steps}, {len(images)} images",
        *("cpu", [replace(row, found="the same spikes") for row in rows]),
        per=len(images),
        unit="ms per image",
    )
