"""Pre-training of a first layer as a sparse autoencoder (Szegedy et al. 2014, AE400-10)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as reconstruction

from experiments.adam import Adam
from networks import Dense, Wiring
from networks.errors import BlindspotsError
from sim import Network
from sim.parameters import bias_name, weight_name

SPARSITY, WEIGHT = 0.05, 2.0  # mean activity wanted of each hidden unit, and its price
RATE, BATCH = 1e-2, 256


def first_layer(wiring: Wiring) -> tuple[str, str]:
    """Names of the weights and biases of the only dense projection from the input.

    Raises BlindspotsError where that is not a layer of sigmoid units.
    """
    ways = [p for p in wiring.projections if p.source == wiring.input.name]
    unit = wiring.area(ways[0].target).unit
    sigmoid = unit.model == "rate" and unit.activation == "sigmoid"
    if len(ways) != 1 or not isinstance(ways[0].pattern, Dense) or not sigmoid:
        raise BlindspotsError(
            f"'{wiring.name}' cannot be pre-trained as an autoencoder: its input must drive one "
            "area of sigmoid units, densely."
        )
    return weight_name(ways[0]), bias_name(ways[0].target)


def pretrain(
    network: Network,
    images: Tensor,
    epochs: int,
    generator: torch.Generator,
    decay: float = 0.0,
) -> None:
    """Train the first layer, in place, to carry what a linear decoder needs to redraw the image.

    Minimises the cross-entropy of the reconstruction per pixel plus ``WEIGHT`` times the
    Kullback-Leibler divergence of the hidden units' mean activities from ``SPARSITY`` (per unit),
    plus ``decay`` times the squares of all weights, the decoder's too.

    ``images`` (N, 1, 28, 28) in [0, 1].
    """
    weight, bias = (network.values[name] for name in first_layer(network.wiring))
    size, pixels = weight.shape
    decoder = torch.randn(pixels, size, generator=generator) / size**0.5
    decoder = decoder.to(images.device).requires_grad_()
    ground = torch.zeros(pixels, device=images.device, requires_grad=True)
    optimiser = Adam([weight, bias, decoder, ground], fused=False)
    flat = images.flatten(1)
    for _ in range(epochs):
        order = torch.randperm(len(flat), generator=generator).to(images.device)
        for chosen in order.split(BATCH):
            hidden = torch.sigmoid(flat[chosen] @ weight.T + bias)
            redrawn = hidden @ decoder.T + ground
            loss = reconstruction(redrawn, flat[chosen]) + WEIGHT * divergence(hidden.mean(0))
            if decay:
                loss = loss + decay * (weight.square().sum() + decoder.square().sum())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step(RATE)


def divergence(activity: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of Bernoulli activities from ``SPARSITY``."""
    activity = activity.clamp(1e-6, 1 - 1e-6)
    on = SPARSITY * torch.log(SPARSITY / activity)
    off = (1 - SPARSITY) * torch.log((1 - SPARSITY) / (1 - activity))
    return (on + off).mean()
