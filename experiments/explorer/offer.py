"""What a finished comparison offers to look at: networks, individuals, attacks and images."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.bench import Bench, scored
from experiments.finished import chosen, finished, place_of
from experiments.result import individual_directory, load_network, set_name
from experiments.single import read_inputs
from networks import DETAILED, BlindspotsError
from networks.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

FITTED_ON = 100


@dataclass(frozen=True)
class Choice:
    """One individual, one image (its index in the test set), and the inputs that are shown.

    `source` names the network that the inputs were crafted on, by `attack`.
    """

    network: str
    individual: int
    image: int
    attack: str
    source: str


@dataclass(frozen=True, eq=False)
class Offer:
    """A finished run, with its result and the images that it was made with."""

    run: Path
    compared: xr.Dataset
    bench: Bench

    @cached_property
    def networks(self) -> list[str]:
        """The networks that can be run through time here: wirings in trained units."""
        names = [str(name) for name in self.compared["network"].to_numpy()]
        return [name for name in names if self.individuals(name) and not name.endswith(DETAILED)]

    def individuals(self, network: str) -> list[int]:
        """The trained individuals of a network that the run keeps."""
        places = [int(each) for each in self.compared["individual"].to_numpy()]
        return [i for i in places if individual_directory(self.run, network, i).is_dir()]

    def attacks(self, individual: int) -> list[str]:
        """The attacks whose inputs the run kept, crafted on any individual of that number."""
        names = [str(each) for each in self.compared["attack"].to_numpy()]
        return [name for name in names if self.sources(name, individual)]

    def sources(self, attack: str, individual: int) -> list[str]:
        """The networks on whose individual of that number inputs were crafted, and kept."""
        names = [str(each) for each in self.compared["source"].to_numpy()]
        return [name for name in names if self._set(name, individual, attack).exists()]

    def usual_attack(self, network: str, individual: int) -> str:
        """That with the most budgets; of several one in the reference's norm that fools most."""
        norms = self.compared["norm"].to_series()
        reference = norms[str(self.compared.attrs["reference_attack"])]
        here = self.compared["correct"].sel(network=network, individual=individual)
        budgets = (here >= 0).any(["source", "image"]).sum("epsilon").to_series()
        fooled = (here == 0).sum(["source", "image", "epsilon"]).to_series()
        return max(
            self.attacks(individual),
            key=lambda attack: (budgets[attack], norms[attack] == reference, fooled[attack]),
        )

    def usual_source(self, network: str, attack: str, individual: int) -> str:
        """The network itself where its inputs were kept (white-box), else the first there is."""
        there = self.sources(attack, individual)
        return network if network in there else there[0]

    @property
    def images(self) -> list[int]:
        """The images that the run attacked, by index in the test set, in the run's order."""
        return [int(each) for each in self.compared["image"].to_numpy()]

    def place(self, choice: Choice) -> int:
        """Where among the run's images the chosen one is."""
        return place_of(self.compared, self.run, choice.image)

    @cached_property
    def pictures(self) -> "tuple[Tensor, Tensor]":
        """The clean images (N, 1, 28, 28) and their labels (N,)."""
        return scored(self.bench, len(self.images))

    @cached_property
    def first_pictures(self) -> "Tensor":
        """The clean images whose states span the plane of the trajectories."""
        return self.pictures[0][:FITTED_ON]

    def network(self, choice: Choice) -> "Network":
        """The trained individual."""
        return _network(self.run, choice.network, choice.individual)

    def crafted(self, choice: Choice) -> "tuple[tuple[float, ...], Tensor]":
        """The budgets, and what was crafted from the image within each, (epsilon, 1, 28, 28)."""
        epsilons, inputs = _inputs(self._set(choice.source, choice.individual, choice.attack))
        return epsilons, inputs[:, self.place(choice)]

    def aim(self, choice: Choice) -> str:
        """Whom the inputs were made for, in few words."""
        if self.compared["kind"].sel(attack=choice.attack) == "noise":
            return "noise, aimed at no network"
        own = choice.source == choice.network
        return "white-box" if own else f"crafted on {choice.source}"

    def fooled(self, choice: Choice, epsilon: float | None = None) -> list[int]:
        """The images that are answered rightly when clean, and wrongly at an epsilon.

        By index in the test set, in the run's order; at any epsilon where none is given.
        """
        here = self.compared.sel(network=choice.network, individual=choice.individual)
        wrong = here["correct"].sel(source=choice.source, attack=choice.attack) == 0
        if epsilon is not None:
            wrong = wrong.isel(epsilon=np.isclose(wrong["epsilon"], epsilon, rtol=1e-6))
        both = (here["clean_correct"] == 1) & wrong.any("epsilon")
        return [int(each) for each in both["image"].to_numpy()[both.to_numpy()]]

    def completed(self, choice: Choice) -> Choice:
        """The choice with what it names that is not there replaced by the usual."""
        individuals = self.individuals(choice.network)
        at = choice.individual if choice.individual in individuals else individuals[0]
        kept = choice.attack in self.attacks(at)
        attack = choice.attack if kept else self.usual_attack(choice.network, at)
        sources = self.sources(attack, at)
        usual = self.usual_source(choice.network, attack, at)
        source = choice.source if choice.source in sources else usual
        return replace(choice, individual=at, attack=attack, source=source)

    def _set(self, source: str, individual: int, attack: str) -> Path:
        return self.run / "inputs" / set_name(source, individual, attack)


