"""How exactly matrices are multiplied: in float32, or with fewer digits, as a GPU does faster.

    float32  as PyTorch does by default
    tf32     operands of 11 significant bits, sums in float32
    bf16     operands and products of 8 significant bits, sums in float32

Everything else, membranes and their thresholds above all, stays as it is; so do convolutions. On a
CPU, where the fewer digits save nothing, tf32 is played by operands that are rounded. Results name
a precision other than float32.
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from sim.chosen import chosen

Precision = Literal["float32", "tf32", "bf16"]
ENVIRONMENT = "BLINDSPOTS_PRECISION"


def precision() -> Precision:
    """The precision that ``BLINDSPOTS_PRECISION`` names; float32 without it.

    Raises BlindspotsError where there is none of that name.
    """
    return chosen(ENVIRONMENT, "precision", get_args(Precision))


def product(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product a b, (..., n, m), of (..., n, k) and (..., k, m).

    With fewer digits the same holds for the products of its derivative. Numbers of another type
    than float32 were chosen on purpose, and are multiplied as they are.
    """
    how = precision()
    if how == "float32" or a.dtype != torch.float32:
        return a @ b
    found: Tensor = _Product.apply(a, b, how)
    return found


class _Product(torch.autograd.Function):
    """A product whose derivative is made of products of the same precision."""

    generate_vmap_rule = True  # for an axis of individuals

    @staticmethod
    def forward(a: Tensor, b: Tensor, how: Precision) -> Tensor:
        return _multiplied(a, b, how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Precision], output: Tensor) -> None:
        *operands, ctx.how = inputs
        ctx.save_for_backward(*operands)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        a, b = ctx.saved_tensors
        by_a = _Product.apply(gradient, b.mT, ctx.how)
        return by_a, _Product.apply(a.mT, gradient, ctx.how), None


def _multiplied(a: Tensor, b: Tensor, how: Precision) -> Tensor:
    if how == "bf16":
        return (a.bfloat16() @ b.bfloat16()).float()
    if not a.is_cuda:
        return _of_11_bits(a) @ _of_11_bits(b)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return a @ b
    finally:
        torch.set_float32_matmul_precision(before)


def _of_11_bits(x: Tensor) -> Tensor:
    """Rounded to the nearest number of 11 significant bits (the first part of Veltkamp's split)."""
    far = x * (2**13 + 1)
    return far - (far - x)
