"""Small wirings by arrows, networks by their weights, and the simulators to be held together."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from networks import Area, InputUnit, Projection, RateUnit, Wiring
from networks.connectivity import weight_shape
from sim import Network, brian, run

# A simulator is run(network, stimulus, intervene=..., record=...) -> the recordings.
Simulator = Callable[..., xr.Dataset]
SIMULATORS: dict[str, Simulator] = {
    "torch": run,
    "brian2": brian.run,  # by its size: explicit synapses for all but the catalogue's networks
    "brian2-product": partial(brian.run, way="product"),
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=sorted(SIMULATORS), scope="session")
def simulator(request: pytest.FixtureRequest) -> Simulator:
    """Each simulator in turn: what is shown of one must hold of all."""
    return SIMULATORS[request.param]


@pytest.fixture(params=["plain", "compiled"])
def by(request: pytest.FixtureRequest) -> str:
    """The engine that is asked for."""
    if request.param == "compiled":
        request.getfixturevalue("compiled")
    return str(request.param)


def wire_by_arrows(
    hidden: Mapping[str, Any],
    arrows: Mapping[str, Any],
    steps: int,
    inputs: Any = 1,
    outputs: int = 1,
    **settings: Any,
) -> Wiring:
    """Hidden areas {name: (shape, unit) or (shape, unit, settings)} and arrows {"a>b": delay}.

    An arrow may have settings of the projection instead; from an area to itself it is lateral.
    """

    def shape(size: Any) -> tuple[int, ...]:
        return size if isinstance(size, tuple) else (size,)

    areas = [Area(name="input", shape=shape(inputs), unit=InputUnit())]
    for name, (size, unit, *more) in hidden.items():
        areas.append(Area(name=name, shape=shape(size), unit=unit, **(more[0] if more else {})))
    areas += [Area(name="output", shape=(outputs,), unit=RateUnit(activation="identity"))]
    projections = []
    for arrow, given in arrows.items():
        source, target = arrow.split(">")
        values = {"delay": given} if isinstance(given, int) else dict(given)
        values.setdefault("kind", "lateral" if source == target else "feedforward")
        projections.append(Projection(source=source, target=target, **values))
    return Wiring(
        name="small", areas=tuple(areas), projections=tuple(projections), steps=steps, **settings
    )


def network_by_weights(
    wiring: Wiring, values: Mapping[str, Any], dtype: torch.dtype = torch.float64, **settings: Any
) -> Network:
    """Weights by projection ("a>b"), biases by area ("a"); biases that are not named are zero."""
    parameters = {}
    for p in wiring.projections:
        wanted = weight_shape(p, wiring.area(p.source), wiring.area(p.target))
        parameters[f"weight/{p.name}"] = torch.tensor(values[p.name], dtype=dtype).reshape(wanted)
    for area in wiring.areas:
        if area != wiring.input:
            bias = values.get(area.name, [0.0] * area.channels)
            parameters[f"bias/{area.name}"] = torch.tensor(bias, dtype=dtype).reshape(-1)
    return Network(wiring, parameters, **settings)


def network_by_chance(
    wiring: Wiring, seed: int, scale: float = 1.0, dtype: torch.dtype = torch.float64
) -> Network:
    """Normal weights of standard deviation ``scale`` / sqrt(sources), biases a fifth of that."""
    rng = np.random.default_rng(seed)
    values = {}
    for p in wiring.projections:
        size = weight_shape(p, wiring.area(p.source), wiring.area(p.target))
        values[p.name] = rng.normal(0, scale / np.sqrt(np.prod(size[1:], initial=1)), size)
    for area in wiring.areas:
        values[area.name] = rng.normal(0, scale / 5, area.channels)
    return network_by_weights(wiring, values, dtype)


@pytest.fixture(scope="session")
def wire() -> Callable[..., Wiring]:
    """The function ``wire_by_arrows``."""
    return wire_by_arrows


@pytest.fixture(scope="session")
def weighted() -> Callable[..., Network]:
    """The function ``network_by_weights``."""
    return network_by_weights


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Network]:
    """The function ``network_by_chance``."""
    return network_by_chance


@pytest.fixture(scope="session")
def loops() -> Callable[..., Wiring]:
    """Two areas of four ``unit``s with lateral, top-down and skip projections of mixed delays."""

    def build(unit: Any, steps: int = 14, **arrows: Any) -> Wiring:
        """``arrows`` are changes, with ``__`` for ``>``."""
        drawn = {
            "input>a": 1,
            "a>b": 2,
            "b>output": 1,
            "a>output": {"delay": 3, "kind": "skip"},
            "a>a": 1,
            "b>b": 4,
            "b>a": {"delay": 2, "kind": "top-down"},
        }
        drawn |= {name.replace("__", ">"): given for name, given in arrows.items()}
        drawn = {name: given for name, given in drawn.items() if given is not None}
        return wire_by_arrows({"a": (4, unit), "b": (4, unit)}, drawn, steps, inputs=3, outputs=2)

    return build


@pytest.fixture(scope="session")
def by_equations() -> Callable[..., dict[str, np.ndarray]]:
    """The equations in plain numpy, unit by unit: an oracle that shares no code with sim."""
    return _by_equations


def _by_equations(network: Network, stimulus: np.ndarray) -> dict[str, np.ndarray]:
    """Potentials "a.potential" and outputs "a.output" (time, image, unit) of dense wirings.

    ``stimulus`` is a movie (steps, images, inputs).
    """
    wiring = network.wiring
    values = {name: value.detach().numpy() for name, value in network.values.items()}
    images = stimulus.shape[1]
    u = {a.name: np.zeros((wiring.steps, images, a.size)) for a in wiring.areas}
    out = {a.name: np.zeros((wiring.steps, images, a.size)) for a in wiring.areas}
    out["input"] = stimulus
    squash = {
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "identity": lambda x: x,
    }
    for t in range(wiring.steps):
        for area in wiring.areas:
            if area.name == "input":
                continue
            drive = np.tile(values[f"bias/{area.name}"], (images, 1))
            for p in wiring.projections:
                if p.target == area.name and t >= p.delay:
                    weights = values[f"weight/{p.name}"]
                    for image in range(images):
                        drive[image] += weights @ out[p.source][t - p.delay, image]
            before = u[area.name][t - 1] if t else 0
            unit = area.unit
            if unit.model == "lif":
                spiked = out[area.name][t - 1] if t else 0
                u[area.name][t] = unit.beta * before + drive - unit.threshold * spiked
                out[area.name][t] = u[area.name][t] > unit.threshold
            else:
                u[area.name][t] = (1 - unit.leak) * before + unit.leak * drive
                out[area.name][t] = squash[unit.activation](u[area.name][t])
    found = {f"{name}.potential": x for name, x in u.items() if name != "input"}
    return found | {f"{name}.output": x for name, x in out.items()}
