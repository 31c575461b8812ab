"""Recurrent networks as the tutorials of three libraries write them.

All share the loop through time that one writes by hand: a linear layer for each projection, called
at every step, and a library's neuron for each area that spikes. The libraries differ in how a
neuron resets: ours loses its threshold one step after the spike, before which it leaks; where a
library subtracts first and lets that leak too, it is told to subtract threshold / beta.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from networks import (
    BlindspotsError,
    Convolution,
    OneToOne,
    Projection,
    RateUnit,
    SpikingUnit,
    Wiring,
)
from sim import Network
from sim.step import spared
from sim.units import ACTIVATIONS


class Neuron(Protocol):
    """A library's neurons: how one is built, and what they do with the drive of a step."""

    @property
    def name(self) -> str:
        """Of the library, for people."""

    @property
    def package(self) -> str:
        """That is imported."""

    def adapted(self, wiring: Wiring) -> Wiring:
        """The nearest wiring that the neuron can honour."""

    def cell(self, unit: SpikingUnit) -> nn.Module:
        """A neuron for one area."""

    def gain(self, unit: SpikingUnit) -> float:
        """By how much weights into a neuron are larger than ours, where it scales its drive."""

    def begin(self, cells: nn.ModuleDict) -> None:
        """Forget all of the last batch."""

    def fire(self, cell: nn.Module, drive: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Spikes, and the state for the next step; the first state is None."""


class SnnTorch:
    """Leaky, whose semantics are ours."""

    name, package = "snnTorch", "snntorch"

    def adapted(self, wiring: Wiring) -> Wiring:
        return wiring

    def cell(self, unit: SpikingUnit) -> nn.Module:
        from snntorch import Leaky, surrogate

        slope = surrogate.fast_sigmoid(slope=unit.slope)
        return Leaky(beta=unit.beta, threshold=unit.threshold, spike_grad=slope)

    def gain(self, unit: SpikingUnit) -> float:
        return 1.0

    def begin(self, cells: nn.ModuleDict) -> None:
        pass

    def fire(self, cell: Any, drive: Tensor, state: Any) -> tuple[Tensor, Any]:
        return cell(drive, cell.reset_mem() if state is None else state)


class SpikingJelly:
    """SimpleLIFNode with another amount of reset; its soft sign is our surrogate at slope 2."""

    name, package = "SpikingJelly", "spikingjelly"

    def adapted(self, wiring: Wiring) -> Wiring:
        return sloped(wiring, 2.0)

    def cell(self, unit: SpikingUnit) -> nn.Module:
        from spikingjelly.activation_based import neuron, surrogate

        class Subtracting(neuron.SimpleLIFNode):
            v: Tensor

            def neuronal_reset(self, spike: Tensor) -> None:
                self.v = self.v - spike.detach() * (unit.threshold / unit.beta)

        return Subtracting(
            tau=1 / (1 - unit.beta),
            decay_input=False,
            v_threshold=unit.threshold,
            surrogate_function=surrogate.SoftSign(alpha=2.0),
        )

    def gain(self, unit: SpikingUnit) -> float:
        return 1.0

    def begin(self, cells: nn.ModuleDict) -> None:
        from spikingjelly.activation_based import functional

        functional.reset_net(cells)

    def fire(self, cell: nn.Module, drive: Tensor, state: Any) -> tuple[Tensor, Any]:
        return cell(drive), None


class Norse:
    """LIFBoxCell, which scales its drive by dt / tau; its surrogate has slope 1, whatever alpha."""

    name, package = "Norse", "norse"

    def adapted(self, wiring: Wiring) -> Wiring:
        return sloped(wiring, 1.0)

    def cell(self, unit: SpikingUnit) -> nn.Module:
        from norse.torch import LIFBoxCell
        from norse.torch.functional.lif_box import LIFBoxParameters

        def subtract(z: Tensor, v: Tensor, _: Tensor, threshold: Tensor) -> Tensor:
            return v - z.detach() * (threshold / unit.beta)

        return LIFBoxCell(
            LIFBoxParameters(
                tau_mem_inv=torch.tensor(1 - unit.beta),
                v_th=torch.tensor(unit.threshold),
                reset_method=subtract,
            ),
            dt=1.0,
        )

    def gain(self, unit: SpikingUnit) -> float:
        return 1 / (1 - unit.beta)

    def begin(self, cells: nn.ModuleDict) -> None:
        pass

    def fire(self, cell: nn.Module, drive: Tensor, state: Any) -> tuple[Tensor, Any]:
        return cell(drive, state)


NEURONS: tuple[Neuron, ...] = (SnnTorch(), SpikingJelly(), Norse())


def sloped(wiring: Wiring, slope: float) -> Wiring:
    """The wiring with surrogates of that slope."""
    units = {n: u.model_copy(update={"slope": slope}) for n, u in wiring.spiking.items()}
    areas = (a.model_copy(update={"unit": units.get(a.name, a.unit)}) for a in wiring.areas)
    return wiring.replace(areas=tuple(areas))


class Loop(nn.Module):
    """Images (N, 1, 28, 28) to logits (N, 10), with the weights of a network of ours.

    Raises:
        BlindspotsError: the network has one-to-one projections, or rate units that are slow.
    """

    def __init__(self, neuron: Neuron, network: Network):
        super().__init__()
        self.neuron, self.wiring, values = neuron, network.wiring, network.circuit().values
        for p in self.wiring.projections:
            if isinstance(p.pattern, OneToOne):
                raise BlindspotsError(
                    f"'{p.name}' of '{self.wiring.name}' is one-to-one, for which loops have no "
                    "layer; choose another network, such as fc-blt-spiking."
                )
        self.areas, self.spiking = self.wiring.areas[1:], self.wiring.spiking
        for area in self.areas:
            if isinstance(area.unit, RateUnit) and area.unit.leak != 1:
                raise BlindspotsError(
                    f"'{area.name}' of '{self.wiring.name}' is slow, for which loops have no cell; "
                    "choose a network without memory in its rate units, such as fc-blt."
                )
        self.cells = nn.ModuleDict({name: neuron.cell(u) for name, u in self.spiking.items()})
        self.layers = nn.ModuleDict()
        for name in (area.name for area in self.areas):
            for at, p in enumerate(self.wiring.into(name)):
                layer = layer_of(self.wiring, p, has_bias=at == 0)
                weight = turned(p, values[f"weight/{p.name}"])
                given = {"weight": weight} | ({"bias": values[f"bias/{name}"]} if at == 0 else {})
                layer.load_state_dict({k: v.detach() * self.gain(name) for k, v in given.items()})
                self.layers[p.name.replace(">", "_")] = layer

    def gain(self, area: str) -> float:
        """Of weights into an area."""
        return self.neuron.gain(self.spiking[area]) if area in self.spiking else 1.0

    def forward(self, images: Tensor) -> Tensor:
        wiring = self.wiring
        longest = max(p.delay for p in wiring.projections)
        emitted = {
            a.name: [images.new_zeros(len(images), *a.shape)] * longest for a in wiring.areas
        }  # nothing, before the first step
        states: dict[str, Any] = dict.fromkeys(self.spiking)
        self.neuron.begin(self.cells)
        answers = []
        for t in range(wiring.steps):
            drives = {area.name: self.drive(area.name, emitted) for area in self.areas}
            emitted[wiring.input.name].append(images)
            for name, drive in drives.items():
                if name in self.spiking:
                    out, states[name] = self.neuron.fire(self.cells[name], drive, states[name])
                else:
                    unit = wiring.area(name).unit
                    assert isinstance(unit, RateUnit)
                    out = ACTIVATIONS[unit.activation](drive)
                emitted[name].append(out)
            if t in wiring.answers:
                answers.append(drives[wiring.output])
        return torch.stack(answers).mean(0)

    def drive(self, area: str, emitted: dict[str, list[Tensor]]) -> Tensor:
        """What arrives at an area, (N, *shape)."""
        total = None
        for p in self.wiring.into(area):
            out = emitted[p.source][-p.delay]
            shown = out if isinstance(p.pattern, Convolution) else out.flatten(1)
            arrived = self.layers[p.name.replace(">", "_")](shown)
            total = arrived if total is None else total + arrived
        assert total is not None
        return total

    def gradients(self) -> dict[str, Tensor]:
        """By the parameters of ours, by their names."""
        found: dict[str, Tensor] = {}
        for p in self.wiring.projections:
            layer = self.layers[p.name.replace(">", "_")]
            for which, value in layer.named_parameters():
                assert value.grad is not None
                is_bias = which == "bias"
                name = f"bias/{p.target}" if is_bias else f"weight/{p.name}"
                gradient = value.grad if is_bias else turned(p, value.grad)
                found[name] = gradient * self.gain(p.target)
        return found


def layer_of(wiring: Wiring, p: Projection, *, has_bias: bool) -> nn.Module:
    """The layer that one would write for a projection."""
    source, target = wiring.area(p.source), wiring.area(p.target)
    if not isinstance(p.pattern, Convolution):
        return nn.Linear(source.size, target.size, bias=has_bias)
    channels = source.channels, target.channels
    kernel, stride = p.pattern.kernel, p.pattern.stride
    if p.pattern.upward:
        return nn.Conv2d(*channels, kernel, stride, kernel // 2, bias=has_bias)
    down, right = spared(p.pattern, source.shape, target.shape)
    return nn.ConvTranspose2d(*channels, kernel, stride, kernel // 2, (down, right), bias=has_bias)


def turned(p: Projection, weight: Tensor) -> Tensor:
    """Weights of ours as those of the layer, or the other way round: the same turn."""
    is_turned = isinstance(p.pattern, Convolution) and not p.pattern.upward
    return weight.transpose(0, 1) if is_turned else weight


def difference(loop: Loop, network: Network, images: Tensor, labels: Tensor) -> float:
    """The largest relative difference of loss, logits and all gradients from the network's."""
    ours, theirs = asked(network, images, labels), asked(loop, images, labels)
    ours |= {name: value.grad for name, value in network.values.items()}
    theirs |= loop.gradients()
    network.zero_grad(set_to_none=True)
    loop.zero_grad(set_to_none=True)
    return max(
        float((theirs[name] - one).abs().max() / one.abs().max()) for name, one in ours.items()
    )


def asked(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Loss, logits and the gradient by the images; those by parameters stay with them."""
    shown = images.clone().requires_grad_()
    logits = model(shown)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    assert shown.grad is not None
    return {"loss": loss.detach(), "logits": logits.detach(), "images": shown.grad}
