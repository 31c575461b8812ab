"""From the settings of a reproduction to the units of work that answer it."""

from dataclasses import dataclass
from typing import Annotated, Any

import tomli_w
from pydantic import Field, ValidationError

from experiments.bench import Bench
from experiments.individuals import Train
from experiments.recipe import Recipe
from experiments.reproduce.members import PARTS, Member, Panel, members
from experiments.reproduce.units import Aim, Distort, Errors, Noise, Source
from experiments.scoring import Score
from experiments.units import Unit
from networks.area import Described
from networks.errors import BlindspotsError
from networks.wiring import explain

SOURCE: dict[Panel, Source] = {"whole": "train", "letter": "train", "halves": "test"}
"""Whose images are distorted: training images in Tables 1 and 2, test images in 3 and 4."""


class Settings(Described):
    """What determines the numbers of a reproduction.

    ``images`` are distorted for each network; ``effort`` scales every recipe's epochs.
    """

    reproduces: str = "szegedy"
    images: Annotated[int, Field(ge=2)] = 300
    effort: Annotated[float, Field(gt=0)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    def to_toml(self) -> str:
        """Text that reads back to equal settings."""
        return tomli_w.dumps(self.model_dump(mode="json"))


def settings_from(**values: Any) -> Settings:
    """The settings; BlindspotsError names what cannot be honoured."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise BlindspotsError(f"The tables cannot be reproduced: {explain(error)}.") from None


@dataclass(frozen=True)
class Plan:
    """All units by their place in the result, everyone by name.

    ``scores[network, source]``: what the network answers to what was made for the source with
    random targets; within a panel. ``noise[panel]`` and ``noisy[network]`` likewise.
    """

    members: tuple[Member, ...]
    trained: dict[str, Train]
    errors: dict[str, Errors]
    distorted: dict[tuple[str, Aim], Distort]
    noise: dict[Panel, Noise]
    noisy: dict[str, Score]
    scores: dict[tuple[str, str], Score]

    @property
    def units(self) -> list[Unit]:
        """Everything that the result is made of."""
        parts = (self.errors, self.distorted, self.noisy, self.scores)
        return [unit for part in parts for unit in part.values()]


def plan(settings: Settings, bench: Bench, everyone: tuple[Member, ...] | None = None) -> Plan:
    """The units of everyone (default: :func:`members`)."""
    everyone = members() if everyone is None else everyone
    count, seed = settings.images, settings.seed
    trained = {
        m.name: Train(
            m.wiring, shortened(m.recipe, settings.effort), 2 * seed + PARTS[m.part], bench
        )
        for m in everyone
    }
    distorted: dict[tuple[str, Aim], Distort] = {}
    for m in everyone:
        for aim in aims_of(m):
            distorted[m.name, aim] = Distort(
                trained[m.name], aim, SOURCE[m.panel], count, seed, bench
            )
    noise = {m.panel: Noise(SOURCE[m.panel], count, seed, bench) for m in everyone}
    return Plan(
        everyone,
        trained,
        errors={m.name: Errors(trained[m.name], bench) for m in everyone},
        distorted=distorted,
        noise=noise,
        noisy={m.name: Score(trained[m.name], noise[m.panel], count, bench) for m in everyone},
        scores={
            (m.name, other.name): Score(
                trained[m.name], distorted[other.name, "random"], count, bench
            )
            for m in everyone
            for other in everyone
            if m.panel == other.panel and m.panel != "letter"
        },
    )


def aims_of(member: Member) -> tuple[Aim, ...]:
    """How it is attacked; the published attack to the letter only where it is quick."""
    if member.panel == "halves":
        return ("random",)
    is_softmax = member.panel == "whole" and len(member.wiring.projections) == 1
    return ("random", "nearest", "literal") if is_softmax else ("random", "nearest")


def shortened(recipe: Recipe, effort: float) -> Recipe:
    """The recipe with its epochs, the autoencoder's too, scaled."""
    changed = {"epochs": max(1, round(recipe.epochs * effort))}
    if recipe.autoencoder:
        changed["autoencoder"] = max(1, round(recipe.autoencoder * effort))
    return Recipe.model_validate({**dict(recipe), **changed})
