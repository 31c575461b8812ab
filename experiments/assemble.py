"""The labelled result of a comparison, put together from what its units left."""

from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.answers import read_tensors, right
from experiments.attacks.names import attack_named
from experiments.bench import Bench, scored
from experiments.corruptions.comparison import corrupted_outcomes
from experiments.individuals import Embody
from experiments.inputs import DISTANCES, is_measured
from experiments.plan import INDEPENDENT, Plan
from experiments.result import FORMAT, image_indices
from experiments.spec import Spec
from experiments.statistics import common_images
from experiments.store import unit_path
from experiments.units import is_complete

EXAMPLES = 6
OUTCOME = ("network", "individual", "source", "attack", "epsilon", "image")
CLEAN = ("network", "individual", "image")
CRAFTED = ("source", "individual", "attack", "epsilon", "image")


def assemble(spec: Spec, plan: Plan, bench: Bench) -> xr.Dataset:
    """The outcomes of all complete units, with -1 where one failed or was not asked for.

    Variables, with their dimensions (``network``, ``individual``, ``source``, ``attack``,
    ``epsilon``, ``image``; ``example``, ``row``, ``column``):

    - ``correct``, ``prediction`` (network, individual, source, attack, epsilon, image): 1 right,
      0 wrong; the class; -1 not measured. Individual i is scored on what was crafted on
      individual i of the source.
    - ``clean_correct``, ``clean_prediction`` (network, individual, image); ``label`` (image).
    - ``distance_linf``, ``distance_rms`` (source, individual, attack, epsilon, image): how far
      the input is from the clean image, in intensity; NaN where there is none.
    - ``minimum_distortion`` (network, individual, image), where attacks of that kind under l2 were
      run: the smallest root-mean-squared change that any of them found, 0 where the clean image is
      wrong, inf where none was found up to the largest epsilon.
    - ``rate_error`` (network, individual), where networks run in cells: |ln ratio| of the rate in
      cells and in training, in the area that is furthest off after calibration.
    - ``example_clean``, ``example_inputs``: images of the first independent source at the
      reference epsilon.
    - where the comparison has corruptions, ``corruption_correct``, ``corruption_prediction``
      (network, individual, corruption, severity, image) and ``example_corrupted`` (corruption,
      severity, ...): severities count from 1, ``default_severity`` (corruption) is MNIST-C's own,
      0 for sweeps; ``corruption_level`` (corruption, severity) is the parameter in
      ``corruption_unit``, and -1 or NaN stands where a corruption has no such severity.
    """
    split = scored(bench, spec.images)
    label = split.labels.cpu().numpy().astype(np.int8)
    prediction, clean = predictions(spec, plan)
    result = xr.Dataset(
        {
            "prediction": (OUTCOME, prediction),
            "correct": (OUTCOME, right(prediction, label)),
            "clean_prediction": (CLEAN, clean),
            "clean_correct": (CLEAN, right(clean, label)),
            "label": ("image", label),
            **{name: (CRAFTED, far) for name, far in distances(spec, plan).items()},
        },
        coords=coordinates(spec, plan, bench),
        attrs={
            "format": FORMAT,
            "blindspots": version("blindspots"),
            "title": spec.title,
            "data": bench.data,
            "data_sha256": bench.sha256,
            "reference_attack": spec.reference_attack,
            "reference_epsilon": spec.reference_epsilon,
            "spec": spec.to_toml(),
        },
    )
    result = result.merge(minimum_distortion(result)).merge(rate_errors(result, plan))
    result = result.merge(examples(result, plan, split.images.cpu().numpy()[:, 0]))
    return result.merge(corrupted_outcomes(result, plan))


def coordinates(spec: Spec, plan: Plan, bench: Bench) -> dict[str, Any]:
    """The labels of every dimension, with what the networks, sources and attacks are."""
    sources = sources_of(plan)
    attacks = [attack_named(name) for name in spec.attacks]
    return {
        "network": [each.name for each in plan.entries],
        "individual": range(spec.individuals),
        "source": sources,
        "independent": ("source", [name.startswith(INDEPENDENT) for name in sources]),
        "attack": list(spec.attacks),
        "epsilon": list(spec.epsilons),
        "image": image_indices(bench, spec.images),
        "norm": ("attack", [each.norm for each in attacks]),
        "kind": ("attack", [each.kind for each in attacks]),
        **described(plan),
    }


def predictions(spec: Spec, plan: Plan) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """The classes answered to what was crafted, by `OUTCOME`, and to clean images, by `CLEAN`."""
    place = {each.name: at for at, each in enumerate(plan.entries)}
    origin = {name: at for at, name in enumerate(sources_of(plan))}
    people = (len(place), spec.individuals)
    crafted = (len(origin), len(spec.attacks), len(spec.epsilons))
    prediction = np.full((*people, *crafted, spec.images), -1, np.int8)
    clean = np.full((*people, spec.images), -1, np.int8)
    for (name, i, source, attack), unit in plan.scores.items():
        if not is_complete(unit):
            continue
        answers = read_tensors(unit, unit.product)["prediction"]
        if source:
            of_set = prediction[place[name], i, origin[source], spec.attacks.index(attack)]
            of_set[rows_of(spec, attack)] = answers
        else:
            clean[place[name], i] = answers[0]
    return prediction, clean


