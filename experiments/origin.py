"""Where a network comes from: a run, a directory, an import path, or a seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

from experiments.plan import entry
from networks import DETAILED
from networks.errors import BlindspotsError
from sim import Network

if TYPE_CHECKING:
    from torch import nn

    from sim.brian.detailed import Detailed

TRAINED = "trained"
BROUGHT = "brought"  # by an import path: they are the user's affair


class Subject(NamedTuple):
    """A network, with what people call it and where its weights come from."""

    name: str
    weights: str
    network: "nn.Module | Detailed"


class Wired(NamedTuple):
    """A subject that has a wiring."""

    name: str
    weights: str
    network: Network


def subject(name: str, run: Path | None, individual: int, seed: int | None = None) -> Subject:
    """The network called ``name``: of ``run``, in a directory, or at an import path.

    With a ``seed`` it may be of the catalogue or in a wiring file, too: its first weights are then
    drawn from the seed, which :func:`warn_untrained` says. Raises BlindspotsError where there is
    no such network.
    """
    from experiments.bring import imported
    from experiments.cells import load_at
    from experiments.result import load_network

    if run:
        return Subject(name, TRAINED, load_network(run, name, individual))
    if Path(name).is_dir():
        found = load_at(Path(name))
        return Subject(found.wiring.name, TRAINED, found)
    if is_import_path(name):
        return Subject(name, BROUGHT, imported(name))
    if seed is None:
        raise BlindspotsError(
            f"'{name}' is neither a directory with weights nor module:attribute; for a network of "
            "a run, add --run DIR."
        )
    wiring = entry(name).wiring
    assert wiring is not None
    return Subject(wiring.name, drawn_from(seed), Network.initial(wiring, seed))


def wired(name: str, run: Path | None, individual: int, seed: int, *, purpose: str) -> Wired:
    """The :func:`subject` with a wiring; nothing is imported, as only wirings ``purpose``."""
    if not run and not Path(name).is_dir() and is_import_path(name):
        raise BlindspotsError(f"'{name}' is an import path; only wirings {purpose}.")
    found = subject(name, run, individual, seed)
    if not isinstance(found.network, Network):
        raise BlindspotsError(
            f"'{name}' runs in cells, and only trained units {purpose}; name "
            f"'{name.removesuffix(DETAILED)}'."
        )
    return Wired(found.name, found.weights, found.network)


def is_import_path(name: str) -> bool:
    """Whether ``name`` is module:attribute, and no wiring file."""
    return ":" in name and not name.endswith((".toml", ".json"))


def drawn_from(seed: int) -> str:
    """Where the weights come from that nobody trained."""
    return f"drawn from seed {seed}"


def warn_untrained(found: Sequence[Subject | Wired], console: Console) -> None:
    """Say loudly whose weights nobody trained, if there are any such."""
    untrained = {each.name: each.weights for each in found}
    untrained = {n: w for n, w in untrained.items() if w not in (TRAINED, BROUGHT)}
    if not untrained:
        return
    whose = f"{len(untrained)} networks" if len(untrained) > 1 else next(iter(untrained))
    sentence = (
        f" The weights of {whose} are {next(iter(untrained.values()))}: nobody trained them. For "
        "trained ones name a directory, or add --run."
    )
    console.print(Text.assemble(("Untrained:", "bold red"), sentence))
