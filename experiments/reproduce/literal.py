"""The attack of Szegedy et al. (2014, section 4.1) as it is printed, one image at a time in SciPy.

It is there for comparison alone. `experiments.attacks.lbfgs` scales the logits of each image first;
without that the cross-entropy of a network with small logits, such as FC10(1), pulls away from all
classes at once rather than straight to the target, and the change found is larger than need be.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import cross_entropy

WEIGHTS, ITERATIONS = 11, 60  # values of c, and iterations of L-BFGS-B for each
FIRST, FACTOR = 0.1, 4.0  # the first c, and how it changes until one reaches and another does not
Vector = NDArray[np.float64]


def literal_distortion(
    model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Minimises c |x' - x|^2 + cross-entropy(x', target) over x' in [0, 1], by bisection over c.

    Args:
        model: images to logits, differentiable by its input.
        images: (N, 1, 28, 28), float in [0, 1].
        targets: (N,), the class to reach for each image.

    Returns:
        The nearest minimiser that reaches the target (the image itself where none does) and its
        root-mean-squared change, infinite where none does: (N, 1, 28, 28), (N,).
    """
    found, far = images.clone(), torch.full((len(images),), torch.inf, device=images.device)
    for i in range(len(images)):
        weight, low, high = FIRST, 0.0, math.inf
        for _ in range(WEIGHTS):
            point = minimiser(model, images[i : i + 1], targets[i : i + 1], weight)
            with torch.no_grad():
                reached = bool(model(point).argmax(1) == targets[i])
            low, high = (weight, high) if reached else (low, weight)
            change = (point - images[i]).square().mean().sqrt()
            if reached and change < far[i]:
                found[i], far[i] = point[0], change
            if low and math.isfinite(high):
                weight = math.sqrt(low * high)
            else:
                weight = low * FACTOR or high / FACTOR
    return found, far


def minimiser(
    model: Callable[[Tensor], Tensor], image: Tensor, target: Tensor, weight: float
) -> Tensor:
    """Where L-BFGS-B ends from one image (1, 1, 28, 28), for one c."""
    clean = image.flatten().double().cpu().numpy()

    def objective(point: Vector) -> tuple[float, Vector]:
        shown = torch.from_numpy(point).to(image).reshape(image.shape).requires_grad_()
        with torch.enable_grad():
            loss = cross_entropy(model(shown), target)
            (slope,) = torch.autograd.grad(loss, shown)
        change = point - clean
        pull = slope.flatten().double().cpu().numpy()
        return float(loss.detach()) + weight * float(change @ change), 2 * weight * change + pull

    end = minimize(
        objective,
        clean,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * len(clean),
        options={"maxiter": ITERATIONS},
    )
    return torch.from_numpy(end.x).to(image).reshape(image.shape)
