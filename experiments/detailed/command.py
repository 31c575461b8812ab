"""Do adversarial examples carry over to cells? The command ``detailed``."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tomli_w
import xarray as xr
from rich.console import Console

from experiments.attacks.names import attack_named
from experiments.bench import Bench, scored
from experiments.command import attempted, claim, require_all
from experiments.detailed.drawings import drawn
from experiments.detailed.examine import Condition, Examine
from experiments.detailed.report import write_detailed_report
from experiments.finished import finished, identity_of, images_of, seed_of
from experiments.provenance import commit, versions
from experiments.result import (
    image_indices,
    individual_directory,
    load_network,
    set_name,
)
from experiments.single import read_inputs
from experiments.statistics.accuracies import accuracy
from experiments.store import read_dataset, unit_path, write_dataset
from experiments.workers import Workers
from networks import DETAILED, BlindspotsError, Physiology, ablations, physiology_from
from networks.errors import unknown, unknown_number

TORCH = "torch"
USUAL = 200  # images
CLEAN = Condition("clean")


@dataclass(frozen=True)
class Aim:
    """Which individual of which run is examined, under which attack, on how many images."""

    run: Path
    network: str
    individual: int
    attack: str
    epsilon: float
    images: int

    @property
    def directory(self) -> Path:
        """Where the trained individual lies."""
        return individual_directory(self.run, self.network, self.individual)

    @property
    def out(self) -> Path:
        """Where everything goes."""
        name = f"{self.network}-{self.individual}-{self.attack}-{self.epsilon:g}"
        return self.run / "detailed" / name


def detail(
    run: Path,
    networks: Sequence[str],
    *,
    individual: int,
    images: int | None,
    attack: str | None,
    epsilon: float | None,
    physiology: Physiology | None,
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> list[xr.Dataset]:
    """Examine ``networks`` of ``run`` (default: all that spike) on torch and with each ingredient.

    What is measured, drawn and reported goes to RUN/detailed/NETWORK-INDIVIDUAL-ATTACK-EPSILON; the
    default attack and epsilon are the run's references, the default physiology is the run's own,
    and of its images 200 are shown.
    """
    compared, bench = finished(run, data)
    images = images_of(compared, run, images, USUAL)
    physiology = physiology or physiology_of(compared)
    attack = attack or str(compared.attrs["reference_attack"])
    epsilon = float(compared.attrs["reference_epsilon"]) if epsilon is None else epsilon
    aims = [
        Aim(run, name, individual, attack, epsilon, images)
        for name in networks or spiking(compared, run)
    ]
    planned = [variants(aim, conditions(aim, compared), physiology, bench) for aim in aims]
    return [
        examined(aim, units, bench, workers, console)
        for aim, units in zip(aims, planned, strict=True)
    ]


def physiology_of(compared: xr.Dataset) -> Physiology:
    """That of the comparison's own cells, or the default."""
    return physiology_from(tomllib.loads(str(compared.attrs["spec"])).get("physiology", {}))


def spiking(compared: xr.Dataset, run: Path) -> list[str]:
    """The networks of a comparison that spike; BlindspotsError where none does."""
    names = [
        str(n) for n in compared["network"].to_numpy()[(compared["units"] == "spiking").to_numpy()]
    ]
    if not names:
        raise BlindspotsError(
            f"No network in '{run}' spikes, so there are no cells to simulate; compare a spiking "
            "network such as fc-blt-spiking first."
        )
    return names


def examined(
    aim: Aim, planned: list[Examine], bench: Bench, workers: Workers | None, console: Console
) -> xr.Dataset:
    """One individual under all conditions and variants, measured, saved and reported."""
    check_same(aim.out, settings_of(aim, planned))
    claim(aim.out, settings_of(aim, planned))
    require_all(attempted(planned, aim.out, console, workers=workers))
    result = assembled(aim, planned, bench)
    write_dataset(result, aim.out / "activity.nc")
    with console.status("drawing figures"):
        paths = drawn(aim.out, planned[-1], result, bench)
    write_detailed_report(aim.out, result, paths, console)
    return result


def settings_of(aim: Aim, planned: Sequence[Examine]) -> str:
    """What tells apart examinations in one directory, as TOML."""
    physiology = planned[-1].physiology.model_dump(mode="json")
    return tomli_w.dumps({"images": aim.images, "physiology": physiology})


def check_same(out: Path, settings: str) -> None:
    """Raise BlindspotsError where ``out`` holds the examination of other settings."""
    path = out / "spec.toml"
    if path.exists() and path.read_text() != settings:
        raise BlindspotsError(
            f"'{out}' holds another examination, of other images or cells; move or remove it."
        )


