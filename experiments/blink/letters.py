"""Letters in the manner of MNIST's digits: 20 pixels high, of a digit's ink, each deformed anew.

Their outlines are those of DejaVu Sans, which matplotlib brings along. A letter is kept as its
signed distance field (pixels from the outline, positive inside); a picture looks the field up on a
deformed grid and cuts it at the depth at which the letter has as much ink as it should.
"""

from functools import cache

import numpy as np
import torch
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from experiments.blink.streams import LETTERS

SIDE = 28
HEIGHT = 20.0  # of a letter in pixels: the box of MNIST's digits
FINE = 4  # samples of the field per pixel
EDGE = 1.0  # pixels over which a stroke fades, as MNIST's do
HALVINGS = 12  # of the interval in which the depth of the cut lies
DEEPEST = 4.0

# Standard deviations of a letter's deformation: turn and shear in radians, ln of its size, shift
# and waves (on a grid of 4 x 4) in pixels.
TURN, SHEAR, SIZE, SHIFT, WAVE = 0.12, 0.15, 0.07, 0.7, 0.9


@cache
def fields() -> Tensor:
    """Signed distances of all letters, (letter, 1, 28 * FINE, 28 * FINE), in pixels."""
    return torch.stack([torch.from_numpy(field(letter))[None] for letter in LETTERS])


def field(letter: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The signed distance field of a letter in the middle of the picture."""
    outline = TextPath((0, 0), letter, size=100, prop=FontProperties(family="DejaVu Sans"))
    box = outline.get_extents()
    vertices = (outline.vertices - [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2]) / box.height
    polygons = Path(vertices * [HEIGHT, -HEIGHT], outline.codes).to_polygons()
    axis = (np.arange(SIDE * FINE) + 0.5) / FINE - SIDE / 2
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    inside = np.zeros(len(points), bool)
    for polygon in polygons:  # a hole is a polygon within a polygon
        inside ^= Path(polygon).contains_points(points)
    here = inside.reshape(len(axis), -1)
    distance = distance_transform_edt(here) - distance_transform_edt(~here)
    return (distance / FINE).astype(np.float32)


def letters(codes: Tensor, ink: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures of letters, (n, 1, 28, 28) in [0, 1].

    Args:
        codes: (n,), places in ``LETTERS``.
        ink: (n,), the mean intensity that each picture shall have.
        generator: of their deformations.
    """
    grid = deformed(len(codes), generator)
    depth = functional.grid_sample(
        fields()[codes], grid, padding_mode="border", align_corners=False
    )
    low, high = torch.full_like(ink, -DEEPEST), torch.full_like(ink, DEEPEST)
    for _ in range(HALVINGS):
        cut = (low + high) / 2
        much = stroke(depth, cut).mean((1, 2, 3)) > ink
        low, high = torch.where(much, cut, low), torch.where(much, high, cut)
    return stroke(depth, (low + high) / 2)


def stroke(depth: Tensor, cut: Tensor) -> Tensor:
    """Intensity where the outline moved inward by ``cut`` pixels."""
    return ((depth - cut[:, None, None, None]) / EDGE + 0.5).clamp(0, 1)


def deformed(count: int, generator: torch.Generator) -> Tensor:
    """Where each pixel of the result looks in the field, (count, 28, 28, 2), from -1 to 1."""
    turn, shear, size = (sd * torch.randn(count, generator=generator) for sd in (TURN, SHEAR, SIZE))
    scale, cos, sin = torch.exp(-size), torch.cos(turn), torch.sin(turn)
    shift = SHIFT * torch.randn(count, 2, generator=generator) / (SIDE / 2)
    rows = torch.stack(
        [scale * cos, scale * (shear * cos - sin), scale * sin, scale * (shear * sin + cos)], -1
    )
    matrices = torch.cat([rows.reshape(-1, 2, 2), shift[:, :, None]], 2)
    grid = functional.affine_grid(matrices, [count, 1, SIDE, SIDE], align_corners=False)
    waves = WAVE * torch.randn(count, 2, 4, 4, generator=generator) / (SIDE / 2)
    smooth = functional.interpolate(waves, (SIDE, SIDE), mode="bicubic", align_corners=True)
    return grid + smooth.permute(0, 2, 3, 1)
