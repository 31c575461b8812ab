"""A Brian2 script as one writes it today, without ``sim.brian``: what the benchmark times it by.

The equations are those of the README, in units of one step of 1 ms. ``u`` is reset by threshold /
beta, as the leak acts on it once more before the next step; ``arrived`` is what is read at the
next step: bias and image at a constant current, and what the synapses add. What the image drives
and the answer (identity) are matrix products in numpy: no synapse carries either.
"""

import resource
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from networks import SpikingUnit
from networks.derive import hidden
from sim import Network
from sim.brian.library import load

Array = NDArray[np.float64]
Target = Literal["numpy", "cython"]
CACHE = "codegen.runtime.cython.cache_dir"
STANDALONE = "devices.cpp_standalone.extra_make_args_unix"


class Outcome(NamedTuple):
    """What one way of running gave, and what it took, in seconds of :func:`clocks`.

    ``build`` is what is done once, however many images follow; ``rest`` is all else.
    ``spikes[area]`` are (time, image, unit).
    """

    build: Array
    rest: Array
    spikes: dict[str, NDArray[np.bool_]]
    logits: Array


class Built(NamedTuple):
    """A Brian2 network of ``copies`` copies of all cells, and what is read from it."""

    network: Any
    cells: Any
    spikes: Any
    copies: int


def clocks() -> Array:
    """Seconds on the wall, and of CPU in this process and in children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([perf_counter(), process_time() + children.ru_utime + children.ru_stime])


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Keep what Cython compiles in a directory that goes at the end, not in the user's cache."""
    brian2 = load()
    before = brian2.prefs[CACHE]
    with TemporaryDirectory() as directory:
        brian2.prefs[CACHE] = directory
        try:
            yield
        finally:
            brian2.prefs[CACHE] = before


def why_not_cython() -> str:
    """One sentence where Brian2's cython target cannot be used, else nothing."""
    from brian2.codegen.runtime.cython_rt import CythonCodeObject

    return (
        "" if CythonCodeObject.is_available() else "Cython finds no C++ compiler that works here."
    )


def why_not_standalone() -> str:
    """One sentence where a standalone program cannot be built, else nothing."""
    missing = [tool for tool in ("make", "g++") if not shutil.which(tool)]
    return f"There is no {' and no '.join(missing)} here." if missing else ""


@contextmanager
def runtime(target: Target) -> Iterator[Any]:
    """``brian2`` generating code for ``target``, in steps of 1 ms; all is put back at the end."""
    brian2 = load()
    before, dt = brian2.prefs["codegen.target"], brian2.defaultclock.dt
    try:
        brian2.prefs["codegen.target"] = target
        brian2.defaultclock.dt = 1 * brian2.ms
        yield brian2
    finally:
        brian2.prefs["codegen.target"] = before
        brian2.defaultclock.dt = dt


@contextmanager
def standalone() -> Iterator[tuple[Any, str]]:
    """``brian2`` writing a C++ program, and the directory for it, which goes at the end."""
    brian2 = load()
    from brian2.devices.device import reset_device

    before, dt = brian2.prefs[STANDALONE], brian2.defaultclock.dt
    with TemporaryDirectory() as directory:
        brian2.set_device("cpp_standalone", build_on_run=False)
        try:
            brian2.prefs[STANDALONE] = ["-j2"]
            brian2.defaultclock.dt = 1 * brian2.ms
            yield brian2, directory
        finally:
            brian2.device.reinit()
            reset_device()
            brian2.prefs[STANDALONE] = before
            brian2.defaultclock.dt = dt


def build(brian2: Any, network: Network, copies: int = 1) -> Built:
    """All cells in one group, all synapses with their array of weights, and a monitor of spikes."""
    unit = _unit(network)
    starts, size = _starts(network)
    cells = brian2.NeuronGroup(
        copies * size,
        "u : 1\narrived : 1\nbias : 1\nimage_drive : 1",
        threshold=f"u > {unit.threshold!r}",
        reset=f"u -= {unit.threshold / unit.beta!r}",
        name="cells",
    )
    cells.run_regularly(f"u = {unit.beta!r} * u + arrived\narrived = bias + image_drive")
    i, j, w = (np.concatenate(each) for each in zip(*_synapses(network, starts), strict=True))
    made = brian2.Synapses(cells, cells, "w : 1", on_pre="arrived_post += w", name="recurrent")
    first = size * np.arange(copies)[:, None]
    made.connect(i=(first + i).ravel(), j=(first + j).ravel())
    made.w = np.tile(w, copies)
    spikes = brian2.SpikeMonitor(cells, name="spikes")
    return Built(brian2.Network(cells, made, spikes), cells, spikes, copies)


def _unit(network: Network) -> SpikingUnit:
    """The unit that all hidden areas have."""
    units = {a.unit for a in hidden(network.wiring)}
    if len(units) != 1 or not isinstance(unit := units.pop(), SpikingUnit):
        raise ValueError(f"'{network.wiring.name}' does not have one kind of spiking cells")
    return unit


def _starts(network: Network) -> tuple[dict[str, int], int]:
    """The number of each hidden area's first cell in the group of all, and of cells in all."""
    sizes = {a.name: a.size for a in hidden(network.wiring)}
    ends = np.cumsum(list(sizes.values())).tolist()
    return {n: end - size for (n, size), end in zip(sizes.items(), ends, strict=True)}, ends[-1]


