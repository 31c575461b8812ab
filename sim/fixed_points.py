"""Fixed and slow points of a rate network under a still image, and their stability.

Sussillo & Barak 2013 (Neural Computation 25, 626): states u at which the speed

    q(u) = 1/2 |F(u) - u|^2

has a local minimum are fixed points where q = 0, and slow points otherwise. Here u are the
potentials of all areas but the input, and F(u) those one step after the network has long rested at
u: where a delay is longer than a step, all that is still on its way was emitted at u too. Neither
delays nor leaks move a fixed point. Its stability depends on both: the eigenvalues are those of the
derivative of the map of the whole state, past emissions included (:class:`sim.flow.Flow`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor

from networks import BlindspotsError, Wiring
from sim.flow import Flow
from sim.network import Network

Array = NDArray[np.float64]
FIXED = 1e-12
"""A point of no more speed q than this is called fixed."""
APART = 1e-4
"""Points nearer than this, relative to their length, are one."""
WHOLE = 1500
"""With no more potentials the derivative is a matrix; else it is only multiplied with (ARPACK)."""


@dataclass(frozen=True)
class _Point:
    image: int
    potentials: Array
    speed: float
    slope: float
    starts: int


def slow_points(
    network: Network, stimulus: Tensor, starts: Tensor, *, modes: int = 10, tries: int = 100
) -> xr.Dataset:
    """Search from ``starts`` (S, N, units), for each of the still images ``stimulus`` (N, ...).

    ``units`` are those of all areas but the input, one after the other, as :func:`visited` takes
    them from a recording. The search (least squares with the exact derivative, in float64) goes
    downhill to a minimum of the speed, for at most ``tries`` evaluations. The dataset has one
    ``point`` for each distinct one, the slowest of an image first: its ``image`` (a place in
    ``stimulus``), ``a.potential`` (point, ``a.unit``), ``speed`` q, ``slope`` (the largest
    component of its gradient: near 0 at a minimum), ``fixed`` (q is at most :data:`FIXED`),
    ``stable`` (all eigenvalues lie inside the unit circle), ``starts`` (how many led there), and
    the ``modes`` eigenvalues of largest modulus, ``eigenvalue_real`` and ``eigenvalue_imag``
    (point, mode; NaN where there are fewer). Of a slow point they say how its neighbourhood moves.

    Raises BlindspotsError where units spike, the stimulus is not still, or the starts do not fit.
    """
    units = sum(a.size for a in network.wiring.areas if a != network.wiring.input)
    if starts.ndim != 3 or starts.shape[1:] != (len(stimulus), units) or not len(starts):
        raise BlindspotsError(
            f"Starts for {len(stimulus)} images of '{network.wiring.name}' have the shape "
            f"(starts, {len(stimulus)}, {units}), not {tuple(starts.shape)}."
        )
    points: list[_Point] = []
    spectra: list[NDArray[np.complex128]] = []
    for image in range(len(stimulus)):
        flow = Flow(network, stimulus[image : image + 1])
        found = [_slowest(flow, start[image].double().numpy(), tries) for start in starts]
        distinct = _distinct(image, found)
        points += distinct
        spectra += [_eigenvalues(flow, each.potentials, modes) for each in distinct]
    return _labelled(network.wiring, points, np.stack(spectra))


def visited(wiring: Wiring, recording: xr.Dataset) -> Tensor:
    """The recorded potentials (time, image, units) of all areas, to start a search from."""
    rows = [recording[f"{a.name}.potential"] for a in wiring.areas if a != wiring.input]
    return torch.cat(
        [torch.from_numpy(row.transpose("time", "image", ...).to_numpy()) for row in rows], 2
    )


def _slowest(flow: Flow, start: Array, tries: int) -> tuple[Array, float, float]:
    """The minimum of the speed below ``start`` (units,), the speed there, and its slope."""

    def move(u: Tensor) -> Tensor:
        at = u[None]
        return (flow.potentials(flow(flow.rested(at))) - at)[0]

    whole = len(start) <= WHOLE
    found = least_squares(
        lambda u: move(torch.from_numpy(u)).numpy(),
        start,
        jac=lambda u: (_matrix if whole else _operator)(move, torch.from_numpy(u)),
        method="lm" if whole else "trf",
        tr_solver=None if whole else "lsmr",
        max_nfev=tries,
        **dict.fromkeys(("ftol", "xtol", "gtol"), 1e-13),
    )
    return found.x, float(found.cost), float(found.optimality)


def _matrix(move: Callable[[Tensor], Tensor], at: Tensor) -> Array:
    """The derivative of ``move`` there, all of it."""
    found: Array = torch.func.jacfwd(move)(at).numpy()
    return found


def _operator(move: Callable[[Tensor], Tensor], at: Tensor) -> LinearOperator:
    """The derivative of ``move`` there, to be multiplied with."""
    back = torch.func.vjp(move, at)[1]
    return LinearOperator(
        (len(at), len(at)),
        matvec=lambda v: torch.func.jvp(move, (at,), (torch.from_numpy(v.ravel()),))[1].numpy(),
        rmatvec=lambda v: back(torch.from_numpy(v.ravel()))[0].numpy(),
        dtype=np.float64,
    )


def _distinct(image: int, found: list[tuple[Array, float, float]]) -> list[_Point]:
    """Each point once, the slowest first."""
    left, points = sorted(found, key=lambda each: each[1]), []
    while left:
        best, speed, slope = left[0]
        near = [
            bool(np.linalg.norm(u - best) <= APART * (1 + np.linalg.norm(best))) for u, *_ in left
        ]
        points.append(_Point(image, best, speed, slope, sum(near)))
        left = [each for each, same in zip(left, near, strict=True) if not same]
    return points


def _eigenvalues(flow: Flow, potentials: Array, modes: int) -> NDArray[np.complex128]:
    """The leading ``modes`` eigenvalues of the whole map at rest there; NaN for missing ones."""
    z = flow.rested(torch.from_numpy(potentials)[None])[0]

    def onward(z: Tensor) -> Tensor:
        return flow(z[None])[0]

    if flow.size <= WHOLE:
        values = np.linalg.eigvals(_matrix(onward, z))
    else:
        first = np.ones(flow.size)
        try:
            values = eigs(_operator(onward, z), k=modes, v0=first, return_eigenvectors=False)
        except ArpackNoConvergence as stopped:
            values = stopped.eigenvalues
    leading = values[np.argsort(-np.abs(values))][:modes].astype(np.complex128)
    return np.pad(leading, (0, modes - len(leading)), constant_values=np.nan)


def _labelled(wiring: Wiring, points: list[_Point], spectra: NDArray[np.complex128]) -> xr.Dataset:
    found: dict[str, Any] = {}
    areas = [a for a in wiring.areas if a != wiring.input]
    parts = np.split(
        np.stack([p.potentials for p in points]), np.cumsum([a.size for a in areas])[:-1], axis=1
    )
    for area, part in zip(areas, parts, strict=True):
        found[f"{area.name}.potential"] = (("point", f"{area.name}.unit"), part)
    speed = np.array([p.speed for p in points])
    says = {"long_name": "1/2 |F(u) - u|^2", "units": "1"}
    found |= {
        "speed": ("point", speed, says),
        "slope": ("point", [p.slope for p in points]),
        "fixed": ("point", speed <= FIXED),
        "stable": ("point", np.nanmax(np.abs(spectra), axis=1, initial=0) < 1),
        "starts": ("point", [p.starts for p in points]),
        "eigenvalue_real": (("point", "mode"), spectra.real),
        "eigenvalue_imag": (("point", "mode"), spectra.imag),
    }
    image = ("point", [p.image for p in points])
    return xr.Dataset(found, {"image": image}, {"wiring": wiring.name})
