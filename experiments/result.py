"""The labelled result of a comparison: put together, saved, and loaded again."""

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.answers import read_tensors, right
from experiments.attacks.names import attack_named
from experiments.bench import Bench, scored
from experiments.corruptions.comparison import corrupted_outcomes
from experiments.individuals import Embody
from experiments.inputs import DISTANCES, Corrupt, Craft
from experiments.plan import INDEPENDENT, Plan
from experiments.spec import Spec
from experiments.statistics import common_images
from experiments.store import unit_path, unwritable
from experiments.units import is_complete
from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:
    from sim import Network
    from sim.brian.detailed import Detailed

FORMAT = 1  # of the file; raise it when its variables or dimensions change
EXAMPLES = 6
OUTCOME = ("network", "individual", "source", "attack", "epsilon", "image")


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
    names = [e.name for e in plan.entries]
    sources = list(dict.fromkeys(source for source, _ in plan.sources))
    split = scored(bench, spec.images)
    label = split.labels.cpu().numpy().astype(np.int8)
    place = {name: at for at, name in enumerate(names)}
    origin = {name: at for at, name in enumerate(sources)}
    epsilons, images = len(spec.epsilons), spec.images
    sizes = (len(names), spec.individuals, len(sources), len(spec.attacks), epsilons, images)
    prediction = np.full(sizes, -1, np.int8)
    clean = np.full((*sizes[:2], images), -1, np.int8)
    for (name, i, source, attack), unit in plan.scores.items():
        if not is_complete(unit):
            continue
        answers = read_tensors(unit, unit.product)["prediction"]
        if source:
            of_set = prediction[place[name], i, origin[source], spec.attacks.index(attack)]
            of_set[rows_of(spec, attack)] = answers
        else:
            clean[place[name], i] = answers[0]
    far = {
        n: np.full((len(sources), *sizes[1:2], *sizes[3:]), np.nan, np.float32) for n in DISTANCES
    }
    for (source, i, attack), craft in plan.sets.items():
        if is_measured(craft):
            tensors = read_tensors(craft, "distances.safetensors")
            for name in DISTANCES:
                of_set = far[name][origin[source], i, spec.attacks.index(attack)]
                of_set[rows_of(spec, attack)] = tensors[name]
    result = xr.Dataset(
        {
            "prediction": (OUTCOME, prediction),
            "correct": (OUTCOME, right(prediction, label)),
            "clean_prediction": (("network", "individual", "image"), clean),
            "clean_correct": (("network", "individual", "image"), right(clean, label)),
            "label": ("image", label),
            **{n: (("source", "individual", *OUTCOME[3:]), v) for n, v in far.items()},
        },
        coords={
            "network": names,
            "individual": range(spec.individuals),
            "source": sources,
            "independent": ("source", [s.startswith(INDEPENDENT) for s in sources]),
            "attack": list(spec.attacks),
            "epsilon": list(spec.epsilons),
            "image": image_indices(bench, spec.images),
            **{
                key: ("attack", [getattr(attack_named(a), key) for a in spec.attacks])
                for key in ("norm", "kind")
            },
            **described(plan),
        },
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


def rows_of(spec: Spec, attack: str) -> list[int]:
    """Where among all epsilons those lie at which ``attack`` was run."""
    return [spec.epsilons.index(each) for each in spec.epsilons_of(attack)]


def described(plan: Plan) -> dict[str, tuple[str, list[str | int]]]:
    """The coordinates that tell what the networks are."""
    facts = [each.described() for each in plan.entries]
    return {key: ("network", [f[key] for f in facts]) for key in facts[0]}


def image_indices(bench: Bench, count: int) -> NDArray[np.int64]:
    """Which test images are scored."""
    from experiments.data.dataset import scored_images

    return scored_images(bench.load(), count)[1]


def is_measured(craft: Craft) -> bool:
    """Whether the set was crafted, even if its inputs were discarded after they were scored."""
    return (unit_path(craft.stage, craft.key) / "distances.safetensors").exists()


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


def save_result(result: xr.Dataset, path: Path) -> None:
    """Write ``result`` as netCDF, all of it or nothing."""
    draft = path.with_name(f".{path.name}.draft")
    packed = {name: {"compression": "gzip", "compression_opts": 4} for name in result.data_vars}
    packed = {k: v for k, v in packed.items() if result[k].size > 1000}
    try:
        result.to_netcdf(draft, engine="h5netcdf", encoding=packed)
        os.replace(draft, path)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    finally:
        draft.unlink(missing_ok=True)


def load_result(run: str | os.PathLike[str]) -> xr.Dataset:
    """The labelled result of a run directory; see :func:`assemble` for what it holds.

    Raises BlindspotsError where there is none, or another version of blindspots wrote it.
    """
    path = Path(run) / "result.nc"
    if not path.exists():
        raise BlindspotsError(
            f"'{run}' holds no result.nc; name the directory of a comparison that has ended."
        )
    try:
        result = xr.load_dataset(path, engine="h5netcdf")
    except Exception as error:
        raise BlindspotsError(
            f"'{path}' is not a labelled result ({type(error).__name__}: {error}); run the "
            "comparison again."
        ) from None
    if result.attrs.get("format") != FORMAT:
        raise BlindspotsError(
            f"'{path}' was written by blindspots {result.attrs.get('blindspots', '(unknown)')} in "
            f"format {result.attrs.get('format', '(none)')}, this version reads format {FORMAT}; "
            "run the comparison again, or install that version."
        )
    return result


def individual_directory(run: Path, name: str, individual: int) -> Path:
    """Where a run keeps a trained individual."""
    return run / "networks" / name / f"individual-{individual}"


def load_network(
    run: str | os.PathLike[str], name: str, individual: int = 0
) -> "Network | Detailed":
    """A trained individual of a run: images (N, 1, 28, 28) in [0, 1] to logits (N, 10).

    A torch module, differentiable by its input; ``NAME@cells`` is a callable without a gradient.
    Raises BlindspotsError where the run has no such individual.
    """
    from experiments.cells import load_at

    root = Path(run) / "networks"
    names = sorted(p.name for p in root.iterdir()) if root.is_dir() else []
    if name not in names:
        raise unknown(f"network in '{run}'", name, names)
    directory = individual_directory(Path(run), name, individual)
    if not directory.is_dir():
        there = sorted(p.name.removeprefix("individual-") for p in (root / name).iterdir())
        raise BlindspotsError(
            f"'{name}' has no individual {individual} in '{run}'; it has {', '.join(there)}."
        )
    return load_at(directory)


def inputs_hashes(plan: Plan) -> dict[str, str]:
    """SHA-256 of each complete set of inputs, by its file's name in the run directory."""
    sets: dict[str, Craft | Corrupt] = {
        set_name(*place): craft for place, craft in plan.sets.items() if is_measured(craft)
    }
    sets |= {f"corrupted/{k}": each for k, each in plan.corrupted.items() if is_complete(each)}
    paths = {name: unit_path(each.stage, each.key) / "inputs.json" for name, each in sets.items()}
    return {name: str(json.loads(path.read_text())["sha256"]) for name, path in paths.items()}


def set_name(source: str, individual: int, attack: str) -> str:
    """A set's file in ``inputs/``, without its ending."""
    return f"{source.replace(':', '_')}-{individual}-{attack}"


def weights_hashes(directories: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each individual's weights file."""
    return {
        name: hashlib.sha256((path / "weights.safetensors").read_bytes()).hexdigest()
        for name, path in directories.items()
    }