def offered(run: Path, data: Path | None) -> Offer:
    """What the comparison in `run` offers.

    Raises BlindspotsError where it has not ended, was made with other data, kept no inputs, or
    trained nothing that can be run through time.
    """
    offer = Offer(run, *finished(run, data))
    if not offer.networks:
        raise BlindspotsError(
            f"'{run}' trained no network that could be run through time here: all are brought by "
            "an import path, run in cells, or were not kept; compare one of the catalogue."
        )
    if not any(offer.attacks(i) for i in offer.individuals(offer.networks[0])):
        raise BlindspotsError(
            f"'{run}' kept no crafted inputs; run the comparison with keep = \"all\" into another "
            "directory."
        )
    return offer


def choose(
    offer: Offer,
    *,
    network: str | None = None,
    individual: int = 0,
    image: int | None = None,
    attack: str | None = None,
    source: str | None = None,
) -> Choice:
    """What is shown first: as asked for, else the usual attack, and an image that it fooled.

    Raises BlindspotsError where the run does not have what is asked for.
    """
    name = offer.networks[0] if network is None else network
    check_network(offer, name, individual)
    attacks = offer.attacks(individual)
    by = attack or offer.usual_attack(name, individual)
    if by not in attacks:
        raise unknown("attack", by, attacks, f"among those whose inputs '{offer.run}' kept")
    sources = offer.sources(by, individual)
    on = source or offer.usual_source(name, by, individual)
    if on not in sources:
        raise unknown(
            *("network", on, sources), f"among those on which '{offer.run}' kept inputs of {by}"
        )
    choice = Choice(name, individual, offer.images[0] if image is None else image, by, on)
    offer.place(choice)
    fooled = offer.fooled(choice)
    return replace(choice, image=fooled[0]) if image is None and fooled else choice


def check_network(offer: Offer, name: str, individual: int) -> None:
    """Raise BlindspotsError unless the run has such an individual, and it can be shown here."""
    chosen(offer.compared, offer.run, [name])
    if name.endswith(DETAILED):
        raise BlindspotsError(
            f"'{name}' runs in cells, which take minutes for what is shown here at once; name "
            f"'{name.removesuffix(DETAILED)}', or see blindspots detailed."
        )
    if name not in offer.networks:
        raise BlindspotsError(
            f"'{name}' has no wiring and weights in '{offer.run}' that could be run through time; "
            f"choose from {', '.join(offer.networks)}."
        )
    load_network(offer.run, name, individual)
    if not offer.attacks(individual):
        raise BlindspotsError(f"'{offer.run}' kept no inputs crafted on individuals {individual}.")


@lru_cache(maxsize=8)
def _network(run: Path, name: str, individual: int) -> "Network":
    from sim import Network

    found = load_network(run, name, individual)
    assert isinstance(found, Network)
    return found


@lru_cache(maxsize=8)
def _inputs(path: Path) -> "tuple[tuple[float, ...], Tensor]":
    tensors, facts = read_inputs(path)
    return tuple(float(each) for each in facts["epsilons"]), tensors["inputs"]
