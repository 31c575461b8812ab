"""How fast a change of the image, or of the state, grows: finite-time Lyapunov exponents."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sim import Network
    from sim.lyapunov import Along

ADVERSARIAL, RANDOM, LEADING = "adversarial", "random", "leading"


def is_sensible(network: "Network") -> bool:
    """Whether a small change of the image changes what the input emits by as much."""
    stimulated = network.wiring.stimulated
    return stimulated.code.model == "constant" and stimulated.threshold is None


def sensitivity(
    network: "Network", clean: "Tensor", adversarial: "Tensor", generator: "torch.Generator"
) -> xr.Dataset:
    """Exponents by image along three directions: adversarial, random, and that of largest growth.

    A change d of the image is held through all T steps, and u[t] is the state, the potentials
    of all areas but the input:

        exponent = ln(|u'[T-1] - u[T-1]| / |d|) / (T - 1),

    in nats per step, with what the first weights do to the change included. A push of the state at
    the step at which the last area before the output first feels the image, of which nothing is
    fed anew, gives

        state_exponent = (ln |u'[T-1] - u[T-1]| - ln |u'[s] - u[s]|) / (T - 1 - s),

    -inf where the push is forgotten, as in feedforward networks of memoryless units (where no
    direction leads, NaN). Its adversarial direction is that in which the adversarial image has
    pushed the state by then.

    Rate units: the exact tangent (Benettin et al. 1980, Meccanica 15:9; Engelken, Wolf & Abbott
    2023, Phys. Rev. Research 5:043044). Spiking ones: finite differences of the size of the
    adversarial change itself, which may add and remove spikes (Monteforte & Wolf 2010, Phys. Rev.
    Lett. 105:268104).

    Args:
        network: with an input of constant intensities.
        clean: (N, 1, 28, 28).
        adversarial: of the same shape; an image without a change has no exponent along it, NaN.
        generator: of the random direction, and of where the search for the leading one starts.

    Returns:
        ``exponent`` and ``state_exponent`` (direction, image); ``alignment`` (image), the |cosine|
        of the adversarial change with the leading direction, 0 to 1. Growth that is close to the
        leading one does not say that directions are: many grow nearly as fast.
    """
    from sim.lyapunov import drawn, exponents, growth, leading
    from sim.paths import held, kick
    from sim.rule import PLAIN

    wiring = network.wiring
    path = held(network, clean)
    change = (adversarial - clean).to(path.origin)
    along = method(network, change)
    directions = {
        ADVERSARIAL: change,
        RANDOM: drawn(path, generator),
        LEADING: leading(path, generator),
    }
    grown = growth(path, directions, along)
    found = {"exponent": grown.isel(time=-1, drop=True) / (wiring.steps - 1)}
    close = alignment(change, directions[LEADING])
    at = wiring.first_answer - 1
    if at < wiring.steps - 1:
        pushed = (path.follow(change, PLAIN) - path.follow(path.origin, PLAIN))[at]
        push = kick(network, clean, at)
        directions = {
            ADVERSARIAL: pushed,
            RANDOM: drawn(push, generator),
            LEADING: leading(push, generator),
        }
        along = method(network, pushed)
        found["state_exponent"] = exponents(growth(push, directions, along)).drop_vars(
            "time", errors="ignore"
        )
    how = "finite difference" if wiring.spiking else "tangent"
    told = {
        name: each.astype(np.float32).assign_attrs(units="1/step", method=how)
        for name, each in found.items()
    }
    return xr.Dataset(told).assign(alignment=("image", close.numpy(), {"units": "1"}))


def alignment(first: "Tensor", second: "Tensor") -> "Tensor":
    """|cosine| of the angle between changes (N, ...), image by image; NaN where one is nought."""
    x, y = first.flatten(1), second.flatten(1)
    return ((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))).abs().float()


def method(network: "Network", change: "Tensor") -> "Along":
    """The tangent of rate units; of spiking ones a difference as large as ``change`` is."""
    from sim.lyapunov import difference, tangent

    if not network.wiring.spiking:
        return tangent
    sizes = change.flatten(1).norm(dim=1)
    moved = sizes[sizes > 0]
    return difference(float(moved.median()) if len(moved) else 1.0)
