"""Triton kernels of a step: single passes over potentials that lie in float32, in C order.

They are compiled where they are first called on a GPU. With ``TRITON_INTERPRET=1``, set before this
module is first imported, Triton plays them on a CPU, slowly.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit
def _membrane(
    base, arrived, before, u, out, beta, threshold, count, rows, units,
    ARRIVES: tl.constexpr, IS_SHARED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    is_there = at < count
    if IS_SHARED:  # the base is one row, (individuals, 1, units), for all images
        drive = tl.load(base + at // rows * units + at % units, mask=is_there)
    else:
        drive = tl.load(base + at, mask=is_there)
    if ARRIVES:
        drive += tl.load(arrived + at, mask=is_there)
    past = tl.load(before + at, mask=is_there)
    now = tl.fma(past, beta, drive) - tl.where(past > threshold, threshold, 0.0)
    tl.store(u + at, now, mask=is_there)
    tl.store(out + at, tl.where(now > threshold, 1.0, 0.0), mask=is_there)


@triton.jit
def _by_membrane(u, later, gradient, threshold, slope, beta, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    is_there = at < count
    flat = 1.0 + slope * tl.abs(tl.load(u + at, mask=is_there) - threshold)
    mine = tl.load(gradient + at, mask=is_there) / (flat * flat)
    tl.store(gradient + at, tl.fma(tl.load(later + at, mask=is_there), beta, mine), mask=is_there)


def membrane(
    base: Tensor, arrived: Tensor | None, before: Tensor, beta: float, threshold: float
) -> tuple[Tensor, Tensor]:
    """u = base + arrived + beta before - threshold [before > threshold], and [u > threshold].

    ``before`` and ``arrived``, None where nothing does, are (..., images, units); ``base`` too, or
    (..., 1, units).
    """
    images, units = before.shape[-2:]
    u, out = (torch.empty_like(before, memory_format=torch.contiguous_format) for _ in "uo")
    _membrane[(triton.cdiv(u.numel(), BLOCK),)](
        *map(in_order, (base, base if arrived is None else arrived, before, u, out)),
        *(beta, threshold, u.numel(), images * units, units),
        ARRIVES=arrived is not None,
        IS_SHARED=base.shape != before.shape,
        BLOCK=BLOCK,
    )
    return u, out


def by_membrane(
    u: Tensor, later: Tensor, threshold: float, slope: float, beta: float, gradient: Tensor
) -> Tensor:
    """gradient / (1 + slope |u - threshold|)^2 + beta later, all (..., units).

    It is in the gradient's own place, where that lies in C order.
    """
    found = in_order(gradient)
    _by_membrane[(triton.cdiv(u.numel(), BLOCK),)](
        *(in_order(u), in_order(later), found),
        *(threshold, slope, beta, u.numel()),
        BLOCK=BLOCK,
    )
    return found


def in_order(table: Tensor) -> Tensor:
    """The table in C order, in which convolutions may not leave it; counted in 32 bits."""
    assert table.numel() < 2**31 - BLOCK
    return table.contiguous()
