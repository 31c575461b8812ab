"""The worst case over an ensemble with fixed budgets: what robust accuracy is reported by.

After AutoAttack (Croce and Hein 2020): attacks that fail for different reasons, one after the
other, each on the images that withstood all before; an image counts as robust only if it
withstands all. Budgets are fixed, so that none can be set too low. Spiking and recurrent
networks are attacked along other gradients than their own besides (`experiments.attacks.guides`),
since no single surrogate is the most harmful one for all images.
"""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experiments.attacks.chance import Expected
from experiments.attacks.cost import Cost, counting
from experiments.attacks.crowd import of_rows
from experiments.attacks.curve import BATCH, batches, clean_start, threats
from experiments.attacks.guides import ways
from experiments.attacks.names import Norm, attack_named
from experiments.attacks.sources import Source, renewed
from experiments.attacks.threat import Threat, check
from experiments.attacks.victim import (
    Found,
    MaskedGradientWarning,
    Model,
    Victim,
    under_attack,
)

STEPS = 40  # of each projected gradient
QUERIES = 1000
STRONGEST_WAYS = ("space alone", "fast_sigmoid 5", "half the time", "atan 5")
TARGETS = 9  # classes that are aimed at one after the other


@dataclass(frozen=True)
class Stage:
    """One attack of the ensemble.

    Attributes:
        name: for tables.
        attack: its name in `names.ATTACKS`.
        options: its options, a guide among them.
    """

    name: str
    attack: str
    options: Mapping[str, Any]


def attempt(
    victim: Victim,
    stage: Stage,
    rows: Tensor,
    threat: Threat,
    generator: Source,
    *,
    keep_going: bool,
    batch_size: int,
) -> Tensor:
    """What the stage makes of the given rows (n,): inputs (n, ...).

    Only the first stages warn of zero gradients: some guides have many by their nature.
    """
    with warnings.catch_warnings():
        if "guide" in stage.options:
            warnings.simplefilter("ignore", MaskedGradientWarning)
        made: Tensor = attack_named(stage.attack).function(
            *(of_rows(victim.model, rows), victim.clean[rows], victim.labels[rows]),
            epsilons=[threat.epsilon],
            generator=of_rows(generator, rows),
            keep_going=keep_going,
            batch_size=batch_size,
            **{name: of_rows(value, rows) for name, value in stage.options.items()},
        )
    return made[0]


@dataclass(frozen=True)
class Round:
    """What stands after a stage.

    Attributes:
        stage: that was run.
        found: the best input known for each image (N), judged; a copy.
        cost: of this stage.
        seconds: of this stage.
    """

    stage: Stage
    found: Found
    cost: Cost
    seconds: float


def stages(model: Model, norm: Norm, effort: int = 1) -> list[Stage]:
    """The ensemble against a model, cheapest first; `effort` as in `worst_linf`."""
    steps = effort * STEPS
    listed = [
        Stage("PGD, cross-entropy", f"pgd-{norm}", {"steps": steps}),
        Stage("PGD, margin", f"pgd-{norm}", {"steps": steps, "loss": "margin"}),
    ]
    if isinstance(model, Expected):
        options = {"steps": steps, "guide": model.each}
        listed.append(Stage("PGD, each draw's loss", f"pgd-{norm}", options))
    known = ways(model)
    listed += [
        Stage(
            f"PGD through {name}",
            f"pgd-{norm}",
            {"steps": steps, "guide": known[name].through(model)},  # type: ignore[arg-type]
        )
        for name in STRONGEST_WAYS
        if name in known
    ]
    aimed = {"loss": "dlr", "targets": TARGETS, "steps": steps}
    listed.append(Stage("APGD, targeted", f"apgd-{norm}", aimed))
    if norm == "linf":
        listed.append(Stage("Square", "square-linf", {"queries": effort * QUERIES}))
    return listed


