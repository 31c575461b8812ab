"""Figures of a network in cells: of all variants, and of a few images watched as they are shown."""

from pathlib import Path

import xarray as xr

from experiments.bench import Bench
from experiments.detailed.examine import Examine, shown_images
from experiments.origin import TRAINED
from experiments.recordings import MOST, Pair, first_true, fooled
from experiments.store import write_dataset, writing


def drawn(out: Path, together: Examine, result: xr.Dataset, bench: Bench) -> dict[str, Path]:
    """The figures of the result, and of what all ingredients together do on a few images.

    The recordings that they are drawn from lie beside them as netCDF.
    """
    from figures.ablations import ablations as ablations_figure
    from figures.contrast import contrast
    from figures.intervals import intervals
    from figures.raster import raster
    from figures.rates import rates
    from figures.recordings import pair_names
    from figures.save import save
    from figures.traces import traces

    first, last = watched(together, result, bench)
    at = first_true(fooled(first[1], last[1]))
    for pair, name in ((first, "clean"), (last, "adversarial")):
        for recording in pair:
            write_dataset(recording, out / f"{name}-{recording.attrs['simulator']}.nc")
    names = pair_names(*last)
    figures = {
        "ablations": lambda: ablations_figure(result),
        "intervals": lambda: intervals(result),
        "raster": lambda: raster(*first, image=at),
        "traces": lambda: traces(*first, image=at),
        "rates": lambda: rates(dict(zip(names, first, strict=True))),
        "contrast": lambda: contrast(first[1], last[1], image=at),
    }
    paths = {}
    with writing(out / "figures"):
        for name, draw in figures.items():
            paths[name] = save(draw(), out / "figures", name)[0]
    return paths


def watched(together: Examine, result: xr.Dataset, bench: Bench) -> tuple[Pair, Pair]:
    """Recordings on torch and in cells of a few images: clean, and under the last condition."""
    from experiments.training import load_individual
    from sim.brian.detailed import Detailed, in_cells_units
    from sim.brian.detailed import run as run_cells
    from sim.run import run as run_trained

    network = load_individual(together.directory)
    gains = result["gain"].sel(variant=together.variant).to_series().to_dict()
    physiology = together.physiology
    cells = Detailed(network, physiology, seed=together.seed, gains=gains)
    pairs = []
    for condition in (together.conditions[0], together.conditions[-1]):
        images = shown_images(bench, condition, min(MOST, together.images))
        coords = {name: result[name][: len(images)] for name in ("image", "label")}
        facts: dict[str, str | float] = {"data": bench.data, "weights": TRAINED}
        if condition.inputs:
            facts |= {"attack": str(result.attrs["attack"]), "epsilon": condition.epsilon}
        torch = in_cells_units(run_trained(network, images), network.wiring, physiology)
        both = (torch, run_cells(cells, images))
        first, second = (each.assign_coords(coords).assign_attrs(facts) for each in both)
        pairs.append((first, second))
    return pairs[0], pairs[1]
