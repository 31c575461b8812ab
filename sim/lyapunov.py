"""Finite-time Lyapunov exponents: how fast states part that were close, in nats per step.

Of rate networks the derivative of the step is propagated, exactly (`spectrum`; `growth` along
`tangent`): Benettin et al. 1980 (Meccanica 15, 9), for recurrent networks Engelken, Wolf & Abbott
2023 (Phys. Rev. Research 5, 043044).

The step of a spiking unit is linear but where a membrane crosses its threshold, and there it jumps:
in discrete time a spike cannot come a little later. So two numbers say different things, and both
are of use. The *tangent between spikes* (`tangent`) is what an infinitely small perturbation does,
which changes no spike: membranes forget at ln beta per step, whatever drives them. The *finite
difference* of a stated size (`difference`) is what a perturbation does that may change spikes: it
decays like the tangent until it has added or removed the first spike, then spreads through the
weights. Networks of spiking units may be stable to the one and not to the other; the size at which
that turns is the radius of the flux tube (Monteforte & Wolf 2010, Phys. Rev. Lett. 105, 268104;
2012, Phys. Rev. X 2, 041007). Measure it over many directions and more than one size.
"""

from collections.abc import Callable, Mapping

import torch
import xarray as xr
from torch import Tensor
from torch.autograd.functional import jvp, vjp

from networks import BlindspotsError
from sim.flow import Flow
from sim.network import Network
from sim.paths import Path
from sim.rule import PLAIN, Rule

Along = Callable[[Path, Tensor], Tensor]
"""From a path and a direction of its perturbation to the change of u[t] per size of that."""
BETWEEN_SPIKES = Rule(fire=lambda unit, above: (above > 0).to(above.dtype))
"""Spikes as they are, with their derivative: zero but at the threshold."""


def tangent(path: Path, direction: Tensor) -> Tensor:
    """The derivative of the path along ``direction``; of spiking networks that between spikes."""

    def follow(perturbation: Tensor) -> Tensor:
        return path.follow(perturbation, BETWEEN_SPIKES)

    moved: Tensor = torch.func.jvp(follow, (path.origin,), (direction,))[1]
    return moved


def difference(size: float) -> Along:
    """The change over ``size`` where the perturbation is that long (Euclidean norm, per image)."""
    if not size > 0:
        raise BlindspotsError(f"A finite difference of size {size} is none; give more than 0.")

    def along(path: Path, direction: Tensor) -> Tensor:
        there = path.follow(path.origin + size * direction, PLAIN)
        return (there - path.follow(path.origin, PLAIN)) / size

    return along


def growth(path: Path, directions: Mapping[str, Tensor], along: Along = tangent) -> xr.DataArray:
    """ln(|du[t]| / |perturbation|) along each of ``directions``, (direction, time, image).

    ``du`` is the change of the potentials of all areas but the input (a Euclidean norm), ``time``
    the step. ``directions`` are like ``path.origin``, of any length. -inf where nothing has
    changed yet, or all is forgotten; NaN where an image's direction is zero.
    """
    grown = torch.stack([_log_growth(path, each, along) for each in directions.values()]).numpy()
    return xr.DataArray(
        grown,
        {"direction": list(directions), "time": path.first + torch.arange(grown.shape[1]).numpy()},
        ("direction", "time", "image"),
        attrs={"long_name": "log growth of a perturbation", "units": "1"},
    )


def _log_growth(path: Path, direction: Tensor, along: Along) -> Tensor:
    unit = _unit(direction.to(path.origin))
    return (along(path, unit).norm(dim=2) / unit.flatten(1).norm(dim=1)).log()


def exponents(grown: xr.DataArray) -> xr.DataArray:
    """From the `growth` the mean rate per image, (direction, image), in nats per step.

    (ln |du[T]| - ln |du[s]|) / (T - s) with T the last step and s the first at which anything has
    changed. After a `kick` that is a finite-time Lyapunov exponent. Under a change that is `held`
    the response is fed anew at each step: its rate is above that of a kick where the network
    forgets, and tends to 0 rather than to a negative exponent.
    """
    felt = grown.where(grown > -float("inf")).notnull()
    first = felt.argmax("time")
    rate = (grown.isel(time=-1) - grown.isel(time=first)) / (grown.sizes["time"] - 1 - first)
    says = {"long_name": "finite-time Lyapunov exponent", "units": "1/step"}
    return rate.where(felt.any("time")).drop_vars("time", errors="ignore").assign_attrs(says)


