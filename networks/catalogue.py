"""The named wirings: Szegedy's networks, and the factorial design with its matched controls."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product

from networks.area import Area, InputUnit, RateUnit
from networks.code import Code, Latency, Poisson
from networks.count import macs, parameters
from networks.derive import (
    as_spiking,
    coded,
    feedforward_part,
    modular,
    sparse,
    unrolled,
    widened_to_match,
    without,
)
from networks.errors import unknown
from networks.physiology import DETAILED
from networks.projection import FEEDBACK, Convolution, Dense, Projection
from networks.wiring import Wiring

IMAGE = (1, 28, 28)
SZEGEDY = {
    "FC10": (),
    "FC100-100-10": (100, 100),
    "FC200-200-10": (200, 200),
    "FC123-456-10": (123, 456),
    "AE400-10": (400,),
}
CONTROLS = {"control-params": "parameters", "control-compute": "compute"}
CONNECTIVITY = {"b": "none", "bl": "lateral", "bt": "top-down", "blt": "both"}


@dataclass(frozen=True)
class Factors:
    """Where a name of the factorial design stands in it.

    ``family`` fc | conv; ``connectivity`` b | bl | bt | blt (Spoerer et al. 2017: bottom-up,
    lateral, top-down); ``structure`` "" | modular | sparse; ``spiking``; ``control`` "" or one of
    ``CONTROLS``: then the wiring is feedforward and matches the network of the other factors.
    """

    family: str
    connectivity: str
    structure: str = ""
    spiking: bool = False
    control: str = ""

    @property
    def name(self) -> str:
        """The catalogue's name: the factors that are set, joined by dashes."""
        parts = (self.family, self.connectivity, self.structure)
        return "-".join(p for p in (*parts, "spiking" * self.spiking, self.control) if p)

    @property
    def of(self) -> "Factors":
        """The network that a control matches."""
        return Factors(self.family, self.connectivity, self.structure, self.spiking)


def _design() -> Iterator[Factors]:
    structures = product(("fc", "conv"), CONNECTIVITY, ("", "modular"))
    cells = [*structures, ("fc", "blt", "sparse"), ("conv", "blt", "sparse")]
    for (family, connectivity, structure), spiking in product(cells, (False, True)):
        yield Factors(family, connectivity, structure, spiking)
        if connectivity != "b":
            for control in CONTROLS:
                yield Factors(family, connectivity, structure, spiking, control)


FACTORS = {factors.name: factors for factors in _design()}
SZEGEDY_TWINS = tuple(f"{name}-spiking" for name, sizes in SZEGEDY.items() if sizes)
BINARISED = "FC100-100-10-binarised"
CODES: dict[str, Code] = {"poisson": Poisson(), "latency": Latency()}
CODED = {  # name: the same network of a constant input, and the code
    f"{of}-{code}": (of, code)
    for of, code in (
        ("fc-b-spiking", "poisson"),
        ("fc-blt-spiking", "poisson"),
        ("fc-blt-spiking", "latency"),
    )
}
NAMES: tuple[str, ...] = (*SZEGEDY, BINARISED, *SZEGEDY_TWINS, *FACTORS, *CODED)


@cache
def wiring_named(name: str) -> Wiring:
    """The wiring of that name; BlindspotsError with the nearest names if there is none."""
    if name not in NAMES:
        raise unknown("network", name, NAMES)
    if name in FACTORS:
        wiring = _factorial(FACTORS[name])
    elif name in SZEGEDY_TWINS:
        wiring = as_spiking(wiring_named(name.removesuffix("-spiking")))
    elif name in CODED:
        of, code = CODED[name]
        wiring = coded(wiring_named(of), CODES[code])
    elif name == BINARISED:
        wiring = _binarised(wiring_named("FC100-100-10"))
    else:
        wiring = _szegedy(name)
    return wiring.replace(name=name)


def contrasts(names: Iterable[str]) -> list[tuple[str, str, str]]:
    """(factor, treatment, baseline) for each two of ``names`` that differ in one factor only."""
    given = list(dict.fromkeys(names))
    pairs = []
    for treatment in given:
        for factor, baseline in _baselines(treatment):
            if baseline in given:
                pairs.append((factor, treatment, baseline))
    return sorted(pairs, key=lambda pair: [f for f, _ in FACTOR_ORDER].index(pair[0]))


FACTOR_ORDER = (
    ("recurrence", "against the same network without lateral and top-down projections"),
    ("recurrence, equal parameters", "against a wider feedforward network"),
    ("recurrence, equal compute", "against a feedforward network of equal multiply-accumulates"),
    ("modules", "against the same network in one piece"),
    ("sparseness", "against the same network with all connections"),
    ("units", "spiking against rate units"),
    ("cells", "detailed cells against the trained units"),
    ("input", "binarised against grey input"),
    ("code", "Poisson- or latency-coded against constant input"),
)


def _baselines(name: str) -> Iterator[tuple[str, str]]:
    if name.endswith(DETAILED):
        yield "cells", name.removesuffix(DETAILED)
    if name == BINARISED:
        yield "input", "FC100-100-10"
    if name in SZEGEDY_TWINS:
        yield "units", name.removesuffix("-spiking")
    if name in CODED:
        of, code = CODED[name]
        yield "code", of
        yield from ((factor, f"{baseline}-{code}") for factor, baseline in _baselines(of))
    factors = FACTORS.get(name)
    if factors is None:
        return
    family, connectivity = factors.family, factors.connectivity
    structure, spiking, control = factors.structure, factors.spiking, factors.control
    if spiking and control != "control-compute":
        yield "units", Factors(family, connectivity, structure, False, control).name
    if structure:
        factor = "modules" if structure == "modular" else "sparseness"
        yield factor, Factors(family, connectivity, "", spiking, control).name
    if connectivity != "b" and not control:
        yield "recurrence", Factors(family, "b", structure, spiking).name
        for kind, matched in CONTROLS.items():
            matching = Factors(family, connectivity, structure, spiking, kind).name
            yield f"recurrence, equal {matched}", matching


