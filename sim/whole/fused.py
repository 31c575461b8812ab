"""The sums of a step on a GPU: what is done unit by unit in one kernel, products added in place.

A GPU spends more time on starting small kernels, and on carrying potentials to memory and back
between them, than on the sums of a step.
"""

from collections.abc import Sequence

from torch import Tensor

from networks import SpikingUnit
from networks.area import Area
from sim.precision import precision, product
from sim.whole.plain import Emitted, Plain, Sent, summed
from sim.whole.pointwise import by_membrane, membrane


class Fused(Plain):
    """The sums of a step and of the way back, in another order than in `Plain`.

    One serves one way there or back: it keeps what stays the same in all steps. What has no kernel
    of its own, rate units, convolutions and other surrogates than fast sigmoids, is left to torch.
    """

    def __init__(self) -> None:
        self.bases: dict[tuple[str, int], Tensor] = {}
        self.fired: dict[str, Tensor] = {}

    def emitted(self, area: Area, u: Tensor) -> Emitted:
        """What the area emits at the potential ``u``, which was found just now."""
        return Emitted(area, u, self.fired.pop(area.name, None))

    def potential(
        self, area: Area, bias: Tensor, drives: Sequence[Tensor | Sent], before: Emitted | None
    ) -> Tensor:
        """u[t], (..., N, units), from what arrives and what was there ``before``, at t-1."""
        unit = area.unit
        sent = [each for each in drives if isinstance(each, Sent)]
        base = self._base(area, bias, [each for each in drives if isinstance(each, Tensor)])
        images = max(base.shape[-2], *(each.shape[-2] for each in sent), 1)
        if not isinstance(unit, SpikingUnit) or before is None or before.u.shape[-2] != images:
            return super().potential(area, base, sent, before)
        total = None
        for each in sorted(sent, key=lambda one: -one.shape[-2]):  # the first may be added to
            total = arrived(each, total)
        if total is not None and total.shape != before.u.shape:  # all that is sent is one row
            base, total = base + total, None
        u, self.fired[area.name] = membrane(base, total, before.u, unit.beta, unit.threshold)
        return u

    def by_potential(
        self, area: Area, u: Tensor, by_emitted: Tensor | None, later: Tensor | None
    ) -> Tensor | None:
        """du[t] from g[t] and du[t+1], each None where it is nought; their memory is used."""
        unit = area.unit
        if (
            not isinstance(unit, SpikingUnit)
            or unit.surrogate != "fast_sigmoid"
            or by_emitted is None
            or later is None
            or not later.shape == by_emitted.shape == u.shape
        ):
            return super().by_potential(area, u, by_emitted, later)
        return by_membrane(u, later, unit.threshold, unit.slope, unit.beta, by_emitted)

    def by_source(self, sent: Sent, drive: Tensor, total: Tensor | None) -> Tensor:
        """``total`` and the gradient by what the source emitted, (..., N, source units)."""
        if not sent.is_product:
            return super().by_source(sent, drive, total)
        return with_product(total, drive, sent.weight)

    def by_weight(self, sent: Sent, drive: Tensor, total: Tensor | None) -> Tensor:
        """``total`` and the gradient by the weights."""
        if not sent.is_product:
            return super().by_weight(sent, drive, total)
        return with_product(total, drive.mT, sent.emitted.out)

    def _base(self, area: Area, bias: Tensor, still: Sequence[Tensor]) -> Tensor:
        """The drive that stays: the bias and what a still input delivers."""
        key = (area.name, len(still))
        if key not in self.bases:
            self.bases[key] = sum(still, start=bias)
        return self.bases[key]


def arrived(sent: Sent, total: Tensor | None) -> Tensor:
    """``total``, in its place, and what arrives."""
    if total is None or not sent.is_product or sent.shape[-2] != total.shape[-2]:
        return summed(total, sent.arrives())
    return with_product(total, sent.emitted.out, sent.weight.mT)


def with_product(total: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """``total``, in its place, and the matrix product a b."""
    if total is None or precision() != "float32":
        return summed(total, product(a, b))
    return total.addmm_(a, b) if total.ndim == 2 else total.baddbmm_(a, b)
