"""What a network withstands of the ensemble of attacks, stage by stage: the command ``attack``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.attacks.names import Norm
from experiments.audit import verdicts
from experiments.bench import Bench, scored
from experiments.command import attempted, claim, require_all
from experiments.finished import chosen, finished, images_of, kept
from experiments.kept import Kept
from experiments.provenance import commit, versions
from experiments.result import image_indices
from experiments.statistics.accuracies import wilson
from experiments.store import fresh_unit, key_of, read_dataset, unit_path, write_dataset
from experiments.units import FORMAT, Report, Unit, save_tensors, sha256_of
from experiments.workers import Workers
from networks import DETAILED
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from torch import Tensor

    from experiments.attacks.victim import Model
    from experiments.attacks.worst import Round
    from sim import Network

USUAL = 1000  # images
CLEAN = "clean"
ENSEMBLE = 2  # raise it when the same settings come to mean other attacks


@dataclass(frozen=True)
class Withstand:
    """What a trained individual withstands of the ensemble."""

    stage: ClassVar[str] = "withstand"
    product: ClassVar[str] = "rounds.nc"
    network: Kept
    norm: Norm
    epsilon: float
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"worst case of {self.network.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=(FORMAT, ENSEMBLE),
            network=self.network.sha256,
            attack=(self.norm, self.epsilon, self.images, self.seed),
            data=self.bench.sha256,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Run every stage; leave who withstood it, what it cost, and the inputs that remain."""
        import torch

        from experiments.attacks.chance import Expected
        from experiments.attacks.curve import BATCH
        from experiments.attacks.worst import stages, worst_case
        from experiments.inputs import DRAWS

        network = self.network.model()
        images, labels = scored(self.bench, self.images)
        victim: Model = network
        if network.wiring.is_random:
            victim = Expected(network, DRAWS, self.seed)
        rounds: list[Round] = []
        for each in worst_case(
            *(victim, images, labels),
            norm=self.norm,
            epsilons=[self.epsilon],
            generator=torch.Generator().manual_seed(self.seed),
            keep_going=network.wiring.is_random,
            batch_size=BATCH // DRAWS if network.wiring.is_random else BATCH,
        ):
            rounds.append(each)
            report(len(rounds) / len(stages(victim, self.norm)), 0.0)
        made = [images, *(each.found.inputs for each in rounds)]
        right = torch.stack([withstood(network, each, labels, self.seed) for each in made])
        inputs = rounds[-1].found.inputs
        facts = {"epsilons": [self.epsilon], "sha256": sha256_of(inputs[None])}
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors(
                {"inputs": inputs[None], "labels": labels}, directory / "inputs.safetensors", facts
            )
            write_dataset(table(right.numpy(), rounds), directory / self.product)


def withstood(network: "Network", inputs: "Tensor", labels: "Tensor", seed: int) -> "Tensor":
    """Which inputs (N, ...) are answered rightly: bool (N,).

    By a network that answers by chance in most of several trials, whose draws no attack has seen.
    """
    import torch

    from experiments.attacks.chance import Verdict

    if network.wiring.is_random:
        return Verdict(seed).correct(network, inputs, labels).double().mean(0) > 0.5
    with torch.no_grad():
        return network(inputs).argmax(1) == labels


def table(right: np.ndarray, rounds: "Sequence[Round]") -> xr.Dataset:
    """Who withstood each stage, (stage, image), and its cost; stage "clean" comes first."""
    costs = [(0, 0, 0.0)] + [(r.cost.forward, r.cost.backward, r.seconds) for r in rounds]
    forward, backward, seconds = zip(*costs, strict=True)
    return xr.Dataset(
        {
            "correct": (("stage", "image"), right.astype(np.int8)),
            "forward": ("stage", list(forward), {"units": "images shown"}),
            "backward": ("stage", list(backward), {"units": "images whose gradient was taken"}),
            "seconds": ("stage", list(seconds), {"units": "s, one thread"}),
        },
        coords={"stage": [CLEAN, *(each.stage.name for each in rounds)]},
    )