def matched_by(name: str) -> str:
    """The network whose size a control matches; empty for any other network."""
    factors = FACTORS.get(name)
    return factors.of.name if factors and factors.control else ""


def role(name: str) -> str:
    """What a control matches, in words; empty for any other network."""
    matched = matched_by(name)
    return f"control: {CONTROLS[FACTORS[name].control]} of {matched}" if matched else ""


def recurrence(wiring: Wiring) -> str:
    """ "none", "lateral", "top-down" or "both", read off the projections."""
    kinds = {p.kind for p in wiring.projections} & set(FEEDBACK)
    return "both" if len(kinds) == 2 else next(iter(kinds), "none")


def units(wiring: Wiring) -> str:
    """ "spiking" if any unit spikes, else "rate"."""
    return "spiking" if any(a.unit.model == "lif" for a in wiring.areas) else "rate"


def _factorial(factors: Factors) -> Wiring:
    if factors.control:
        return _control(factors)
    if factors.spiking:
        rate = Factors(factors.family, factors.connectivity, factors.structure)
        return as_spiking(wiring_named(rate.name))
    full = _fully_connected_blt() if factors.family == "fc" else _convolutional_blt()
    if factors.structure == "modular":
        full = modular(full, modules=4, between=0.1)
    elif factors.structure == "sparse":
        full = sparse(full, density=0.2)
    if "l" not in factors.connectivity.removeprefix("b"):
        full = without(full, "lateral")
    if "t" not in factors.connectivity:
        full = without(full, "top-down")
    return full


def _control(factors: Factors) -> Wiring:
    matched = wiring_named(factors.of.name)
    plain = feedforward_part(matched)
    if factors.control == "control-params":
        return widened_to_match(plain, parameter_count=parameters(matched))
    if factors.spiking:
        return widened_to_match(plain, mac_count=macs(matched))
    return unrolled(matched)


def _classes() -> Area:
    return Area(name="output", shape=(10,), unit=RateUnit(activation="identity"))


def _fully_connected_blt() -> Wiring:
    """784-128-128-10, both hidden areas lateral, the second one top-down onto the first."""
    return Wiring(
        name="fc-blt",
        areas=(
            Area(name="input", shape=IMAGE, unit=InputUnit()),
            Area(name="h1", shape=(128,)),
            Area(name="h2", shape=(128,)),
            _classes(),
        ),
        projections=(
            Projection(source="input", target="h1"),
            Projection(source="h1", target="h2"),
            Projection(source="h2", target="output"),
            Projection(source="h1", target="h1", kind="lateral"),
            Projection(source="h2", target="h2", kind="lateral"),
            Projection(source="h2", target="h1", kind="top-down"),
        ),
        steps=7,
    )


def _convolutional_blt() -> Wiring:
    """Two convolutional areas after Spoerer et al. (2017), strided where they pool.

    Strides keep every projection linear, so that the spiking twin and its detailed simulation
    have the same wiring; 16 and 32 channels instead of 32 and 32 keep it within reach of a CPU.
    """
    return Wiring(
        name="conv-blt",
        areas=(
            Area(name="input", shape=IMAGE, unit=InputUnit()),
            Area(name="h1", shape=(16, 14, 14)),
            Area(name="h2", shape=(32, 7, 7)),
            _classes(),
        ),
        projections=(
            Projection(source="input", target="h1", pattern=Convolution(kernel=5, stride=2)),
            Projection(source="h1", target="h2", pattern=Convolution(kernel=3, stride=2)),
            Projection(source="h2", target="output", pattern=Dense()),
            Projection(source="h1", target="h1", kind="lateral", pattern=Convolution(kernel=3)),
            Projection(source="h2", target="h2", kind="lateral", pattern=Convolution(kernel=3)),
            Projection(
                source="h2",
                target="h1",
                kind="top-down",
                pattern=Convolution(kernel=3, stride=2, upward=False),
            ),
        ),
        steps=7,
    )


def _szegedy(name: str) -> Wiring:
    """A chain of dense layers (Szegedy et al. 2014, Table 1); sigmoid for the autoencoder's."""
    activation = "sigmoid" if name.startswith("AE") else "relu"
    layers = [
        Area(name=f"h{i}", shape=(size,), unit=RateUnit.model_validate({"activation": activation}))
        for i, size in enumerate(SZEGEDY[name], start=1)
    ]
    areas = (Area(name="input", shape=IMAGE, unit=InputUnit()), *layers, _classes())
    return Wiring(
        name=name,
        areas=areas,
        projections=tuple(Projection(source=a.name, target=b.name) for a, b in pairwise(areas)),
        steps=len(areas),
    )


def _binarised(wiring: Wiring) -> Wiring:
    """The same network behind an input that is cut to 0 or 1 at one half."""
    cut = wiring.input.model_copy(update={"unit": InputUnit(threshold=0.5)})
    return wiring.replace(areas=tuple(cut if a == wiring.input else a for a in wiring.areas))