def rounds(
    victim: Victim,
    threat: Threat,
    start: Found,
    generator: Source,
    *,
    keep_going: bool,
    batch_size: int,
    effort: int = 1,
) -> Iterator[Round]:
    """Runs the ensemble at one budget, and tells what stands after each stage.

    Args:
        victim: the model and all N images.
        threat: the budget.
        start: the best inputs known, judged; those that fool are kept unless `keep_going`.
        generator: of all chance; each stage draws a seed of its own from it.
        keep_going: whether the first stage spends its budget on every image.
        batch_size: images per forward pass.
        effort: as in `worst_linf`.
    """
    best = start.at(victim.rows)
    for at, stage in enumerate(stages(victim.model, threat.norm, effort)):
        chance = renewed(generator)
        everyone = keep_going and not at
        rows = victim.rows if everyone else victim.rows[~best.fooled]
        began = time.monotonic()
        with counting() as cost:
            if len(rows):
                points = attempt(
                    *(victim, stage, rows, threat, chance),
                    keep_going=everyone,
                    batch_size=batch_size,
                )
                for part, tried in zip(
                    batches(rows, batch_size), points.split(batch_size), strict=True
                ):
                    best.put(part, better(best.at(part), victim.at(part).judge(tried), everyone))
        yield Round(stage, best.at(victim.rows), cost, time.monotonic() - began)


def better(known: Found, tried: Found, everyone: bool) -> Found:
    """Of two inputs for each image the one that fools, else that of higher loss.

    With `everyone`, what was tried also replaces what fools already, if it fools as well.
    """
    out = known.at(torch.arange(len(known.fooled), device=known.fooled.device))
    if everyone:
        known_only = known.fooled & ~tried.fooled
        out.put((~known_only).nonzero()[:, 0], tried.at(~known_only))
    else:
        out.keep_better(torch.arange(len(out.fooled), device=out.fooled.device), tried)
    return out


def worst_case(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    effort: int = 1,
    batch_size: int = BATCH,
) -> Iterator[Round]:
    """The ensemble at one budget after the other; what fools at one is kept at all larger ones.

    Yields:
        A `Round` per epsilon and stage, epsilons outermost.
    """
    with under_attack(model, inputs, labels) as victim:
        best = clean_start(victim, keep_going=False, batch_size=batch_size)
        for threat in threats(norm, epsilons):
            for each in rounds(
                *(victim, threat, best, generator),
                keep_going=keep_going,
                batch_size=batch_size,
                effort=effort,
            ):
                yield each
            best = each.found
            check(victim.clean, best.inputs, threat)


def worst_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    effort: int = 1,
    batch_size: int = BATCH,
) -> Tensor:
    """The worst case within the largest change of a pixel; see the module.

    Args:
        model: images to logits, differentiable by its input. The more is known of it, the more
            gradients are followed: a `sim.Network` tells its surrogates and paths.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes.
        epsilons: ascending budgets in [0, 1].
        generator: source of chance.
        keep_going: True: the first attack spends its whole budget on every image, as inputs for
            transfer need; the others go on where it failed.
        effort: how many times the fixed steps and queries are spent; 2 tells whether 1 suffices.
        batch_size: images per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.
    """
    return _last_of_each(
        worst_case(
            *(model, inputs, labels),
            norm="linf",
            epsilons=epsilons,
            generator=generator,
            keep_going=keep_going,
            effort=effort,
            batch_size=batch_size,
        ),
        len(stages(model, "linf")),
    )


def worst_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    effort: int = 1,
    batch_size: int = BATCH,
) -> Tensor:
    """The worst case within the root-mean-squared change; otherwise as `worst_linf`."""
    return _last_of_each(
        worst_case(
            *(model, inputs, labels),
            norm="l2",
            epsilons=epsilons,
            generator=generator,
            keep_going=keep_going,
            effort=effort,
            batch_size=batch_size,
        ),
        len(stages(model, "l2")),
    )


def _last_of_each(told: Iterator[Round], every: int) -> Tensor:
    return torch.stack([each.found.inputs for at, each in enumerate(told, 1) if at % every == 0])
