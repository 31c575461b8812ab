"""Detailed runs beside a plain Brian2 script with the same cells, in one run on the same work.

Both must give the same spikes before they are timed: conductances, a refractory period, cells that
differ; the script has one network per image, ours all images at once. Then ours alone with all its
usual ingredients, noise and jitter too. Run it with ``make bench``, or
``python -m benchmarks.cells [--images N] [--few N]``.
"""

import argparse
import gc
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.brian import layered, lively, shown
from benchmarks.brian_script import clocks, compiled_anew, runtime, why_not_cython
from benchmarks.cells_script import INGREDIENTS, a_build_per_image
from experiments.provenance import processor
from networks import Physiology
from sim.brian.detailed import Detailed, run

STEPS = 50  # of 2 ms: 100 ms in all
GOAL = 60.0  # seconds for 100 images

Spikes = dict[str, NDArray[np.bool_]]


def ours(detailed: Detailed, images: Tensor) -> Spikes:
    """All images at once, recording the spikes of all cells."""
    areas = list(detailed.wiring.spiking)
    found = run(detailed, images, record=areas, quantities=("output",))
    return {area: found[f"{area}.output"].to_numpy() for area in areas}


def plain(target: Any) -> Callable[[Detailed, Tensor], Spikes]:
    """The script, generating code for ``target``."""

    def work(detailed: Detailed, images: Tensor) -> Spikes:
        with runtime(target) as brian2:
            return a_build_per_image(brian2, detailed, images)

    return work


def timed(
    work: Callable[[Detailed, Tensor], Spikes], detailed: Detailed, images: Tensor, few: int
) -> tuple[Spikes, NDArray[np.float64]]:
    """The spikes, and the seconds per image on the wall and of CPU; a first run does not count."""
    work(detailed, images[:1])
    gc.collect()
    gc.freeze()
    began = clocks()
    found = work(detailed, images[:few])
    return found, (clocks() - began) / len(images[:few])


def main() -> None:
    """Check that both give the same spikes, time them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--few", type=int, default=3, help="images for the script")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console, missing = Console(), why_not_cython()
    source, images = shown(given.images)
    network, scale = lively(layered("784-256-128-10", (256, 128), STEPS), images[:20])
    alike = Detailed(network, Physiology(ingredients=INGREDIENTS))
    rows: list[tuple[str, int, NDArray[np.float64]]] = []
    with compiled_anew(), threadpool_limits(1):
        reference, each = timed(ours, alike, images, given.images)
        rows.append(("sim.brian.detailed, same ingredients", given.images, each))
        for target in ["numpy"] if missing else ["numpy", "cython"]:
            found, each = timed(plain(target), alike, images, given.few)
            for area, spikes in found.items():
                if differ := int((spikes != reference[area][:, : given.few]).sum()):
                    raise SystemExit(f"{target}: {differ} spikes of '{area}' differ from ours.")
            rows.append((f"script, a network per image, {target}", given.few, each))
        _, each = timed(ours, Detailed(network), images, given.images)
        rows.append(("sim.brian.detailed, usual ingredients", given.images, each))
    rates = ", ".join(f"{1e4 * spikes.mean():.0f}" for spikes in reference.values())
    table = Table(
        title=f"784-256-128-10, lateral and top-down, 100 ms at 0.1 ms; {source}; weights x "
        f"{scale:g}: {rates} Hz",
        caption=f"{processor()}, one thread; brian2 "
        f"{version('brian2')}, numpy {version('numpy')}; the first two kinds give equal spikes",
        box=SIMPLE_HEAD,
    )
    table.add_column("")
    for heading in ("images", "ms per image", "CPU ms", "times ours"):
        table.add_column(heading, justify="right")
    for name, count, (wall, cpu) in rows:
        ratio = cpu / rows[0][2][1]
        table.add_row(name, str(count), f"{1e3 * wall:.0f}", f"{1e3 * cpu:.0f}", f"{ratio:.1f} x")
    console.print(table)
    whole = rows[-1][2][0] * given.images
    said = f"; goal {GOAL:g} s, {'reached' if whole <= GOAL else 'MISSED'}"
    console.print(
        f"Usual ingredients: {given.images} images x 100 ms in {whole:.1f} s"
        f"{said if given.images == 100 else ''}."
    )
    if missing:
        console.print(f"Cython: {missing}")


if __name__ == "__main__":
    main()
