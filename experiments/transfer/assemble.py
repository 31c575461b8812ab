"""The labelled result of an exchange."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.answers import read_tensors, right
from experiments.assemble import described
from experiments.bench import scored
from experiments.provenance import commit
from experiments.result import image_indices
from experiments.scoring import Score
from experiments.statistics.transfer import PAIR
from experiments.statistics.universality import most_universal, universality
from experiments.transfer.exchange import Exchange
from experiments.units import is_complete

EXAMPLES = 12
FORMAT = 1  # of the file; raise it when its variables or dimensions change


def assemble(exchange: Exchange) -> xr.Dataset:
    """The outcomes of all complete units, with -1 where one failed or was not asked for.

    - ``correct``, ``prediction`` (source, source_individual, network, individual, image): of the
      target network's individual on what was crafted on the source's, 1 right, 0 wrong;
    - ``clean_correct``, ``clean_prediction`` (network, individual, image);
      ``noise_correct`` (noise, network, individual, image); ``label`` (image);
    - coordinates ``kind`` and what the networks are; ``part`` (individual): which part of the
      training images it saw;
    - ``example_*`` (example): the inputs that fool most others, one per image: ``inputs`` and
      ``clean`` (row, column), ``source``, ``individual``, ``image`` (places), and how many of
      the ``others_asked`` were ``fooled``.
    """
    split = scored(exchange.bench, exchange.spec.images)
    label = split.labels.cpu().numpy().astype(np.int8)
    prediction, clean, noisy = predictions(exchange)
    people = ("network", "individual", "image")
    result = xr.Dataset(
        {
            "prediction": ((*PAIR, "image"), prediction),
            "correct": ((*PAIR, "image"), right(prediction, label)),
            "clean_prediction": (people, clean),
            "clean_correct": (people, right(clean, label)),
            "noise_correct": (("noise", *people), right(noisy, label)),
            "label": ("image", label),
        },
        coords={
            "network": [e.name for e in exchange.plan.entries],
            "source": exchange.sources,
            "individual": range(exchange.spec.individuals),
            "source_individual": range(exchange.spec.individuals),
            "noise": list(exchange.noises),
            "image": image_indices(exchange.bench, exchange.spec.images),
            "part": ("individual", [exchange.part(i) for i in range(exchange.spec.individuals)]),
            **described(exchange.plan),
        },
        attrs={
            "format": FORMAT,
            "title": exchange.spec.title,
            "data": exchange.bench.data,
            "data_sha256": exchange.bench.sha256,
            "attack": exchange.attack,
            "epsilon": exchange.epsilon,
            "parts": exchange.parts,
            "spec": exchange.spec.to_toml(),
            "commit": commit() or "",
        },
    )
    facts = zip(*(result[n].to_numpy() for n in ("recurrence", "modules", "units")), strict=True)
    result = result.assign_coords(kind=("network", [kind(*each) for each in facts]))
    return result.merge(examples(result, exchange, split.images.cpu().numpy()[:, 0]))


def predictions(exchange: Exchange) -> tuple[NDArray[np.int8], ...]:
    """Classes (source, j, network, i, image), (network, i, image), (noise, network, i, image)."""
    names = {e.name: at for at, e in enumerate(exchange.plan.entries)}
    origin = {source: at for at, source in enumerate(exchange.sources)}
    spec = exchange.spec
    people = (len(names), spec.individuals, spec.images)
    crossed = np.full((len(origin), spec.individuals, *people), -1, np.int8)
    clean = np.full(people, -1, np.int8)
    noisy = np.full((len(exchange.noises), *people), -1, np.int8)
    for (name, i, source, j), unit in exchange.crossed.items():
        if is_complete(unit):
            crossed[origin[source], j, names[name], i] = answers(unit)[exchange.at(exchange.attack)]
    for (name, i), unit in exchange.clean.items():
        if is_complete(unit):
            clean[names[name], i] = answers(unit)[0]
    for (name, i, noise), unit in exchange.noisy.items():
        if is_complete(unit):
            noisy[exchange.noises.index(noise), names[name], i] = answers(unit)[exchange.at(noise)]
    return crossed, clean, noisy


def answers(unit: Score) -> NDArray[np.int8]:
    """Its predictions (epsilon, image)."""
    return read_tensors(unit, unit.product)["prediction"]


def kind(recurrence: str, modules: int, units: str) -> str:
    """What a network is, in one word: what it adds last to a feedforward network."""
    if units in ("spiking", "cells", "unknown"):
        return {"unknown": "brought"}.get(units, units)
    if modules > 1:
        return "modular"
    return "feedforward" if recurrence == "none" else recurrence


def examples(result: xr.Dataset, exchange: Exchange, clean: NDArray[np.float32]) -> xr.Dataset:
    """The inputs that fool most others, as they were shown."""
    found = universality(result, generator=np.random.default_rng(0), resamples=1)
    places = most_universal(found["others_fooled"], EXAMPLES)
    pictures = []
    for source, j, image in places:
        craft = exchange.sets[exchange.sources[source], j]
        inputs = read_tensors(craft, craft.product)["inputs"]
        pictures.append(inputs[exchange.at(exchange.attack), image, 0])
    images = [image for *_, image in places]
    dims = ("example", "row", "column")
    counts = found["others_fooled"].to_numpy()
    return xr.Dataset(
        {
            "example_inputs": (dims, np.array(pictures).reshape(-1, *clean.shape[1:])),
            "example_clean": (dims, clean[images]),
            "example_image": ("example", np.array(images, np.int64)),
            "example_source": ("example", np.array([s for s, *_ in places], np.int64)),
            "example_individual": ("example", np.array([j for _, j, _ in places], np.int64)),
            "example_fooled": ("example", np.array([counts[at] for at in places], np.int64)),
            "others_asked": found["asked"].sel(way="transferred", drop=True),
        }
    )
