"""Projected ascent under linf led by C++, which follows `ascent` image by image.

Where the compiled engine is asked for, and can: on a network in float32 on a CPU whose images stay,
for cross-entropy and with no detours. It finds what `ascent.Climbers` finds, but for the rounding
of sums; what it finds of an image does not depend on the others, to the last bit. For that it
judges clean images again.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor

from experiments.attacks.cost import count
from experiments.attacks.goal import Goal
from experiments.attacks.victim import Found, Model, Victim, answer_not_finite, gradient_not_finite
from networks import Constant, OneToOne, Wiring
from sim import Network
from sim.engine import engine
from sim.native import native
from sim.precision import precision
from sim.whole import is_flat
from sim.whole.build import HEADERS, CNet, pointer
from sim.whole.build import count as whole
from sim.whole.grids import FIRST, LAST, laid
from sim.whole.plan import Plan, plan_of
from sim.whole.seen import Memory, Stages, place, seen

SOURCE, HOST = (Path(__file__).with_name(name) for name in ("ascent.cpp", "host.h"))


class CClimb(ctypes.Structure):
    """``Climb`` in ``ascent.cpp``."""

    _fields_ = [
        *((n, whole) for n in ("pixels", "output", "budgets", "restarts", "steps", "idle")),
        ("keep_going", whole),
        *((n, pointer) for n in ("epsilons", "sizes", "clean", "offsets", "labels")),
        *((n, pointer) for n in ("best", "height", "fooled", "masked", "fooled_at", "out")),
        *((n, whole) for n in ("forward", "backward")),
    ]


@dataclass(frozen=True)
class Ascent:
    """Images on their way up, and what is found, which C++ writes into these tables.

    Attributes:
        epsilons: (E,).
        sizes: (E, steps), of each step.
        offsets: (restarts, n, ...), where to start, relative to the clean image and epsilon.
        best: the best known inputs, judged.
        fooled_at: (n,), the place of the budget at which each is fooled.
        out: (E, n, ...), the inputs of images that are not fooled there.
        idle: steps in a row that lead nowhere after which an ascent ends.
        keep_going: whether no ascent ends before its last step, though its image be fooled.
    """

    epsilons: Tensor
    sizes: Tensor
    offsets: Tensor
    best: Found
    fooled_at: Tensor
    out: Tensor
    idle: int
    keep_going: bool


def is_led(victim: Victim) -> bool:
    """Whether `lead` can lead the images of this victim."""
    model, clean = victim.model, victim.clean
    if engine() != "compiled" or not is_bare(model) or clean.device.type != "cpu":
        return False
    wiring, plan = model.wiring, plan_for(model.wiring)
    inputs = [p.pattern for p in wiring.projections if p.source == wiring.input.name]
    return (
        all(each.dtype == torch.float32 for each in (clean, *model.values.values()))
        and precision() == "float32"
        and victim.goal == Goal()
        and victim.guide is None
        and clean.shape[1:] == wiring.input.shape
        and clean.is_contiguous()
        and isinstance(wiring.stimulated.code, Constant)
        and wiring.stimulated.threshold is None
        and (is_flat(wiring) or wiring.input.shape[0] == 1)
        and not any(isinstance(pattern, OneToOne) for pattern in inputs)
        and not wiring.is_feedforward  # which is answered in one pass
        and plan.since[plan.output] <= plan.answers.start
    )


def is_bare(model: Model) -> TypeGuard[Network]:
    """Whether a model is a network that answers as its wiring says, with nothing hung on it."""
    return (
        type(model) is Network
        and "forward" not in vars(model)
        and not any((model._forward_pre_hooks, model._forward_hooks))
        and not any((model._backward_pre_hooks, model._backward_hooks))
    )


def lead(victim: Victim, ascent: Ascent, batch_size: int) -> None:
    """Lead the images to their ends, so many in one call.

    Raises:
        BlindspotsError: answers or gradients are not finite.
    """
    assert isinstance(victim.model, Network)
    circuit = victim.model.circuit()
    wiring, plan = circuit.wiring, plan_for(circuit.wiring)
    found = laid(plan.order, circuit)
    values = {name: each.detach().contiguous() for name, each in found.items()}
    memory = memory_of(plan, values)  # which must outlive what C++ sees of it
    net = seen(plan, values, len(victim.clean), memory)
    masked, goes = victim.masked[victim.rows], ascent.best.fooled.logical_not()
    victim.asked[victim.rows] |= goes | ascent.keep_going
    tables = (
        *(ascent.epsilons, ascent.sizes, victim.clean, ascent.offsets, victim.labels.contiguous()),
        *(ascent.best.inputs, ascent.best.loss, ascent.best.fooled, masked),
        *(ascent.fooled_at, ascent.out),
    )
    climb = CClimb(
        *(wiring.input.size, plan.areas.index(wiring.area(plan.output))),
        *(len(ascent.epsilons), len(ascent.offsets), ascent.sizes.shape[1]),
        *(ascent.idle, ascent.keep_going, *map(place, tables)),
    )
    for first in range(0, len(masked), batch_size):  # between which an interrupt is heard
        failure = library().ascend(net, climb, first, min(first + batch_size, len(masked)))
        if failure:
            raise (answer_not_finite, gradient_not_finite)[failure - 1]()
    victim.masked[victim.rows] = masked
    count(forward=climb.forward, backward=climb.backward)


def plan_for(wiring: Wiring) -> Plan:
    """Grids stand as the compiled loop has them, with channels last; so would pixels.

    They come with channels first, which is the same for one channel.
    """
    return plan_of(wiring, FIRST if is_flat(wiring) else LAST)


def memory_of(plan: Plan, values: Mapping[str, Tensor]) -> Memory:
    """The biases that drive each area, from each step on at which more of the input arrives."""
    drives: dict[str, Stages] = {}
    stills: dict[str, Tensor | None] = {}
    for area in plan.areas:
        bias = plan.order.spread(area, values[plan.biases[area.name]]).contiguous()
        drives[area.name] = [(t, bias) for t in plan.arrivals(area)]
        stills |= {link.weight: None for link in plan.into[area.name] if link.is_input}
    return Memory(drives=drives, stills=stills)


@cache
def library() -> ctypes.CDLL:
    """The compiled ascent; BlindspotsError where it cannot be built or loaded."""
    compiled = native(SOURCE, [*HEADERS, HOST])
    compiled.ascend.argtypes = (ctypes.POINTER(CNet), ctypes.POINTER(CClimb), whole, whole)
    compiled.ascend.restype = whole
    return compiled
