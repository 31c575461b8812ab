"""The sums of a step by compiled kernels, from the units that spiked alone where these are few."""

from collections.abc import Sequence

from torch import Tensor

from networks import RateUnit, SpikingUnit
from networks.area import Area
from sim.whole import kernels
from sim.whole.plain import Emitted, Plain, Sent

FEW = 0.4
"""Spikes per unit and step below which adding rows takes less time than a matrix product."""


class Spikes(Emitted):
    """What a spiking area emitted, as a list of the units that spiked for each image.

    ``are_few``: they had better be counted than multiplied by.
    """

    def __init__(self, area: Area, unit: SpikingUnit, u: Tensor):
        super().__init__(area, u)
        self.by_image = kernels.spikes(u, unit.threshold)
        self.are_few = self.by_image.columns.numel() < FEW * u.numel()
        self._by_unit: kernels.Events | None = None

    @property
    def by_unit(self) -> kernels.Events:
        """For each unit the images that made it spike; found when it is first asked for."""
        if self._by_unit is None:
            self._by_unit = kernels.turned(self.by_image, self.area.size)
        return self._by_unit

    def forget(self) -> None:
        """Forget what can be found again; the list for each image is short, and stays."""
        super().forget()
        self._by_unit = None


class Compiled(Plain):
    """The sums of a step and of the way back, in another order than in `Plain`.

    One serves one way there or back: it keeps what stays the same in all steps. What has no kernel
    of its own is left to torch.
    """

    def __init__(self) -> None:
        self.bases: dict[tuple[str, int], Tensor] = {}
        self.rows: dict[str, Tensor] = {}

    def emitted(self, area: Area, u: Tensor) -> Emitted:
        """What the area emits at the potential ``u``."""
        if isinstance(area.unit, SpikingUnit) and u.shape[0] > 1:
            return Spikes(area, area.unit, u)
        return Emitted(area, u)

    def potential(
        self, area: Area, bias: Tensor, drives: Sequence[Tensor | Sent], before: Emitted | None
    ) -> Tensor:
        """u[t], (N, units), from what arrives and what was there ``before``, at t-1."""
        images = max((each.shape[0] for each in drives), default=1)
        if images == 1:
            return super().potential(area, bias, drives, before)
        unit = area.unit
        base = self._base(area, bias, [each for each in drives if isinstance(each, Tensor)])
        if isinstance(unit, SpikingUnit) and before is not None:
            u = kernels.membrane(base, before.u, unit.beta, unit.threshold, images)
        else:
            u = super().potential(area, base, (), before).expand(images, -1).clone()
        share = unit.leak if isinstance(unit, RateUnit) else 1.0
        for each in drives:
            if isinstance(each, Sent):
                self._arrive(each, share, u)
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
        kernels.by_membrane(u, later, unit.threshold, unit.slope, unit.beta, by_emitted)
        return by_emitted

    def by_source(self, sent: Sent, drive: Tensor, total: Tensor | None) -> Tensor:
        """``total`` and the gradient by what the source emitted, (N, source units)."""
        if total is None or sent.link.is_diagonal:
            return super().by_source(sent, drive, total)
        return total.addmm_(drive, sent.weight)

    def by_weight(self, sent: Sent, drive: Tensor, total: Tensor | None) -> Tensor:
        """``total`` and the gradient by the weights; its columns are contiguous."""
        if sent.link.is_diagonal:
            return super().by_weight(sent, drive, total)
        emitted = sent.emitted
        if not isinstance(emitted, Spikes) or not emitted.are_few:
            out = emitted.out
            return (out.T @ drive).T if total is None else total.addmm_(drive.T, out)
        if total is None:
            total = drive.new_zeros(sent.weight.T.shape).T
        kernels.gather(drive, emitted.by_unit, 1, total.T)
        return total

    def _base(self, area: Area, bias: Tensor, still: Sequence[Tensor]) -> Tensor:
        """The drive that stays: the bias and what a still input delivers."""
        key = (area.name, len(still))
        if key not in self.bases:
            self.bases[key] = sum(still, start=bias)
        return self.bases[key]

    def _arrive(self, sent: Sent, share: float, u: Tensor) -> None:
        """Add the share of what arrives that a potential takes up."""
        emitted, name = sent.emitted, sent.link.weight
        if sent.link.is_diagonal or sent.shape[0] == 1:
            u.add_(sent.arrives(), alpha=share)
        elif isinstance(emitted, Spikes) and emitted.are_few:
            if name not in self.rows:
                self.rows[name] = sent.weight.T.contiguous()
            kernels.gather(self.rows[name], emitted.by_image, share, u)
        else:
            u.addmm_(emitted.out, sent.weight.T, alpha=share)
