"""One change for all images: crafted per network and across networks, shown to everyone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.answers import read_tensors, right
from experiments.attacks.names import Norm, attack_named
from experiments.bench import scored
from experiments.individuals import Embody, Model
from experiments.scoring import Score
from experiments.statistics.universal import ALL
from experiments.store import key_of
from experiments.transfer.exchange import Exchange
from experiments.transfer.perturb import Perturb
from experiments.units import is_complete
from networks.errors import BlindspotsError

MULTIPLES = (1, 2, 4)  # of the exchange's epsilon: one change for all images needs more room
MOST = 0.3  # intensity; beyond it, changes hide the digits
NOISES = 3  # draws of the control
OUTCOME = ("budget", "network", "individual", "image")


@dataclass(frozen=True)
class Universals:
    """Universal perturbations of an exchange: who they are crafted on, and who answers them.

    One is crafted on individual 0 of every network that the exchange's attack was crafted on, and
    one on all of these at once, so individuals 1 and up have met none. Networks in cells neither
    lend a gradient nor are they asked: they take far too long.
    """

    exchange: Exchange

    def __post_init__(self) -> None:
        if self.norm == "l1":
            raise BlindspotsError(
                f"Universal perturbations are crafted under linf or l2, but {self.exchange.attack} "
                "is bounded under l1; choose another with --attack, or leave out --universal."
            )

    @property
    def norm(self) -> Norm:
        """Of the exchange's attack."""
        return attack_named(self.exchange.attack).norm

    @cached_property
    def epsilons(self) -> tuple[float, ...]:
        """The exchange's budget, and larger ones up to a bound."""
        least = self.exchange.epsilon
        return tuple(sorted({min(least * each, max(least, MOST)) for each in MULTIPLES}))

    @cached_property
    def sets(self) -> dict[str, Perturb]:
        """By who they are crafted on."""
        sets = self.exchange.sets
        victims = {s: u.victim for (s, j), u in sets.items() if not j and not _is_cells(u.victim)}
        if not victims:
            raise BlindspotsError(
                "There is no network to craft a universal perturbation on: no gradient is followed "
                "through cells; leave out --universal."
            )
        each = {source: self._perturb((victim,)) for source, victim in victims.items()}
        return each | ({ALL: self._perturb(tuple(victims.values()))} if len(victims) > 1 else {})

    @cached_property
    def noises(self) -> tuple[Perturb, ...]:
        """Draws of the control."""
        return tuple(self._perturb((), draw) for draw in range(NOISES))

    def _perturb(self, victims: tuple[Model, ...], draw: int = 0) -> Perturb:
        spec, bench = self.exchange.spec, self.exchange.bench
        chance = int(key_of(seed=spec.seed, universal=draw, victims=bool(victims))[:12], 16)
        return Perturb(victims, self.norm, self.epsilons, spec.images, chance, bench)

    @cached_property
    def scores(self) -> dict[tuple[str, int, str], Score]:
        """Everyone on every perturbation, by network, individual and the perturbation's key."""
        return {
            (name, i, each.key): Score(model, each, each.images, each.bench)
            for (name, i), model in self.exchange.plan.individuals.items()
            for each in (*self.sets.values(), *self.noises)
            if not _is_cells(model)
        }


def _is_cells(model: Model) -> bool:
    return isinstance(model, Embody)


def universal_outcomes(result: xr.Dataset, universals: Universals) -> xr.Dataset:
    """The answers to universal perturbations, for a result that holds the other outcomes.

    - ``universal_correct``, ``universal_prediction`` (universal_source, budget, network,
      individual, image), on the scored images with one change added to all; -1 where not asked;
    - ``universal_perturbation`` (universal_source, budget, row, column), intensity;
      ``universal_distance`` (universal_source, budget): root-mean-squared change that images
      underwent, which the box makes smaller than the perturbation;
    - the same of the control with ``universal_noise_`` (universal_draw, ...).
    """
    sources, draws = ("universal_source", "universal_draw")
    coords = {
        sources: list(universals.sets),
        draws: range(NOISES),
        "budget": list(universals.epsilons),
    }
    crafted = told(result, universals, tuple(universals.sets.values()), sources, "universal_")
    control = told(result, universals, universals.noises, draws, "universal_noise_")
    return xr.Dataset(crafted | control, coords)


def told(
    result: xr.Dataset,
    universals: Universals,
    sets: tuple[Perturb, ...],
    along: str,
    prefix: str,
) -> dict[str, tuple[tuple[str, ...], NDArray[np.generic]]]:
    """What became of ``sets``: variables with ``prefix``, whose first dimension is ``along``."""
    networks = list(result["network"].to_numpy())
    sizes = [result.sizes[dim] for dim in OUTCOME[1:]]
    prediction = np.full((len(sets), len(universals.epsilons), *sizes), -1, np.int8)
    places = {each.key: at for at, each in enumerate(sets)}
    for (name, i, on), unit in universals.scores.items():
        if on in places and is_complete(unit):
            answers = read_tensors(unit, unit.product)["prediction"]
            prediction[places[on], :, networks.index(name), i] = answers
    made = [pictures(each) for each in sets]
    perturbation, distance = (np.stack(each) for each in zip(*made, strict=True))
    return {
        f"{prefix}prediction": ((along, *OUTCOME), prediction),
        f"{prefix}correct": ((along, *OUTCOME), right(prediction, result["label"].to_numpy())),
        f"{prefix}perturbation": ((along, "budget", "row", "column"), perturbation),
        f"{prefix}distance": ((along, "budget"), distance),
    }


def pictures(unit: Perturb) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Perturbations (budget, row, column), and how far they move images (budget)."""
    clean = scored(unit.bench, unit.images).images.cpu().numpy()
    budgets = len(unit.epsilons)
    if not is_complete(unit):
        shape = (budgets, *clean.shape[2:])
        return np.full(shape, np.nan, np.float32), np.full(budgets, np.nan, np.float32)
    tensors = read_tensors(unit, unit.product)
    moved = np.sqrt(((tensors["inputs"] - clean) ** 2).mean((2, 3, 4))).mean(1)
    return tensors["perturbation"][:, 0], moved
