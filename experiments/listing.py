"""The catalogue as people read it: tables in the terminal, and drawings of wirings."""

from pathlib import Path

from rich.table import Table

from experiments.plan import entry
from experiments.report import count
from networks import NAMES, Wiring, macs, parameters, wiring_named
from networks.area import Area
from networks.catalogue import recurrence, role, units
from networks.connectivity import connections
from networks.errors import BlindspotsError
from networks.projection import Projection


def catalogue_table() -> Table:
    """One row per network of the catalogue."""
    table = Table(title="Networks (MACs: multiply-accumulates per image)")
    for heading in ("network", "areas", "recurrence", "units", "role"):
        table.add_column(heading, overflow="fold")
    for heading in ("projections", "steps", "parameters", "MACs"):
        table.add_column(heading, justify="right")
    for name in NAMES:
        wiring = wiring_named(name)
        table.add_row(
            name,
            " ".join(shape_of(a) for a in shortened(wiring.areas)),
            recurrence(wiring),
            units(wiring),
            role(name).removeprefix("control: "),
            str(len(wiring.projections)),
            str(wiring.steps),
            count(parameters(wiring)),
            count(macs(wiring)),
        )
    return table


def shortened(areas: tuple[Area, ...]) -> tuple[Area, ...]:
    """The areas, or the first and last ones where an unrolled wiring has many."""
    return areas


def shape_of(area: Area) -> str:
    """ "16x14x14", or "32/4" for 32 units in 4 modules."""
    shape = "x".join(map(str, area.shape))
    return f"{shape}/{area.modules}" if area.modules > 1 else shape


def network_table(wiring: Wiring) -> Table:
    """The areas and projections of one wiring."""
    table = Table(
        title=f"{wiring.name}: {len(wiring.areas)} areas, {wiring.steps} steps, "
        f"{count(parameters(wiring))} parameters, {count(macs(wiring))} multiply-accumulates"
    )
    for heading in ("area / projection", "kind", "shape / pattern"):
        table.add_column(heading, overflow="fold")
    for heading in ("modules", "delay", "connections"):
        table.add_column(heading, justify="right")
    for area in wiring.areas:
        unit = ", ".join(f"{k} {v}" for k, v in dict(area.unit).items() if k != "model")
        kind = f"{area.unit.model} ({unit})" if unit else area.unit.model
        table.add_row(area.name, kind, shape_of(area), str(area.modules), "", "")
    table.add_section()
    for p in wiring.projections:
        ends = (wiring.area(p.source), wiring.area(p.target))
        table.add_row(
            *(p.name, p.kind, pattern_of(p), p.modules, str(p.delay)),
            count(connections(p, *ends)),
        )
    return table


def pattern_of(projection: Projection) -> str:
    """ "convolution (kernel 3, stride 2)"."""
    pattern = projection.pattern
    settings = ", ".join(f"{k} {v}" for k, v in dict(pattern).items() if k not in ("model", "seed"))
    return f"{pattern.model} ({settings})" if settings else pattern.model


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