def conditions(aim: Aim, compared: xr.Dataset) -> tuple[Condition, ...]:
    """Clean images, noise of the same norm, what independent networks and torch itself gave.

    Raises BlindspotsError where the network has no units to be replaced, or the attack no inputs.
    """
    network = load_network(aim.run, aim.network, aim.individual)
    if aim.network.endswith(DETAILED):
        raise BlindspotsError(
            f"'{aim.network}' runs in cells already; name '{aim.network.removesuffix(DETAILED)}'."
        )
    if not network.wiring.spiking:
        raise BlindspotsError(
            f"'{aim.network}' has no spiking units, so there are no cells to simulate; name one of "
            f"{', '.join(spiking(compared, aim.run))}."
        )
    kinds = compared["kind"].to_series()
    if aim.attack not in kinds.index:
        raise unknown("attack", aim.attack, kinds.index, f"in '{aim.run}'")
    if kinds[aim.attack] == "noise":
        aimed = ", ".join(kinds.index[kinds != "noise"]) or f"none is in '{aim.run}'"
        raise BlindspotsError(
            f"'{aim.attack}' is noise, which is crafted on no network and shown anyway; choose an "
            f"attack with --attack: {aimed}."
        )
    norm = attack_named(aim.attack).norm
    noises = [a for a in kinds.index if kinds[a] == "noise" and attack_named(a).norm == norm]
    shared = [str(s) for s in compared["source"].to_numpy()[compared["independent"].to_numpy()]]
    places = [(noise, shared[0], noise) for noise in noises]
    places += [("same inputs", shared[0], aim.attack), ("torch's own", aim.network, aim.attack)]
    found = [_condition(aim, name, source, attack) for name, source, attack in places]
    return (CLEAN, *found)


def _condition(aim: Aim, name: str, source: str, attack: str) -> Condition:
    """A set of the run; BlindspotsError where it was not kept, or has no such epsilon."""
    path = aim.run / "inputs" / set_name(source, aim.individual, attack)
    if not path.exists():
        raise BlindspotsError(
            f"'{path}' is not there: the comparison could not craft it, or discarded it (keep = "
            '"independent"); run one with keep = "all" into another directory.'
        )
    _, facts = read_inputs(path)
    if aim.epsilon not in facts["epsilons"]:
        raise unknown_number("epsilon", aim.epsilon, facts["epsilons"], f"in '{path}'")
    return Condition(name, path, aim.epsilon, facts["sha256"])


def variants(
    aim: Aim, shown: tuple[Condition, ...], physiology: Physiology, bench: Bench
) -> list[Examine]:
    """The trained units, then the ablation axis, with the seed of the comparison's own cells."""
    weights, seed = identity_of(aim.directory), seed_of(aim.directory)
    rest = (shown, aim.images, seed, bench)
    trained = Examine(TORCH, "torch", aim.directory, weights, physiology, *rest)
    return [trained] + [
        Examine(name, "detailed", aim.directory, weights, cells, *rest)
        for name, cells in ablations(physiology).items()
    ]


def assembled(aim: Aim, planned: Sequence[Examine], bench: Bench) -> xr.Dataset:
    """All variants in one labelled result; ``correct`` (variant, condition, image) is 1 if right.

    ``accuracy`` (variant, condition) is its mean, with its 95 % Wilson interval. Beside it stand
    the measures of :mod:`experiments.detailed.examine` by (variant, condition, area), and by
    (variant, area) ``gain``, ``calibrated_rate`` and ``trained_rate`` (spikes per cell and step).
    """
    parts = [read_dataset(unit_path(each.stage, each.key) / each.product) for each in planned]
    result = xr.concat(parts, "variant", join="outer")
    result = result.drop_encoding()  # the first part's would cut longer names of variants short
    result["label"] = ("image", scored(bench, aim.images).labels.numpy())
    result["correct"] = (result["prediction"] == result["label"]).astype(np.int8)
    correct = result["correct"].expand_dims("individual")
    result = result.merge(accuracy(correct, xr.ones_like(correct, bool), "accuracy"))
    result = result.assign_coords(image=image_indices(bench, aim.images))
    return result.assign_attrs(
        **{"data": bench.data, "data_sha256": bench.sha256, "commit": commit() or ""},
        versions=json.dumps(versions()),
        network_sha256=planned[0].network_sha256,
        inputs_sha256=json.dumps({c.name: c.sha256 for c in planned[0].conditions}),
        seed=planned[0].seed,
        network=aim.network,
        individual=aim.individual,
        attack=aim.attack,
        epsilon=aim.epsilon,
        physiology=planned[-1].physiology.model_dump_json(),
    )
