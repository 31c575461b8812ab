"""``sim.brian`` beside the Brian2 scripts that one writes today, in one run on the same work.

Every way of running must give the same spikes, and logits to rounding, or there is no table. Ours
is timed whole: building, running and recording. Of the scripts what is built once, however many
images follow, stands apart. Ratios are of CPU time, which other work on the machine disturbs
least. All record the spikes of all hidden areas and give the answer. Run it
with ``make bench``, or ``python -m benchmarks.brian [--images N] [--few N] [--rounds N]
[--threads N]``; slow ways see the first ``--few`` of the images.
"""

import argparse
import gc
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.brian_script import (
    Outcome,
    Target,
    a_build_per_image,
    a_run_per_image,
    clocks,
    compiled_anew,
    one_program,
    side_by_side,
    why_not_cython,
    why_not_standalone,
)
from experiments.data.dataset import load_data
from experiments.provenance import processor
from networks import Area, InputUnit, Projection, RateUnit, SpikingUnit, Wiring
from networks.derive import hidden
from sim import Network, run
from sim.brian import Way
from sim.brian import run as run_in_brian2

SCALES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0)
LEAST_RATE = 0.05
FIRST = 2
"""Images of the first run of each way, which compiles what must be and does not count."""

Work = Callable[[Network, Tensor], Outcome]


class Case(NamedTuple):
    """A network; images for the slow ways and for the C++ program; seconds that ours may take."""

    wiring: Wiring
    few: int
    many: int
    goal: float | None = None


class Row(NamedTuple):
    """One way of running, on so many images; ``missing`` says why it cannot run here."""

    name: str
    images: int
    work: Work
    missing: str = ""
    again: bool = True


class Times(NamedTuple):
    """Seconds of a row's first run; in each round of its build and of all else, wall and CPU."""

    first: float | None
    builds: list[NDArray[np.float64]]
    rest: list[NDArray[np.float64]]


def small() -> Case:
    """784-256-128-10 with lateral and top-down projections, 25 steps."""
    return Case(layered("784-256-128-10", (256, 128), steps=25), few=10, many=300)


def large() -> Case:
    """1,000 cells in three hidden areas with lateral and top-down projections, 50 steps."""
    return Case(layered("784-500-300-200-10", (500, 300, 200), steps=50), few=3, many=50, goal=5.0)


def layered(name: str, sizes: tuple[int, ...], steps: int) -> Wiring:
    """Dense areas in a chain; each hidden one has a lateral loop and drives the one below."""
    cell, answer = SpikingUnit(beta=0.9, threshold=1.0), RateUnit(activation="identity")
    names = [f"h{k + 1}" for k in range(len(sizes))]
    areas = [
        Area(name="input", shape=(1, 28, 28), unit=InputUnit()),
        *(Area(name=n, shape=(size,), unit=cell) for n, size in zip(names, sizes, strict=True)),
        Area(name="output", shape=(10,), unit=answer),
    ]
    projections = [
        *(Projection(source=a, target=b) for a, b in pairwise(["input", *names, "output"])),
        *(Projection(source=n, target=n, kind="lateral") for n in names),
        *(Projection(source=b, target=a, kind="top-down") for a, b in pairwise(names)),
    ]
    return Wiring(name=name, areas=tuple(areas), projections=tuple(projections), steps=steps)


def shown(count: int) -> tuple[str, Tensor]:
    """Where the images come from, and the images in float64."""
    if os.environ.get("BLINDSPOTS_DATA"):
        data = load_data()
        return f"{data.name} test images", data.test.images[:count].double()
    generator = torch.Generator().manual_seed(0)
    return "uniform noise", torch.rand(count, 1, 28, 28, generator=generator).double()


def lively(wiring: Wiring, images: Tensor) -> tuple[Network, float]:
    """The untrained network, its values scaled up until all cells spike enough, and the scale."""
    for scale in SCALES:
        network = Network.initial(wiring, seed=0).double()
        with torch.no_grad():
            for value in network.values.values():
                value.mul_(scale)
        spikes = run(network, images, record=names_of(wiring), quantities=["output"])
        if min(float(spikes[f"{area}.output"].mean()) for area in names_of(wiring)) >= LEAST_RATE:
            return network, scale
    raise SystemExit(f"No scale makes '{wiring.name}' spike.")


def names_of(wiring: Wiring) -> list[str]:
    """The hidden areas, which all ways record."""
    return [a.name for a in hidden(wiring)]


def ours(way: Way) -> Work:
    """``sim.brian.run``, recording what hidden areas emit; nothing is kept from call to call."""

    def work(network: Network, images: Tensor) -> Outcome:
        names, began = names_of(network.wiring), clocks()
        found = run_in_brian2(network, images, record=names, quantities=["output"], way=way)
        taken = clocks() - began
        spikes = {name: found[f"{name}.output"].to_numpy() != 0 for name in names}
        return Outcome(np.zeros(2), taken, spikes, found["logits"].to_numpy())

    return work


def rows_of(case: Case, images: int, few: int | None, cython: str, standalone: str) -> list[Row]:
    """All ways of running a case; ours, by which they are measured, first."""
    some, many = min(images, few or case.few), min(images, case.many)

    def script(way: Callable[[Network, Tensor, Target], Outcome], target: Target) -> Work:
        return lambda network, images: way(network, images, target)

    return [
        Row("sim.brian, product", images, ours("product")),
        Row("sim.brian, synapses (numpy)", some, ours("synapses")),
        Row("script, a build per image, numpy", some, script(a_build_per_image, "numpy")),
        Row("script, a run per image, numpy", some, script(a_run_per_image, "numpy")),
        Row("script, a run per image, cython", some, script(a_run_per_image, "cython"), cython),
        Row("script, images side by side, cython", some, script(side_by_side, "cython"), cython),
        Row("script, images in turn, C++ program", many, one_program, standalone, again=False),
    ]


