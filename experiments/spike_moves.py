"""How few spikes of the input must move until a network errs: the command ``spike-trains``."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.bench import Bench, scored
from experiments.command import attempted, claim, require_all
from experiments.finished import chosen, finished, images_of, kept
from experiments.kept import Kept
from experiments.provenance import commit, versions
from experiments.result import image_indices, load_network
from experiments.statistics.accuracies import wilson
from experiments.store import fresh_unit, key_of, read_dataset, unit_path, write_dataset
from experiments.units import FORMAT, Report, Unit
from experiments.workers import Workers
from networks import DETAILED, BlindspotsError, Wiring

if TYPE_CHECKING:
    from torch import Tensor

    from experiments.attacks.victim import Guide
    from sim import Network

USUAL = 100  # images
KINDS = ("aimed", "random")


@dataclass(frozen=True)
class Move:
    """What a network withstands when a few spikes of its input are moved."""

    stage: ClassVar[str] = "spike-trains"
    product: ClassVar[str] = "moves.nc"
    network: Kept
    budgets: tuple[int, ...]
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"moved spikes of {self.network.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=FORMAT,
            network=self.network.sha256,
            attack=(self.budgets, self.images, self.seed),
            data=self.bench.sha256,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Move spikes, aimed and at random; leave which images are still answered rightly.

        A random code draws its trains once, and those are what is perturbed.
        """
        import torch

        from experiments.attacks.movies import Film
        from experiments.attacks.spike_trains import random_moves, trains_of

        network = self.network.model()
        images, labels = scored(self.bench, self.images)
        network.generator = torch.Generator().manual_seed(self.seed)
        trains, film = trains_of(network, images), Film(network)
        spent = {
            "budgets": [each for each in self.budgets if each],
            "generator": torch.Generator().manual_seed(self.seed),
        }

        @torch.no_grad()
        def right(moved: torch.Tensor) -> torch.Tensor:
            return torch.stack([film(each).argmax(1) == labels for each in moved])

        clean, shaken = right(trains[None]), right(random_moves(trains, **spent))  # type: ignore[arg-type]
        standing = torch.ones((len(self.budgets) - 1, len(labels)), dtype=torch.bool)
        for done, inputs in enumerate(aimed(network, trains, labels, spent), start=1):
            standing &= right(inputs)
            report(done / (1 + len(guides(network))), 0.0)
        table = torch.stack([torch.cat([clean, each]) for each in (standing, shaken)])
        result = xr.Dataset(
            {
                "correct": (("kind", "budget", "image"), table.numpy().astype(np.int8)),
                "spikes": ("image", trains.flatten(1).sum(1).numpy().astype(np.int64)),
            },
            coords={"kind": list(KINDS), "budget": list(self.budgets)},
        )
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(result, directory / self.product)


def guides(network: "Network") -> "list[Guide]":
    """The most harmful other ways back through the network, for movies."""
    from experiments.attacks.guides import ways
    from experiments.attacks.movies import filmed
    from experiments.attacks.worst import STRONGEST_WAYS

    known = ways(network)
    return [filmed(known[name].through(network)) for name in STRONGEST_WAYS if name in known]


def aimed(
    network: "Network", trains: "Tensor", labels: "Tensor", spent: dict[str, object]
) -> "Iterator[Tensor]":
    """Trains (E, N, steps, ...) moved along the network's own gradient, then along each guide."""
    from experiments.attacks.movies import Film
    from experiments.attacks.spike_trains import move_spikes

    for guide in (None, *guides(network)):
        yield move_spikes(Film(network), trains, labels, guide=guide, **spent)  # type: ignore[arg-type]


def spike_trains(
    run: Path,
    networks: Sequence[str],
    *,
    individual: int,
    images: int | None,
    budgets: Sequence[int],
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Move input spikes of ``networks`` of ``run`` (default: all that are shown spikes).

    The outcome goes to RUN/spike-trains/moves-INDIVIDUAL.nc, one labelled result: ``correct``
    (network, kind, budget, image), 1 where right, with kind ``aimed`` (the worst case over greedy
    searches along several gradients) or ``random``; ``spikes`` (network, image) in the train.
    """
    compared, bench = finished(run, data)
    count = images_of(compared, run, images, USUAL)
    names = spoken_to(compared, run, list(networks), individual)
    planned = {name: planned_for(run, name, individual, budgets, count, bench) for name in names}
    out = run / "spike-trains"
    claim(out)
    require_all(attempted(planned.values(), out, console, workers=workers))
    parts = [read_dataset(unit_path(u.stage, u.key) / u.product) for u in planned.values()]
    result = xr.concat(parts, xr.DataArray(names, dims="network", name="network"))
    result = result.assign_coords(image=image_indices(bench, count)).assign_attrs(
        **{"data": bench.data, "data_sha256": bench.sha256, "commit": commit() or ""},
        versions=json.dumps(versions()),
        weights_sha256=json.dumps({n: u.network.sha256 for n, u in planned.items()}),
        individual=individual,
    )
    write_dataset(result, out / f"moves-{individual}.nc")
    for name in names:
        console.print(moves_table(result.sel(network=name)))
    return result


def spoken_to(compared: xr.Dataset, run: Path, names: list[str], individual: int) -> list[str]:
    """Networks whose input is spikes, of those named or of all; BlindspotsError where none is."""
    wanted = [n for n in chosen(compared, run, names) if not n.endswith(DETAILED) and ":" not in n]
    coded = [n for n in wanted if in_spikes(load_network(run, n, individual).wiring)]
    apart = [n for n in (names or ["no network"]) if n not in coded]
    if (names and apart) or not coded:
        raise BlindspotsError(
            f"The input of '{apart[0]}' in '{run}' is not spikes, of which some could be moved; "
            "compare a network whose input is coded, such as fc-blt-spiking-latency."
        )
    return coded


def in_spikes(wiring: Wiring) -> bool:
    """Whether the input emits 0 and 1 alone."""
    return wiring.stimulated.code.model != "constant" or wiring.stimulated.threshold is not None


def planned_for(
    run: Path, name: str, individual: int, budgets: Sequence[int], images: int, bench: Bench
) -> Move:
    """The unit of work for one network of a run; BlindspotsError where budgets make no sense."""
    if not budgets or min(budgets) < 1:
        raise BlindspotsError(
            f"Spikes cannot be moved at budgets {list(budgets)}; give whole numbers from 1 on, for "
            "example --budgets 1,3,10,30."
        )
    network = kept(run, name, individual, bench)
    return Move(network, (0, *sorted(set(budgets))), images, individual, bench)


def moves_table(result: xr.Dataset) -> Table:
    """One network's accuracy by budget, aimed beside random, for a terminal of 80 columns."""
    rows = Table(
        title=f"{result['network'].values!s}: accuracy (%) when input spikes are moved",
        caption=f"of {float(result['spikes'].mean()):.0f} spikes in a train on average; aimed: "
        "worst case of greedy searches along several gradients, an upper bound",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    for heading in ("moves", "aimed", "95 %", "random", "95 %"):
        rows.add_column(heading, justify="right", no_wrap=True)
    images = result.sizes["image"]
    for budget in result["budget"].to_numpy():
        row = [f"{budget}"]
        for kind in KINDS:
            share = result["correct"].sel(kind=kind, budget=budget).mean().to_numpy()
            low, high = wilson(share, np.array(images))
            row += [f"{100 * share:.1f}", f"{100 * low:.1f}-{100 * high:.1f}"]
        rows.add_row(*row)
    return rows
