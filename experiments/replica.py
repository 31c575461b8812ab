"""Does a network fire the same spikes in Brian2 as on torch? The command ``replica``."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from experiments.data.dataset import load_data, scored_images
from experiments.plan import entry
from experiments.result import load_network
from experiments.single import read_inputs
from experiments.training import load_individual
from networks import NAMES, BlindspotsError, wiring_named
from networks.catalogue import units
from networks.errors import unknown
from sim import Network
from sim.brian import WAYS, Agreement, Way, compare

if TYPE_CHECKING:
    from torch import Tensor

TRAINED = "trained"


class Subject(NamedTuple):
    """A network to compare, with what people call it and where its weights come from."""

    name: str
    weights: str
    network: Network


class Shown(NamedTuple):
    """Images (N, 1, 28, 28), what they are and of which data set."""

    what: str
    data: str
    images: "Tensor"


class Finding(NamedTuple):
    """How the two runs of ``subject`` agree on the images called ``what``."""

    subject: Subject
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
    console: Console,
) -> bool:
    """Print how ``names`` (default: the catalogue's spiking networks) agree; True if all do."""
    chosen = next((each for each in WAYS if each == way), None)
    if way and not chosen:
        raise unknown("way", way, WAYS)
    if run and not names:
        raise BlindspotsError(f"Name the networks of '{run}' to compare.")
    subjects = [subject(name, run, individual, seed) for name in names or spiking_names()]
    sets = shown(images, inputs, data)
    found = measured(subjects, sets, chosen, console)
    tell(found, sets[0].data, console)
    return not any(each.agreement.differing for each in found)


def measured(
    subjects: Sequence[Subject], sets: Sequence[Shown], way: Way | None, console: Console
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


def subject(name: str, run: Path | None, individual: int, seed: int) -> Subject:
    """The network ``name`` of ``run``, in a directory, of the catalogue or in a wiring file.

    Where nobody has trained it, its first weights are drawn from ``seed``.
    """
    if run:
        network = load_network(run, name, individual)
        assert isinstance(network, Network)
        return Subject(name, TRAINED, network)
    if Path(name).is_dir():
        network = load_individual(Path(name))
        return Subject(network.wiring.name, TRAINED, network)
    wiring = entry(name).wiring
    if wiring is None:
        raise BlindspotsError(f"'{name}' is an import path; only wirings run in Brian2.")
    return Subject(wiring.name, f"drawn from seed {seed}", Network.initial(wiring, seed))


def shown(count: int, inputs: Path | None, data: Path | None) -> list[Shown]:
    """The first ``count`` scored test images, or those of every epsilon of crafted ``inputs``."""
    if inputs is None:
        dataset = load_data(data)
        return [Shown("clean", dataset.name, scored_images(dataset, count)[0].images)]
    tensors, facts = read_inputs(inputs)
    return [
        Shown(f"{facts['attack']} at {epsilon:g}", facts["data"], images[:count])
        for epsilon, images in zip(facts["epsilons"], tensors["inputs"], strict=True)
    ]


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


def sentences(found: Sequence[Finding]) -> Iterator[str]:
    """The first differing spike of each, the sums, and whose weights nobody trained."""
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
    untrained = {each.subject.name: each.subject.weights for each in found}
    untrained = {name: weights for name, weights in untrained.items() if weights != TRAINED}
    if untrained:
        whose = (
            f"of {len(untrained)} networks" if len(untrained) > 1 else f"of {next(iter(untrained))}"
        )
        yield f"The weights {whose} are {next(iter(untrained.values()))}: nobody trained them."
