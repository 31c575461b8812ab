"""Pictures of streams: digits, scrambled digits and letters, dimmed, ringed and in fresh noise."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from experiments.blink.letters import letters
from experiments.blink.streams import Kind, Streams
from experiments.blink.task import PATCH
from networks.described import Described
from networks.errors import BlindspotsError

SIDE = 28
RING = (12.3, 13.6)  # inner and outer radius in pixels


class Noise(Described):
    """How hard the items are to see, for all conditions alike.

    - ``contrast``: factor of every item's intensities, rings excepted.
    - ``sd``: standard deviation of the noise on each pixel of each item; blanks have none.
    """

    contrast: Annotated[float, Field(gt=0, le=1)] = 0.7
    sd: Annotated[float, Field(ge=0)] = 0.3


def pictures(streams: Streams, images: Tensor, noise: Noise, generator: torch.Generator) -> Tensor:
    """What is seen: (n, items, 1, 28, 28) in [0, 1].

    A scrambled digit has the intensities of its digit, and a letter the mean intensity of a random
    digit that the streams show, so that brightness tells no target from a distractor. The noise is
    cut off at 0 and 1, with all items alike.

    Args:
        streams: n trials.
        images: (N, 1, 28, 28), the split that the streams were drawn from.
        noise: contrast and noise of every item.
        generator: the only source of chance. The same state gives the same noise to whatever is
            shown at a place.

    Raises:
        BlindspotsError: the streams were drawn from a larger split.
    """
    task, shape = streams.task, streams.kind.shape
    spelled = task.distractor == "letters" and task.targets == "category"
    distractor = torch.from_numpy(streams.kind == Kind.DISTRACTOR)
    index = torch.from_numpy(streams.image)
    highest = int(np.max(streams.image[streams.kind == Kind.DIGIT], initial=0))
    if highest >= len(images):
        raise BlindspotsError(
            f"The streams show image {highest} and the split has {len(images)}; give the images of "
            "the split that they were drawn from."
        )
    fresh = torch.randn((*shape, 1, SIDE, SIDE), generator=generator)
    seen = images[torch.where(index < len(images), index, 0).clamp(min=0)].clone()
    if spelled:
        seen[distractor] = spelled_out(streams, images, generator)
    elif task.targets == "category":
        # all are scrambled, so that what is drawn for one item does not depend on the others
        moved = shuffled(seen.flatten(0, 1), PATCH[task.distractor], generator).view_as(seen)
        seen = torch.where(distractor[..., None, None, None], moved, seen)
    contrast = torch.from_numpy(streams.contrast).to(seen.dtype)[..., None, None, None]
    seen = seen * contrast * noise.contrast
    rings = task.ring * ring() * torch.from_numpy(streams.cue)[..., None, None, None]
    noisy = (torch.maximum(seen, rings) + noise.sd * fresh).clamp(0, 1)
    return noisy * torch.from_numpy(streams.kind != Kind.BLANK)[..., None, None, None]


def spelled_out(streams: Streams, images: Tensor, generator: torch.Generator) -> Tensor:
    """The letters of the streams, (m, 1, 28, 28), with the ink of digits that they show."""
    codes = torch.from_numpy(streams.image[streams.kind == Kind.DISTRACTOR])
    shown = torch.from_numpy(streams.image[streams.kind == Kind.DIGIT])
    drawn = torch.randint(len(shown), (len(codes),), generator=generator)
    return letters(codes, images[shown[drawn]].mean((1, 2, 3)), generator)


def shuffled(images: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """Images (m, 1, 28, 28) whose square patches have changed places, none staying in its own.

    They go round one random cycle through all places (Sattolo 1986).
    """
    across = SIDE // patch
    count = across * across
    grid = images.reshape(-1, across, patch, across, patch).transpose(2, 3)
    patches = grid.reshape(-1, count, patch * patch)
    cycle = torch.rand(len(images), count, generator=generator).argsort(1)
    source = torch.empty_like(cycle).scatter_(1, cycle, cycle.roll(1, 1))
    moved = patches.gather(1, source[:, :, None].expand(-1, -1, patch * patch))
    grid = moved.reshape(-1, across, across, patch, patch).transpose(2, 3)
    return grid.reshape(images.shape)


def ring() -> Tensor:
    """1 on the ring and 0 elsewhere, (1, 28, 28)."""
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    radius = torch.hypot(axis[:, None], axis[None])
    return ((radius > RING[0]) & (radius < RING[1])).float()[None]