def _synapses(
    network: Network, starts: Mapping[str, int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Array]]:
    """(source cell, target cell, weight) of every dense projection between hidden areas."""
    for p in network.wiring.projections:
        if p.source in starts and p.target in starts:
            if p.delay != 1:
                raise ValueError(f"'{p.name}' takes {p.delay} steps; the script knows one")
            weight = _value(network, f"weight/{p.name}")
            j, i = (each.ravel() for each in np.indices(weight.shape))
            yield starts[p.source] + i, starts[p.target] + j, weight.ravel()


def _value(network: Network, name: str) -> Array:
    return network.values[name].detach().numpy()


def biases(network: Network) -> Array:
    """The bias of each cell."""
    return np.concatenate([_value(network, f"bias/{a.name}") for a in hidden(network.wiring)])


def image_drives(network: Network, images: Tensor) -> Array:
    """What the images drive the cells with, (images, cells)."""
    starts, size = _starts(network)
    drives, flat = np.zeros((len(images), size)), images.flatten(1).numpy()
    for p in network.wiring.projections:
        if p.source == network.wiring.input.name:
            weight = _value(network, f"weight/{p.name}")
            drives[:, starts[p.target] : starts[p.target] + len(weight)] += flat @ weight.T
    return drives


def show(network: Network, built: Built, drives: Array) -> None:
    """Put all cells at rest and show as many images as there are copies."""
    built.cells.u = 0
    built.cells.arrived = np.tile(biases(network), built.copies)
    built.cells.bias = np.tile(biases(network), built.copies)
    built.cells.image_drive = drives.ravel()


def read(network: Network, built: Built, images: int) -> tuple[dict[str, Any], Array]:
    """Spikes (time, image, unit) and logits; images came side by side, or one after the other."""
    wiring = network.wiring
    starts, size = _starts(network)
    ms = np.rint(np.asarray(built.spikes.t) * 1000).astype(int)
    turn, step = np.divmod(ms, wiring.steps)
    copy, cell = np.divmod(np.asarray(built.spikes.i), size)
    fired = np.zeros((wiring.steps, images, size), bool)
    fired[step, turn + copy, cell] = True
    spikes = {a.name: fired[..., starts[a.name] :][..., : a.size] for a in hidden(wiring)}
    logits = np.tile(_value(network, f"bias/{wiring.output}"), (images, 1))
    seen = slice(wiring.answers.start - 1, wiring.answers.stop - 1)
    for p in wiring.into(wiring.output):
        logits += spikes[p.source][seen].mean(0) @ _value(network, f"weight/{p.name}").T
    return spikes, logits


def a_run_per_image(network: Network, images: Tensor, target: Target) -> Outcome:
    """Build once; for each image put the cells at rest, set their current, and run."""
    with runtime(target) as brian2:
        began = clocks()
        built = build(brian2, network)
        ready = clocks()
        for drives in image_drives(network, images):
            show(network, built, drives)
            built.network.run(network.wiring.steps * brian2.ms, namespace={})
        spikes, logits = read(network, built, len(images))
        return Outcome(ready - began, clocks() - ready, spikes, logits)


def a_build_per_image(network: Network, images: Tensor, target: Target) -> Outcome:
    """Build everything anew for each image."""
    with runtime(target) as brian2:
        began, parts = clocks(), []
        for drives in image_drives(network, images):
            built = build(brian2, network)
            show(network, built, drives)
            built.network.run(network.wiring.steps * brian2.ms, namespace={})
            parts.append(read(network, built, 1))
        spikes = {a: np.concatenate([part[a] for part, _ in parts], 1) for a in parts[0][0]}
        logits = np.concatenate([each for _, each in parts])
        return Outcome(np.zeros(2), clocks() - began, spikes, logits)


def side_by_side(network: Network, images: Tensor, target: Target) -> Outcome:
    """A copy of all cells and synapses for each image, in one build and one run."""
    with runtime(target) as brian2:
        began = clocks()
        built = build(brian2, network, len(images))
        show(network, built, image_drives(network, images))
        built.network.run(network.wiring.steps * brian2.ms, namespace={})
        spikes, logits = read(network, built, len(images))
        return Outcome(np.zeros(2), clocks() - began, spikes, logits)


def one_program(network: Network, images: Tensor) -> Outcome:
    """All images one after the other in a single run of a C++ program, built for them."""
    with standalone() as (brian2, directory):
        began = clocks()
        built = _in_turn(brian2, network, images)
        built.network.run(len(images) * network.wiring.steps * brian2.ms, namespace={})
        brian2.device.build(directory=directory, compile=True, run=False, with_output=False)
        ready = clocks()
        brian2.device.run(directory=directory, with_output=False)
        spikes, logits = read(network, built, len(images))
        return Outcome(ready - began, clocks() - ready, spikes, logits)


def _in_turn(brian2: Any, network: Network, images: Tensor) -> Built:
    """One network that goes to rest before each image; a TimedArray holds the images' drives."""
    built, length = build(brian2, network), network.wiring.steps * brian2.ms
    built.cells.bias = biases(network)
    built.cells.namespace["shown"] = brian2.TimedArray(
        image_drives(network, images), dt=length, name="shown"
    )
    built.cells.run_regularly(
        "u = 0\narrived = bias\nimage_drive = shown(t, i)", dt=length, when="start", order=-1
    )
    return built