def same(row: Row, outcome: Outcome, reference: Outcome) -> None:
    """Leave with what differs, unless the outcome is the reference's on the images it saw."""
    for area, spikes in outcome.spikes.items():
        if differ := int((spikes != reference.spikes[area][:, : spikes.shape[1]]).sum()):
            raise SystemExit(f"{row.name}: {differ} spikes of '{area}' differ from ours.")
    apart = float(np.abs(outcome.logits - reference.logits[: len(outcome.logits)]).max())
    if apart > 1e-9:
        raise SystemExit(f"{row.name}: logits differ by {apart:.2g} from ours.")


def timed(
    rows: list[Row], network: Network, images: Tensor, reference: Outcome, rounds: int
) -> dict[str, Times]:
    """The times of all rows that can run; they take turns, and every outcome is checked."""
    times: dict[str, Times] = {}
    for row in (r for r in rows if not r.missing):
        began = perf_counter()
        if row.again:
            same(row, row.work(network, images[:FIRST]), reference)
        times[row.name] = Times(perf_counter() - began if row.again else None, [], [])
    for at in range(rounds):
        for row in (r for r in rows if not r.missing and (r.again or at == 0)):
            # Brian2 collects all garbage before every run; what is there already costs no one.
            gc.collect()
            gc.freeze()
            outcome = row.work(network, images[: row.images])
            same(row, outcome, reference)
            times[row.name].builds.append(outcome.build)
            times[row.name].rest.append(outcome.rest)
    return times


def middle(rounds: list[NDArray[np.float64]]) -> tuple[float, float]:
    """The median seconds on the wall and of CPU."""
    return median(float(wall) for wall, _ in rounds), median(float(cpu) for _, cpu in rounds)


def tabulated(
    rows: list[Row], times: dict[str, Times], reference: Outcome, title: str, caption: str
) -> Table:
    """The table of one network."""
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD)
    costs = ("first run (s)", "build (s)", "images", "ms per image", "min-max", "CPU ms")
    for heading in ("", *costs, "times ours", "spikes (equal)"):
        table.add_column(heading, justify="right" if heading else "left")
    ours_each = middle(times[rows[0].name].rest)[1] / rows[0].images
    for row in rows:
        if row.missing:
            table.add_row(row.name, *["-"] * 8)
            continue
        taken = times[row.name]
        each = [1000 * float(wall) / row.images for wall, _ in taken.rest]
        cpu = middle(taken.rest)[1] / row.images
        table.add_row(
            row.name,
            "-" if taken.first is None else f"{taken.first:.1f}",
            f"{middle(taken.builds)[0]:.2f}" if np.any(taken.builds) else "-",
            str(row.images),
            f"{median(each):.2f}",
            f"{min(each):.2f}-{max(each):.2f}",
            f"{1000 * cpu:.2f}",
            f"{cpu / ours_each:.1f} x",
            f"{sum(int(s[:, : row.images].sum()) for s in reference.spikes.values()):,}",
        )
    return table


def benchmark(case: Case, given: argparse.Namespace, console: Console, missing: list[str]) -> None:
    """Check and time all ways of running one network, and print them."""
    source, images = shown(given.images)
    network, scale = lively(case.wiring, images[:20])
    rows = rows_of(case, len(images), given.few, *missing)
    reference = rows[0].work(network, images)
    rates = ", ".join(f"{reference.spikes[a].mean():.2f}" for a in names_of(case.wiring))
    times = timed(rows, network, images, reference, given.rounds)
    title = (
        f"{case.wiring.name}, lateral and top-down, T = {case.wiring.steps}; {source}; weights "
        f"x {scale:g}: {rates} spikes per cell and step in {', '.join(names_of(case.wiring))}"
    )
    console.print(tabulated(rows, times, reference, title, described(given)))
    for row in (r for r in rows if r.missing):
        console.print(f"{row.name}: {row.missing}")
    whole, cpu = middle(times[rows[0].name].rest)
    done = (
        f"sim.brian, product: {len(images)} images x {case.wiring.steps} steps in {whole:.2f} s "
        f"({cpu:.2f} s of CPU)"
    )
    if case.goal and len(images) == 300:
        done += f"; goal {case.goal:g} s, {'reached' if whole <= case.goal else 'MISSED'}"
    console.print(done + ".\n")


def described(given: argparse.Namespace) -> str:
    """The machine, the versions, and how often each way was timed."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("brian2", "numpy", "cython"))
    return (
        f"{processor()}, {os.cpu_count()} CPUs, {given.threads} "
        f"thread(s) for products; Python {platform.python_version()}, {versions}; "
        f"median of {given.rounds} round(s) in turn, the C++ program once"
    )


def main() -> None:
    """Check that all give the same spikes, time them, and print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--few", type=int, help="images for slow ways (default 10 and 3)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    console, began = Console(), perf_counter()
    with compiled_anew(), threadpool_limits(given.threads):
        missing = [why_not_cython(), why_not_standalone()]
        for case in (small(), large()):
            benchmark(case, given, console, missing)
    console.print(f"{perf_counter() - began:.0f} s in all.")


if __name__ == "__main__":
    main()
