"""Where does robustness lie: in feedback, in time, or in the weights? The command ``controls``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console

from experiments.attacks.names import attack_named
from experiments.bench import Bench, scored
from experiments.command import attempted, claim, require_all
from experiments.feedback.control import PARTS, Control
from experiments.feedback.report import write_controls_report
from experiments.finished import finished, images_of, kept, seed_of
from experiments.individuals import Train
from experiments.kept import Kept
from experiments.plan import INDEPENDENT
from experiments.provenance import commit, versions
from experiments.recipe import Recipe
from experiments.result import (
    image_indices,
    load_network,
)
from experiments.statistics.accuracies import wilson
from experiments.store import damaged, read_dataset, unit_path, write_dataset, writing
from experiments.workers import Workers
from networks import DETAILED, BlindspotsError, Wiring, parameters
from networks.derive import feedforward_part, widened_to_match
from networks.projection import FEEDBACK

USUAL = 200  # images
ATTACK = "pgd-linf"


@dataclass(frozen=True)
class Controlled:
    """One individual of a run with the units of its controls."""

    run: Path
    network: str
    individual: int
    epsilon: float
    images: int
    steps: int
    units: tuple[Control, ...]

    @property
    def out(self) -> Path:
        """Where everything goes."""
        return self.run / "controls" / f"{self.network}-{self.individual}-{self.epsilon:g}"


def control(
    run: Path,
    networks: Sequence[str],
    *,
    individual: int,
    images: int | None,
    epsilon: float | None,
    steps: int,
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> list[xr.Dataset]:
    """Control ``networks`` of ``run`` (default: all trained ones with feedback) one by one.

    What is measured, drawn and reported goes to RUN/controls/NETWORK-INDIVIDUAL-EPSILON; the
    default epsilon is the run's reference, and of its images 200 are shown.
    """
    compared, bench = finished(run, data)
    images = images_of(compared, run, images, USUAL)
    epsilon = reference_epsilon(compared) if epsilon is None else epsilon
    planned = [
        controlled(run, name, individual, epsilon, images, steps, bench, compared)
        for name in networks or looped(compared, run)
    ]
    return [measured(each, bench, workers, console) for each in planned]


def reference_epsilon(compared: xr.Dataset) -> float:
    """The run's, if it is a largest change of a pixel."""
    attack = str(compared.attrs["reference_attack"])
    if attack_named(attack).norm != "linf":
        raise BlindspotsError(
            f"The run's reference attack is {attack}, whose budget is no largest change of a pixel "
            "as that of the controls is; give --epsilon."
        )
    return float(compared.attrs["reference_epsilon"])


def looped(compared: xr.Dataset, run: Path) -> list[str]:
    """The trained networks of a comparison that have feedback and answer without chance."""
    feedback = compared["recurrence"].isin([*FEEDBACK, "both"]).to_numpy()
    names = [str(name) for name in compared["network"].to_numpy()[feedback]]
    names = [
        name
        for name in names
        if not name.endswith(DETAILED) and is_constant(load_network(run, name, 0).wiring)
    ]
    if not names:
        raise BlindspotsError(
            f"No network in '{run}' has lateral or top-down projections; compare one that has, "
            "such as fc-blt, first."
        )
    return names


def is_constant(wiring: Wiring) -> bool:
    """Whether the input shows an image as it is at every step."""
    return wiring.stimulated.code.model == "constant"


