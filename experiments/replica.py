"""Does a network fire the same spikes in Brian2 as on torch? The command ``replica``."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from experiments.origin import Wired, warn_untrained, wired
from experiments.recordings import folders_for, keep, scenes
from experiments.single import in_run
from experiments.stimuli import Shown, shown
from networks import NAMES, BlindspotsError, wiring_named
from networks.catalogue import units
from networks.errors import unknown
from sim.brian import WAYS, Agreement, Way, compare


class Finding(NamedTuple):
    """How the two runs of ``subject`` agree on the images called ``what``."""

    subject: Wired
    what: str
    agreement: Agreement


def replicate(
    names: Sequence[str],
    *,
    images: int,
    inputs: Path | None,
    run: Path | None,
    individual: int,
    seed: int,
    way: str | None,
    data: Path | None,
    out: Path | None,
    epsilon: float | None,
    console: Console,
) -> bool:
    """Print how ``names`` (default: the catalogue's spiking networks) agree; True if all do.

    Into ``out``, where it is given, go recordings and figures of the first images; of crafted
    ``inputs`` those at ``epsilon``, by default the largest, beside the clean images.
    """
    chosen = next((each for each in WAYS if each == way), None)
    if way and not chosen:
        raise unknown("way", way, WAYS)
    if run and not names:
        raise BlindspotsError(f"Name the networks of '{run}' to compare.")
    if epsilon is not None and not (out and inputs):
        raise BlindspotsError(
            "--epsilon chooses which of --inputs are drawn into --out; give both, or leave it out."
        )
    subjects = [
        wired(name, run, individual, seed, purpose="run in Brian2")
        for name in names or spiking_names()
    ]
    sets = shown(images, in_run(inputs, run) if inputs else None, data)
    drawn = scenes(sets, epsilon, data) if out else []
    folders = folders_for(subjects, out) if out else []
    found = measured(subjects, sets, chosen, console)
    tell(found, sets[0].data, console)
    for each, folder in zip(subjects, folders, strict=False):
        keep(each, drawn, folder, chosen)
    if out:
        console.print(f"Recordings and figures: {out}", highlight=False, markup=False)
    return not any(each.agreement.differing for each in found)


def measured(
    subjects: Sequence[Wired], sets: Sequence[Shown], way: Way | None, console: Console
) -> list[Finding]:
    """Every subject on every set of images, with its progress on ``console``."""
    found = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(subjects) * sum(len(s.images) for s in sets))

        def done(count: int) -> None:
            progress.advance(task, count)

        for each, stimuli in product(subjects, sets):
            progress.update(task, description=f"{each.name}, {stimuli.what}")
            agreement = compare(each.network, stimuli.images, way=way, done=done)
            found.append(Finding(each, stimuli.what, agreement))
    return found


def spiking_names() -> list[str]:
    """The networks of the catalogue that spike."""
    return [name for name in NAMES if units(wiring_named(name)) == "spiking"]


def tell(found: Sequence[Finding], data: str, console: Console) -> None:
    """One row per network and set of images, the first differing spikes, and what was compared."""
    table = Table(
        title=f"Torch and Brian2, spike for spike in float64, on {data}",
        caption="|Δu|: largest difference of membranes; closest: any membrane to its threshold",
        box=SIMPLE_HEAD,
    )
    table.add_column("network", overflow="fold")
    table.add_column("images", overflow="fold")
    for heading in ("spikes", "differing", "|Δu|", "closest"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each, what, agreement in found:
        table.add_row(
            *(each.name, f"{agreement.images} {what}", f"{agreement.spikes:,}"),
            f"[bold red]{agreement.differing:,}[/]" if agreement.differing else "0",
            *(f"{agreement.difference:.1g}", f"{agreement.closest:.1g}"),
        )
    console.print(table)
    for sentence in sentences(found):
        console.print(sentence, highlight=False, markup=False)
    warn_untrained([each.subject for each in found], console)


def sentences(found: Sequence[Finding]) -> Iterator[str]:
    """The first differing spike of each, and the sums."""
    for each, what, agreement in found:
        if agreement.first:
            yield f"{each.name}, {what}: first differing at {agreement.first}."
    agreements = [each.agreement for each in found]
    ways = sorted({way for agreement in agreements for way in agreement.ways})
    yield (
        f"{sum(a.differing for a in agreements):,} spikes differ, of "
        f"{sum(a.spikes for a in agreements):,} in {sum(a.chances for a in agreements):,} "
        f"compared (image, unit, step); Brian2 by {' and '.join(ways)}."
    )