def distances(spec: Spec, plan: Plan) -> dict[str, NDArray[np.float32]]:
    """How far what was crafted is from the clean images, by `CRAFTED`."""
    origin = {name: at for at, name in enumerate(sources_of(plan))}
    sizes = (len(origin), spec.individuals, len(spec.attacks), len(spec.epsilons), spec.images)
    far = {name: np.full(sizes, np.nan, np.float32) for name in DISTANCES}
    for (source, i, attack), craft in plan.sets.items():
        if is_measured(craft):
            tensors = read_tensors(craft, "distances.safetensors")
            for name in DISTANCES:
                of_set = far[name][origin[source], i, spec.attacks.index(attack)]
                of_set[rows_of(spec, attack)] = tensors[name]
    return far


def sources_of(plan: Plan) -> list[str]:
    """The names of what inputs were crafted on, in the plan's order."""
    return list(dict.fromkeys(source for source, _ in plan.sources))


def rows_of(spec: Spec, attack: str) -> list[int]:
    """Where among all epsilons those lie at which ``attack`` was run."""
    return [spec.epsilons.index(each) for each in spec.epsilons_of(attack)]


def described(plan: Plan) -> dict[str, tuple[str, list[str | int]]]:
    """The coordinates that tell what the networks are."""
    facts = [each.described() for each in plan.entries]
    return {key: ("network", [f[key] for f in facts]) for key in facts[0]}


def minimum_distortion(result: xr.Dataset) -> xr.Dataset:
    """How far the nearest input lies that fools the network it was crafted on, by image.

    The smallest that any of the "minimum" attacks of the l2 norm found: each is an upper bound.
    Those of other norms seek another nearest input, whose root-mean-squared change says nothing.
    """
    wanted = (result["kind"] == "minimum") & (result["norm"] == "l2")
    if not wanted.any():
        return xr.Dataset()
    last = result.isel(attack=np.flatnonzero(wanted), epsilon=-1)
    rows = []
    for name in result["network"].to_numpy():
        if name not in last["source"]:
            rows.append(np.full(last["clean_correct"].shape[1:], np.nan, np.float32))
            continue
        own = last.sel(source=name).transpose("attack", "individual", "image", ...)
        fooled = own["correct"].sel(network=name).to_numpy()
        distance = np.where(fooled == 0, own["distance_rms"].to_numpy(), np.inf)
        clean = own["clean_correct"].sel(network=name).to_numpy()
        distance = np.where(clean == 0, 0.0, distance)
        nearest = np.fmin.reduce(np.where(fooled < 0, np.nan, distance))
        rows.append(nearest.astype(np.float32))
    return xr.Dataset({"minimum_distortion": (("network", "individual", "image"), np.stack(rows))})


def rate_errors(result: xr.Dataset, plan: Plan) -> xr.Dataset:
    """How far the rates of networks in cells are from the trained ones."""
    from experiments.cells import rate_error

    errors = np.full((result.sizes["network"], result.sizes["individual"]), np.nan)
    names = list(result["network"].to_numpy())
    for (name, i), model in plan.individuals.items():
        if isinstance(model, Embody) and is_complete(model):
            errors[names.index(name), i] = rate_error(unit_path(model.stage, model.key))
    if np.isnan(errors).all():
        return xr.Dataset()
    return xr.Dataset({"rate_error": (("network", "individual"), errors)})


def examples(result: xr.Dataset, plan: Plan, clean: NDArray[np.float32]) -> xr.Dataset:
    """A few images of different classes, with what was made of them for all networks to see.

    Of each class the first image that every network gets right when clean, if there is any.
    """
    label = result["label"].to_numpy()
    common = common_images(result["clean_correct"]).to_numpy()
    common = common if common.any() else np.ones_like(common)
    digits = np.unique(label[common])
    firsts = sorted(int(np.flatnonzero((label == d) & common)[0]) for d in digits)
    chosen = firsts[:EXAMPLES]
    source = str(result["source"].to_numpy()[0])
    reference = result.attrs["reference_epsilon"]
    pictures = np.full((result.sizes["attack"], len(chosen), *clean.shape[1:]), np.nan, np.float32)
    for a, attack in enumerate(result["attack"].to_numpy()):
        craft = plan.sets[source, 0, str(attack)]
        if is_complete(craft) and reference in craft.epsilons:
            at = craft.epsilons.index(reference)
            pictures[a] = read_tensors(craft, craft.product)["inputs"][at, chosen, 0]
    dims = ("example", "row", "column")
    return xr.Dataset(
        {
            "example_image": ("example", np.array(chosen)),
            "example_clean": (dims, clean[chosen]),
            "example_inputs": (("attack", *dims), pictures),
        }
    )