def controlled(
    run: Path,
    name: str,
    individual: int,
    epsilon: float,
    images: int,
    steps: int,
    bench: Bench,
    compared: xr.Dataset,
) -> Controlled:
    """The units of one individual; BlindspotsError where a control has no meaning for it."""
    if name.endswith(DETAILED):
        raise BlindspotsError(
            f"'{name}' runs in cells, through which no gradient is followed; name "
            f"'{name.removesuffix(DETAILED)}'."
        )
    wiring = load_network(run, name, individual).wiring
    if not any(p.kind in FEEDBACK for p in wiring.projections):
        raise BlindspotsError(
            f"'{name}' has no lateral or top-down projections to control for; choose from "
            f"{', '.join(looped(compared, run))}."
        )
    if not is_constant(wiring):
        raise BlindspotsError(
            f"The input of '{name}' is {wiring.stimulated.code.model} coded; the controls perturb "
            "intensities over time, so choose a network of constant input."
        )
    network = kept(run, name, individual, bench)
    source = next(
        str(s)
        for s in compared["source"].to_numpy()[compared["independent"].to_numpy()]
        if str(s).startswith(INDEPENDENT)
    )
    independent = kept(run, source, individual, bench)
    student = student_of(network, wiring, bench)
    units = tuple(
        Control(
            part=part,
            network=network,
            independent=independent,
            student=student if part == "distilled" else None,
            epsilon=epsilon,
            steps=steps,
            images=images,
            seed=0,
            bench=bench,
        )
        for part in PARTS
    )
    return Controlled(run, name, individual, epsilon, images, steps, units)


def student_of(teacher: Kept, wiring: Wiring, bench: Bench) -> Train:
    """The feedforward network of as many parameters that learns the teacher's answers.

    By the teacher's own recipe and from its own seed, but for the objective.
    """
    path = teacher.directory / "training.json"
    try:
        facts = json.loads(path.read_text())
        recipe = Recipe.model_validate({**facts["recipe"], "objective": "distil", "epsilon": 0.0})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    plain = widened_to_match(feedforward_part(wiring), parameter_count=parameters(wiring))
    plain = plain.replace(name=f"{wiring.name}-student")
    return Train(plain, recipe, seed_of(teacher.directory), bench, teacher)


def measured(
    aim: Controlled, bench: Bench, workers: Workers | None, console: Console
) -> xr.Dataset:
    """One individual under all its controls: measured, saved, drawn and reported."""
    from figures.gains import gains
    from figures.save import save

    claim(aim.out)
    require_all(attempted(aim.units, aim.out, console, workers=workers))
    result = assembled(aim, bench)
    write_dataset(result, aim.out / "controls.nc")
    with writing(aim.out / "figures"):
        path = save(gains(result), aim.out / "figures", "gains")[0]
    write_controls_report(aim.out, result, path, console)
    return result


def assembled(aim: Controlled, bench: Bench) -> xr.Dataset:
    """All controls in one labelled result.

    By the parts of :data:`experiments.feedback.control.PARTS`: ``PART`` (..., image), 1 right and 0
    wrong; ``PART_accuracy`` (...), the share that is right, with its 95 % Wilson interval
    ``PART_accuracy_low`` and ``_high``, n = number of images.
    """
    parts = [read_dataset(unit_path(each.stage, each.key) / each.product) for each in aim.units]
    warned = {
        each.part: json.loads(part[each.part].attrs.pop("warnings"))
        for each, part in zip(aim.units, parts, strict=True)
    }
    result = xr.merge(parts)
    for each in aim.units:
        share = result[each.part].mean("image")
        low, high = wilson(share.to_numpy(), np.full(share.shape, aim.images))
        name = f"{each.part}_accuracy"
        result[name] = share
        result[f"{name}_low"], result[f"{name}_high"] = share.copy(data=low), share.copy(data=high)
    result["label"] = ("image", scored(bench, aim.images).labels.cpu().numpy())
    result = result.assign_coords(image=image_indices(bench, aim.images))
    first, student = aim.units[0], aim.units[-1].student
    assert student is not None
    return result.assign_attrs(
        network=aim.network,
        individual=aim.individual,
        attack=f"{ATTACK}, {aim.steps} steps, both losses",
        epsilon=aim.epsilon,
        data=bench.data,
        data_sha256=bench.sha256,
        network_sha256=first.network.sha256,
        independent_sha256=first.independent.sha256,
        independent=first.independent.label,
        student=student.wiring.name,
        student_parameters=parameters(student.wiring),
        student_recipe=student.recipe.model_dump_json(),
        commit=commit() or "",
        versions=json.dumps(versions()),
        warnings=json.dumps(warned),
    )
