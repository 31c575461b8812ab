"""An observer that is untaught, but strongly moved by what it sees, and easily satisfied."""

import numpy as np
import pytest
import torch

from experiments.blink.adversarial.observer import Observer
from experiments.blink.adversarial.scene import Scene
from experiments.blink.task import Task
from networks import wiring_named
from networks.attention import Attention
from networks.viewing import viewing
from sim import Network

TASK = Task(items=15, first=(2,), lags=(1,), dt_ms=25)


@pytest.fixture(scope="session")
def moved():
    """A function from the name of a wiring to the observer."""

    def made(wiring: str = "fc-b", *, spiking: bool = False) -> Observer:
        network = Network.initial(viewing(wiring_named(wiring), 25.0), 3)
        with torch.no_grad():
            for value in network.values.values():
                value.mul_(3)
        return Observer(network, Attention(threshold=0.2, noise=0.02, pool=4), spiking)

    return made


@pytest.fixture(scope="session")
def scene():
    """A function from the kind of frame to three trials of each of two lags."""
    return lambda where, lags=(1, 3): Scene(TASK, where, lags, 3, seed=5)


@pytest.fixture(scope="session")
def streams_of(scene, digits):
    """A function from the kind of frame to its trials, random pictures of them, and its places."""

    def made(where: str):
        trials = scene(where).trials(digits.test.labels.numpy())
        shape = (len(trials), trials.task.items, 1, 28, 28)
        frames = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        return frames, trials, np.asarray(scene(where).place(trials))

    return made
