"""The catalogue as people read it: tables in the terminal, and drawings of wirings."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.counts import count, short
from experiments.plan import entry
from networks import NAMES, Wiring, macs, parameters, wiring_named
from networks.area import Area
from networks.catalogue import CONTROLS, FACTORS, matched_by
from networks.connectivity import connections
from networks.derive import hidden
from networks.errors import BlindspotsError


def catalogue_table() -> Table:
    """One row per network of the catalogue; controls stand below the network that they match."""
    table = Table(
        title="The catalogue: every network takes 28 x 28 images and answers with 10 classes",
        caption="areas: hidden ones, /4 in 4 modules; proj.: projections; steps: of time; MACs: "
        "multiply-accumulates per image; match: how far a control (named after the network above "
        "it, as fc-blt-control-params) is from equal parameters or compute",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("network", no_wrap=True)
    table.add_column("areas", no_wrap=True)
    for heading in ("proj.", "steps", "params", "MACs", "match"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in NAMES:
        wiring, matched = wiring_named(name), matched_by(name)
        table.add_row(
            f" …-{name.removeprefix(f'{matched}-')}" if matched else name,
            areas_of(wiring),
            str(len(wiring.projections)),
            str(wiring.steps),
            short(parameters(wiring)),
            short(macs(wiring)),
            mismatch(wiring, wiring_named(matched), name) if matched else "",
        )
    return table


def areas_of(wiring: Wiring) -> str:
    """The shapes of the hidden areas, or how many there are where an unrolled wiring has many."""
    inner = hidden(wiring)
    return " ".join(map(shape_of, inner)) if len(inner) < 4 else f"{len(inner)} areas"


def mismatch(control: Wiring, matched: Wiring, name: str) -> str:
    """How far a control is from equal size, in per cent of what it matches."""
    size = parameters if CONTROLS[FACTORS[name].control] == "parameters" else macs
    return f"{100 * (size(control) / size(matched) - 1):+.2f}%"


def shape_of(area: Area) -> str:
    """ "16x14²" for 16 channels of 14 x 14, "32/4" for 32 units in 4 modules."""
    channels, *sides = area.shape
    square = len(sides) == 2 and sides[0] == sides[1]
    shape = f"{channels}x{sides[0]}²" if square else "x".join(map(str, area.shape))
    return f"{shape}/{area.modules}" if area.modules > 1 else shape


def network_table(wiring: Wiring) -> Table:
    """The areas and projections of one wiring."""
    table = Table(
        title=f"{wiring.name}: {len(wiring.areas)} areas, {wiring.steps} steps, "
        f"{count(parameters(wiring))} parameters, {count(macs(wiring))} MACs per image",
        caption="units and connections: how many; delay: in steps",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in ("area / projection", "kind", "shape / pattern"):
        table.add_column(heading, overflow="fold")
    for heading in ("delay", "units / connections"):
        table.add_column(heading, justify="right")
    for area in wiring.areas:
        table.add_row(area.name, area.unit.label, shape_of(area), "", count(area.size))
    table.add_section()
    for p in wiring.projections:
        ends = (wiring.area(p.source), wiring.area(p.target))
        table.add_row(
            *(p.name, p.kind, p.label, str(p.delay)),
            count(connections(p, *ends)),
        )
    return table


def resolve(name: str) -> Wiring:
    """A wiring of the catalogue or of a file."""
    found = entry(name).wiring
    if found is None:
        raise BlindspotsError(f"'{name}' is an import path, which has no wiring to show.")
    return found


def draw(wiring: Wiring, path: Path) -> None:
    """The wiring's diagram into ``path``, whose ending chooses the format."""
    from experiments.store import unwritable
    from figures.wiring import diagram

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        diagram(wiring).savefig(path, dpi=200)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    except ValueError as error:
        raise BlindspotsError(f"'{path}' cannot be drawn: {error}.") from None
