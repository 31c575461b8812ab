"""A wiring with weights, as a torch module from images to logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from networks import BlindspotsError, Wiring
from sim.parameters import (
    Parameters,
    check,
    constrained,
    constraints,
    initial_parameters,
    weight_name,
)
from sim.step import Circuit, bias_of, transmit
from sim.stimulus import binarise, encode
from sim.units import rate_step
from sim.whole import answers


class Network(nn.Module):
    """Images (N, 1, 28, 28) in [0, 1] to logits (N, 10), through time.

    Parameters
    ----------
    wiring
        What is wired to what.
    parameters
        Its weights and biases by name; see :func:`sim.parameters.shapes`.
    generator
        Where a random code of the input draws from.
    is_frugal
        Whether the way back to a gradient computes most of the past again: the same numbers, in
        about a third more time, from memory that grows with the root of the number of steps.

    Raises
    ------
    BlindspotsError
        Where parameters do not fit the wiring, or images do not fit the input.
    """

    def __init__(
        self,
        wiring: Wiring,
        parameters: Parameters,
        generator: torch.Generator | None = None,
        *,
        is_frugal: bool = False,
    ):
        super().__init__()
        check(wiring, parameters)
        self.wiring, self.is_frugal = wiring, is_frugal
        self.generator = generator
        self.values = nn.ParameterDict({k: nn.Parameter(v) for k, v in parameters.items()})
        for name, pair in constraints(wiring).items():
            for what, tensor in zip(("kept", "sign"), pair, strict=True):
                self.register_buffer(f"{what}/{name}", tensor, persistent=False)

    @classmethod
    def initial(cls, wiring: Wiring, seed: int) -> "Network":
        """An untrained network whose first values are drawn from ``seed``."""
        generator = torch.Generator().manual_seed(seed)
        return cls(wiring, initial_parameters(wiring, generator), generator)

    def circuit(self) -> Circuit:
        """The wiring with the weights that act in it."""
        values = dict(self.values.items())
        for p in self.wiring.projections:
            name = weight_name(p)
            kept, sign = (
                self.get_buffer_or_none(f"kept/{name}"),
                self.get_buffer_or_none(f"sign/{name}"),
            )
            values[name] = constrained(values[name], kept, sign)
        return Circuit(self.wiring, values)

    def get_buffer_or_none(self, name: str) -> Tensor | None:
        """The buffer of that name, None where the constraint is absent."""
        return self._buffers[name]

    def frames(self, images: Tensor) -> Sequence[Tensor]:
        """The input's activity at each step, from images (N, *shape) or a movie (steps, N, ...)."""
        shape, steps, unit = self.wiring.input.shape, self.wiring.steps, self.wiring.stimulated
        if images.shape[1:] == shape:
            frames = encode(unit.code, images, steps, self.generator)
        elif images.shape[2:] == shape and len(images) == steps:
            frames = list(images)
        else:
            raise BlindspotsError(
                f"'{self.wiring.name}' takes images (N, {', '.join(map(str, shape))}) or movies "
                f"({steps}, N, ...), not {tuple(images.shape)}."
            )
        if unit.threshold is None:
            return frames
        if all(f is frames[0] for f in frames):
            return [binarise(frames[0], unit.threshold)] * steps
        return [binarise(f, unit.threshold) for f in frames]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10): the output's potential, averaged over the wiring's answer steps."""
        frames = self.frames(images)
        circuit = self.circuit()
        is_still = all(f is frames[0] for f in frames)
        if is_still and self.wiring.is_feedforward:
            return settle(circuit, frames[0])
        return answers(circuit, frames, is_frugal=self.is_frugal).mean(0)


def in_float64(network: Network) -> Network:
    """A copy in double precision on the CPU, whose weights ask for no gradient."""
    values = {name: value.detach().cpu().double() for name, value in network.values.items()}
    return Network(network.wiring, values, network.generator).requires_grad_(False)


def settle(circuit: Circuit, stimulus: Tensor) -> Tensor:
    """Logits of a feedforward wiring in one pass; equals its dynamics once settled."""
    wiring = circuit.wiring
    emitted = {wiring.input.name: stimulus}
    waiting = [a for a in wiring.areas if a != wiring.input]
    while waiting:
        area = next(a for a in waiting if all(p.source in emitted for p in wiring.into(a.name)))
        drive = bias_of(circuit, area.name)
        for p in wiring.into(area.name):
            weight = circuit.values[weight_name(p)]
            drive = drive + transmit(p, weight, emitted[p.source], area.shape)
        drive = drive.expand(-1, *area.shape)
        potential, emitted[area.name] = rate_step(area.unit, None, drive)  # type: ignore[arg-type]
        if area.name == wiring.output:
            answer = potential
        waiting.remove(area)
    return answer
