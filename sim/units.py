"""Unit models: one pure function per model, the equation above the code."""

from collections.abc import Callable

import torch
from snntorch import surrogate
from torch import Tensor

from networks import RateUnit, SpikingUnit

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "identity": lambda u: u,
}


def rate_step(unit: RateUnit, potential: Tensor | None, drive: Tensor) -> tuple[Tensor, Tensor]:
    """(u[t], out[t]) from u[t-1] and the drive, all (images, *shape); None stands for u[-1] = 0.

    u[t] = (1 - leak) u[t-1] + leak drive[t];   out[t] = f(u[t])
    """
    if unit.leak == 1:
        u = drive
    elif potential is None:
        u = unit.leak * drive
    else:
        u = torch.lerp(potential, drive, unit.leak)
    return u, ACTIVATIONS[unit.activation](u)


def membrane_step(
    unit: SpikingUnit, potential: Tensor | None, emitted: Tensor | None, drive: Tensor
) -> Tensor:
    """u[t] from u[t-1], out[t-1] and the drive; None stands for zeros.

    u[t] = beta u[t-1] + drive[t] - threshold out[t-1];   out[t] = 1 if u[t] > threshold else 0

    The membrane is returned before the reset by out[t], which acts at t+1 (snnTorch's ``Leaky``
    with ``reset_delay=True``). In training no gradient flows through the reset, as in snnTorch:
    the step detaches ``emitted``.
    """
    u = drive
    if potential is not None:
        u = torch.add(u, potential, alpha=unit.beta)
    if emitted is not None:
        u = torch.sub(u, emitted, alpha=unit.threshold)
    return u


def spike(unit: SpikingUnit, above: Tensor) -> Tensor:
    """1 where ``above`` > 0, else 0; its derivative is the unit's surrogate (snnTorch's own).

    snnTorch's surrogates answer in float32 whatever they are given; the spikes keep the dtype.
    """
    if unit.surrogate == "fast_sigmoid":
        fired = surrogate.fast_sigmoid(unit.slope)
    elif unit.surrogate == "atan":
        fired = surrogate.atan(unit.slope)
    elif unit.surrogate == "sigmoid":
        fired = surrogate.sigmoid(unit.slope)
    else:
        fired = surrogate.straight_through_estimator()
    return fired(above).to(above.dtype)