def drawn(path: Path, generator: torch.Generator) -> Tensor:
    """A direction of length 1 for each image, uniform over the sphere."""
    return _unit(torch.randn(path.origin.shape, generator=generator, dtype=path.origin.dtype))


def leading(path: Path, generator: torch.Generator, iterations: int = 20) -> Tensor:
    """The direction of length 1 that moves the last step most, for each image of its own.

    The first right singular vector of the path's derivative there, by ``iterations`` of the power
    method from a drawn direction. Of spiking networks the derivative is the surrogate of training,
    so that it leads where an attack would go, not where a finite difference is sure to grow most.
    NaN where nothing reaches the last step.
    """

    def end(perturbation: Tensor) -> Tensor:
        return path.follow(perturbation, PLAIN)[-1]

    direction = drawn(path, generator)
    for _ in range(iterations):
        moved = jvp(end, path.origin, direction)[1]
        direction = _unit(vjp(end, path.origin, moved)[1])
    return direction


def spectrum(
    network: Network,
    stimulus: Tensor,
    generator: torch.Generator,
    *,
    exponents: int = 5,
    settle: int = 0,
    steps: int | None = None,
) -> xr.DataArray:
    """The leading Lyapunov exponents of a rate network under still images, (exponent, image).

    ``exponents`` orthonormal tangent vectors, drawn from ``generator``, are propagated through the
    derivative of the step and made orthonormal again by QR after each; exponent i is the mean of
    ln R_ii (Benettin et al. 1980). It starts at the first step at which all areas feel the image,
    goes on for ``settle`` steps that do not count, then for ``steps`` that do (default: the rest of
    the wiring's own steps; more show where the network would settle under the image). A direction
    that the map erases, as a memoryless feedforward network does all, has exponent -inf.

    Over few steps and without settling, drawn vectors have not yet turned to where growth is
    largest: `leading` finds that. Raises BlindspotsError where units spike, the stimulus is not
    still, or there are not so many exponents.
    """
    flow = Flow(network, stimulus)
    if not 1 <= exponents <= flow.size:
        raise BlindspotsError(
            f"'{network.wiring.name}' has {flow.size} exponents; give 1 to {flow.size}, "
            f"not {exponents}."
        )
    first, z = flow.reached()
    counted = flow.wiring.steps - 1 - first - settle if steps is None else steps
    if counted < 1 or settle < 0:
        raise BlindspotsError(
            f"Exponents over {counted} steps after {settle} cannot be measured; give steps of 1 "
            "or more (settle: 0 or more)."
        )
    start = torch.randn(len(z), flow.size, exponents, generator=generator, dtype=z.dtype)
    q, total = torch.linalg.qr(start)[0], torch.zeros(len(z), exponents, dtype=z.dtype)
    for t in range(settle + counted):
        q, r = torch.linalg.qr(_pushed_forward(flow, z, q))
        z = flow(z)
        rates = _log_stretch(r)
        total = total + (rates if t >= settle else rates.where(rates.isinf(), 0.0))
    return xr.DataArray(
        (total / counted).T.numpy(),
        dims=("exponent", "image"),
        attrs={
            **{"long_name": "Lyapunov exponent", "units": "1/step"},
            **{"first_step": first + settle, "steps": counted},
        },
    )


def _log_stretch(r: Tensor) -> Tensor:
    """ln |R_ii| (N, k); -inf where it is nought but for the rounding of the QR."""
    stretch = r.diagonal(dim1=1, dim2=2).abs()
    rounding = 1e-14 * stretch.amax(1, keepdim=True)
    return stretch.where(stretch > rounding, 0.0).log()


def _pushed_forward(flow: Flow, z: Tensor, q: Tensor) -> Tensor:
    """DF(z) q, of tangent vectors in the columns of ``q`` (N, size, k)."""

    def along(direction: Tensor) -> Tensor:
        moved: Tensor = torch.func.jvp(flow, (z,), (direction,))[1]
        return moved

    return torch.func.vmap(along, in_dims=2, out_dims=2)(q)


def _unit(direction: Tensor) -> Tensor:
    """Of length 1 for each image; NaN where it has none."""
    flat = direction.flatten(1)
    return (flat / flat.norm(dim=1, keepdim=True)).reshape(direction.shape)
