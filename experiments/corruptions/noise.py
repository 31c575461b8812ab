"""Noise on every pixel by itself."""

import numpy as np

from experiments.corruptions.corrupt import Images


def shot(images: Images, generator: np.random.Generator, photons: float) -> Images:
    """Counts of `photons` times the intensity on average (Poisson), as intensities again."""
    return generator.poisson(images * photons) / photons


def impulse(images: Images, generator: np.random.Generator, share: float) -> Images:
    """A `share` of the pixels turned black or white, each as likely (salt and pepper)."""
    struck, colours = (each.random(images.shape) for each in generator.spawn(2))
    return np.where(struck < share, (colours < 0.5).astype(images.dtype), images)


def gaussian(images: Images, generator: np.random.Generator, sigma: float) -> Images:
    """Independent normal noise of standard deviation `sigma` (before clipping)."""
    return images + sigma * generator.standard_normal(images.shape)
