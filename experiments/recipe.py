"""Training recipes: what determines how an individual learns, apart from wiring, data and seed."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from networks import Wiring, wiring_named
from networks.described import Described


class Recipe(Described):
    """Adam with a one-cycle learning rate on the cross-entropy of the wiring's answer.

    ``objective``: "standard"; "noise" adds Gaussian noise of deviation ``epsilon``; "adversarial"
    trains on L-infinity PGD of budget ``epsilon`` (Madry et al. 2018), of ``attack_steps`` steps,
    the budget rising over the first ``rise`` of training, and calls that epoch the best which is
    most robust; "distil" learns another network's answers, softened by ``temperature``, not the
    labels (Hinton et al. 2015). ``shift`` moves training images by up to that many pixels. Each of
    ``parts`` > 1 individuals sees its own disjoint part of the training images (Szegedy et al.
    2014, section 4.2). ``autoencoder`` > 0 first trains the first layer for so many epochs as a
    sparse autoencoder, and then leaves it. ``decay_per_layer`` adds to the loss, for each
    projection of the wiring in its order, so many times the sum of its squared weights; empty for
    none. The first holds for the autoencoder too. ``keep`` says which epoch's weights are kept: the
    best on the validation images, or the last.
    """

    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    shift: Annotated[int, Field(ge=0, le=4)] = 0
    objective: Literal["standard", "noise", "adversarial", "distil"] = "standard"
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.0
    attack_steps: Annotated[int, Field(ge=1)] = 7
    rise: Annotated[float, Field(ge=0, le=1)] = 0.4
    temperature: Annotated[float, Field(gt=0)] = 4.0
    parts: Annotated[int, Field(ge=1)] = 1
    autoencoder: Annotated[int, Field(ge=0)] = 0
    decay_per_layer: tuple[Annotated[float, Field(ge=0)], ...] = ()
    keep: Literal["best", "last"] = "best"

    @model_validator(mode="after")
    def _disturbs_as_it_says(self) -> Self:
        if self.objective in ("noise", "adversarial") and self.epsilon == 0:
            raise ValueError(f"the objective '{self.objective}' needs an epsilon above 0")
        return self


def recipe_for(wiring: Wiring) -> Recipe:
    """The recipe for full MNIST, chosen on the validation images.

    One for all, so that no difference between networks is one of training; only the autoencoder's
    read-out, the one layer that is left to train, needs larger steps.
    """
    if wiring == wiring_named("AE400-10"):
        return Recipe(epochs=8, batch=256, rate=5e-2, autoencoder=6)
    return Recipe(epochs=8, batch=256, rate=5e-3, shift=1)


def trains_together(wiring: Wiring, recipe: Recipe) -> bool:
    """Whether individuals can be trained along one tensor axis: nothing but order differs."""
    plain = recipe.objective == "standard" and recipe.parts == 1 and not recipe.autoencoder
    return plain and not wiring.is_random
