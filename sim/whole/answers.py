"""The whole loop through time as one function, whose derivative is written by hand.

It answers what :func:`sim.unroll.potentials` answers. With g_a[t] the gradient by what area a
emits, du_a[t] by its potential and G_a[t] by its drive,

    g_a[t]  = sum over projections p out of a of G_target(p)[t + d_p] W_p
    du_a[t] = f'(u_a[t]) g_a[t] + beta du_a[t+1],        G = du              (a spiking unit)
    du_a[t] = f'(u_a[t]) g_a[t] + (1 - leak) du_a[t+1],  G = leak du         (a rate unit)
    dW_p    = sum over t of G_target(p)[t]^T out_source(p)[t - d_p]

with f' the surrogate derivative, or that of the activation; none flows through the reset. A step
leaves one number for each unit for the way back, its potential: what it emitted follows from it.
What can no longer reach the answer is not computed.
"""

import os
from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sim.engine import Engine, engine, kernels
from sim.precision import precision
from sim.step import Circuit
from sim.whole.compiled import Loop
from sim.whole.grids import FIRST, LAST, laid
from sim.whole.plain import Plain
from sim.whole.plan import Plan, plan_of
from sim.whole.way import Way


def answers(circuit: Circuit, frames: Sequence[Tensor], *, is_frugal: bool = False) -> Tensor:
    """The output's potential at each step of the answer, (answer steps, N, classes).

    Frames are (N, *shape). Those of individuals whose values are stacked are (individuals, N,
    *shape), and the answer has their axis before that of images.

    With ``is_frugal`` the way back computes most of the past again, from moments that were kept:
    the same numbers from memory that grows with the root of the number of steps.
    """
    is_still, by = all(frame is frames[0] for frame in frames), engine()
    if by == "compiled" and not can_compile(circuit, frames):
        by = "plain"
    plan = plan_of(circuit.wiring, LAST if by == "compiled" else FIRST)
    values, different = laid(plan.order, circuit), frames[:1] if is_still else frames
    shown = [plan.order.rows(each) if plan.input.is_grid else each for each in different]
    given = [*map(Tensor.contiguous, shown), *(values[name] for name in plan.names)]
    how = (by, apart_of(plan) if is_frugal else 0, len(shown))
    found: Tensor = ThroughTime.apply(plan, how, *given)
    return found


def can_compile(circuit: Circuit, frames: Sequence[Tensor]) -> bool:
    """Whether the compiled loop can take the way: one individual's, on a CPU, in float32."""
    tensors = (*frames, *circuit.values.values())
    return (
        precision() == "float32"
        and frames[0].ndim == 1 + len(circuit.wiring.input.shape)
        and all(each.dtype == torch.float32 and each.device.type == "cpu" for each in tensors)
    )


def apart_of(plan: Plan) -> int:
    """Steps between moments that are kept, so that these and a stretch take the least memory.

    At each as many steps are kept as the longest delay reaches back.
    """
    return max(plan.longest, round(sqrt(plan.steps * plan.longest)))


class ThroughTime(torch.autograd.Function):
    """From frames (N, pixels), a single one if they stay, and parameters, to `answers`."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, how: tuple[Engine, int, int], *given: Tensor) -> Tensor:
        """The answer; what the way back needs stays in ``ctx``.

        ``how``: the engine, the steps between moments that are kept (0: all), and how many of
        ``given`` are frames.
        """
        ctx.plan, ctx.how = plan, how
        way = _way(plan, how, given)
        rows = way.there(keep=any(ctx.needs_input_grad))
        ctx.past = way.past
        ctx.save_for_backward(*given)
        return torch.stack([row.expand(*given[0].shape[:-1], -1) for row in rows])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of all that was given, from that by the answer."""
        way = _way(ctx.plan, ctx.how, ctx.saved_tensors)
        way.past = dict(ctx.past)  # which stays, for another way back
        return None, None, *way.back(gradient, ctx.needs_input_grad[2:])


def _way(plan: Plan, how: tuple[Engine, int, int], given: Sequence[Tensor]) -> Way | Loop:
    """By that engine where it can, else in plain torch."""
    by, apart, shown = how
    if by == "compiled":
        return Loop(plan, shown, given, apart)
    is_fused = by in ("triton", "graphs") and all(x.dtype == torch.float32 for x in given)
    if is_fused and (given[0].is_cuda or os.environ.get("TRITON_INTERPRET") == "1"):
        return Way(plan, fused(), shown, given, apart)
    return Way(plan, Plain(), shown, given, apart)


def fused() -> Plain:
    """The arithmetic of Triton's kernels; BlindspotsError where Triton is not installed."""
    arithmetic: Plain = kernels(engine()).Fused()
    return arithmetic