def attack(
    run: Path,
    networks: Sequence[str],
    *,
    individual: int,
    images: int | None,
    norm: Norm,
    epsilon: float | None,
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Attack ``networks`` of ``run`` (default: all that were trained) by the whole ensemble.

    What each stage leaves goes to RUN/attack/NORM-EPSILON.nc, one labelled result: ``correct``
    (network, stage, image), 1 where the image withstood the stage and all before, 0 where not, -1
    where the network has no such stage; ``forward``, ``backward``, ``seconds`` (network, stage), -1
    and NaN there.
    """
    compared, bench = finished(run, data)
    epsilon = float(compared.attrs["reference_epsilon"]) if epsilon is None else epsilon
    count = images_of(compared, run, images, USUAL)
    planned = {
        name: planned_for(run, name, individual, norm, epsilon, count, bench)
        for name in networks_of(compared, run, networks)
    }
    out = run / "attack"
    claim(out)
    require_all(attempted(planned.values(), out, console, workers=workers))
    result = assembled(planned, individual, bench)
    write_dataset(result, out / f"{norm}-{epsilon:g}.nc")
    told = verdicts(run)
    for name in planned:
        console.print(stage_table(result.sel(network=name)))
        said = told.get(name, f"none yet; 'blindspots audit {run} {name}' gives one")
        console.print(f"Audit of {name}: {said}", highlight=False, markup=False)
    return result


def networks_of(compared: xr.Dataset, run: Path, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that have a gradient; BlindspotsError where one was asked for and has not.

    Networks in cells, and the user's own, are attacked in the comparison alone.
    """
    wanted = chosen(compared, run, list(names))
    apart = [n for n in wanted if n.endswith(DETAILED) or ":" in n]
    if names and apart:
        raise BlindspotsError(
            f"'{apart[0]}' is no network that '{run}' trained; name one that it did."
        )
    return [n for n in wanted if n not in apart]


def planned_for(
    run: Path, name: str, individual: int, norm: Norm, epsilon: float, images: int, bench: Bench
) -> Withstand:
    """The unit of work for one network of a run."""
    network = kept(run, name, individual, bench)
    seed = int(key_of(attack="worst", norm=norm, individual=individual)[:12], 16)
    return Withstand(network, norm, epsilon, images, seed, bench)


def assembled(planned: dict[str, Withstand], individual: int, bench: Bench) -> xr.Dataset:
    """All networks in one labelled result, with what it rests on."""
    parts = [read_dataset(unit_path(u.stage, u.key) / u.product) for u in planned.values()]
    longest = sorted(parts, key=lambda part: -part.sizes["stage"])
    order = list(dict.fromkeys(str(s) for part in longest for s in part["stage"].to_numpy()))
    absent = {"correct": np.int8(-1), "forward": -1, "backward": -1, "seconds": np.nan}
    result = xr.concat(
        [part.reindex(stage=order, fill_value=absent) for part in parts],
        xr.DataArray(list(planned), dims="network", name="network"),
    )
    result = result.drop_encoding()  # the first part's would cut longer names of stages short
    first = next(iter(planned.values()))
    return result.assign_coords(image=image_indices(bench, first.images)).assign_attrs(
        **{"data": bench.data, "data_sha256": bench.sha256, "commit": commit() or ""},
        versions=json.dumps(versions()),
        weights_sha256=json.dumps({n: u.network.sha256 for n, u in planned.items()}),
        individual=individual,
        norm=first.norm,
        epsilon=first.epsilon,
        seed=first.seed,
    )


def stage_table(result: xr.Dataset) -> Table:
    """One network's accuracy after each stage, for a terminal of 80 columns."""
    shown = result.isel(stage=(result["correct"] >= 0).any("image").to_numpy())
    rows = Table(
        title=f"{shown['network'].values!s}: accuracy (%) after each attack",
        caption="each attack is run on the images that withstood all above it",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    rows.add_column("attack")
    for heading in ("right", "95 %", "images", "gradients", "s"):
        rows.add_column(heading, justify="right", no_wrap=True)
    share = shown["correct"].mean("image").to_numpy()
    low, high = wilson(share, np.full(len(share), shown.sizes["image"]))
    for at, stage in enumerate(shown["stage"].to_numpy()):
        cost = shown.isel(stage=at)
        rows.add_row(
            str(stage),
            f"{100 * share[at]:.1f}",
            f"{100 * low[at]:.1f}-{100 * high[at]:.1f}",
            f"{float(cost['forward']):,.0f}",
            f"{float(cost['backward']):,.0f}",
            f"{float(cost['seconds']):.1f}",
        )
    return rows
