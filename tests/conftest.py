"""A made-up but realistic labelled result, for the tests of statistics, verdict and figures."""

import os
from collections.abc import Callable, Sequence
from shutil import which

import numpy as np
import pytest
import torch
import xarray as xr

from sim.engine import ENVIRONMENT
from sim.native import compiler
from sim.whole.build import library

# as the workers of a comparison; two threads stand still where another process wants a core
torch.set_num_threads(1)
for chosen in ("BLINDSPOTS_ENGINE", "BLINDSPOTS_PRECISION"):  # a test asks for what it is about
    os.environ.pop(chosen, None)

# name: (parameters, macs, recurrence, modules, units, role, clean margin, weakness, gradient)
# weakness: how fast the margin falls with epsilon; gradient: how much of that its own gradient
# finds (below 1: masked).
NETWORKS = {
    "fc-b": (198_760, 198_500, "none", 1, "rate", "", 2.3, 1.0, 1.0),
    "fc-bl": (298_760, 898_500, "lateral", 1, "rate", "", 2.35, 0.9, 1.0),
    "fc-bt": (278_110, 790_000, "top-down", 1, "rate", "", 2.3, 0.97, 1.0),
    "fc-blt": (378_110, 1_490_000, "both", 1, "rate", "", 2.4, 0.8, 1.0),
    "fc-blt-modular": (201_300, 760_000, "both", 4, "rate", "", 2.2, 0.77, 1.0),
    "fc-blt-control-params": (
        *(377_900, 377_400, "none", 1, "rate"),
        *("control: parameters of fc-blt", 2.35, 0.83, 1.0),
    ),
    "fc-blt-control-compute": (
        *(1_489_000, 1_488_000, "none", 1, "rate"),
        *("control: compute of fc-blt", 2.4, 0.98, 1.0),
    ),
    "fc-b-spiking": (198_760, -1, "none", 1, "spiking", "", 1.9, 0.7, 0.5),
    "fc-blt-spiking": (378_110, -1, "both", 1, "spiking", "", 1.95, 0.62, 0.5),
    "fc-blt-modular-spiking": (201_300, -1, "both", 4, "spiking", "", 1.85, 0.6, 0.5),
    "FC100-100-10": (89_610, 89_400, "none", 1, "rate", "", 2.1, 1.1, 1.0),
    "my-network": (52_000, -1, "unknown", 1, "unknown", "brought by the user", 1.9, 1.15, 1.0),
}
# name: (norm, kind, strength)
ATTACKS = {
    "noise-linf": ("linf", "noise", 1.2),
    "noise-l2": ("l2", "noise", 1.5),
    "fgsm-linf": ("linf", "gradient", 16.0),
    "pgd-linf": ("linf", "gradient", 22.0),
    "pgd-l2": ("l2", "gradient", 27.0),
    "lbfgs": ("l2", "minimum", 30.0),
}
CONTRASTS = [
    ("recurrence", "fc-bl", "fc-b"),
    ("recurrence", "fc-bt", "fc-b"),
    ("recurrence", "fc-blt", "fc-b"),
    ("recurrence", "fc-blt-spiking", "fc-b-spiking"),
    ("units", "fc-b-spiking", "fc-b"),
    ("units", "fc-blt-spiking", "fc-blt"),
    ("modules", "fc-blt-modular", "fc-blt"),
    ("modules", "fc-blt-modular-spiking", "fc-blt-spiking"),
    ("parameters-matched control", "fc-blt", "fc-blt-control-params"),
    ("compute-matched control", "fc-blt", "fc-blt-control-compute"),
]
EPSILONS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for the compiled engine; skip where there is no compiler."""
    if which(compiler().split()[0]) is None:
        pytest.skip(f"there is no C++ compiler '{compiler()}'")
    library()
    monkeypatch.setenv(ENVIRONMENT, "compiled")


def synthetic_result(
    networks: Sequence[str] = tuple(NETWORKS),
    attacks: Sequence[str] = tuple(ATTACKS),
    *,
    individuals: int = 3,
    images: int = 150,
    examples: int = 6,
    data: str = "MNIST",
    missing: Sequence[tuple[str, int]] = (("fc-bt", 2),),
    seed: int = 0,
) -> xr.Dataset:
    """A result in the labelled form of the pipeline; `missing` are individuals that diverged.

    Every network, individual and image has a margin that an attack lowers in proportion to
    epsilon; what is crafted elsewhere lowers it less. The user's network has one individual.
    """
    rng = np.random.default_rng(seed)
    sources = ["independent-1", *(name for name in networks if name != "my-network")]
    names = list(networks)
    gone = [*missing, *(("my-network", i) for i in range(1, individuals))]

    label = rng.integers(0, 10, images)
    hardness = rng.normal(0, 0.7, images)
    taste = {name: rng.normal(0, 0.5, images) for name in names}
    shape = (len(names), individuals, len(sources), len(attacks), len(EPSILONS), images)
    correct = np.full(shape, -1, np.int8)
    clean = np.full((len(names), individuals, images), -1, np.int8)
    for n, name in enumerate(names):
        margin, weakness, gradient = NETWORKS[name][6:]
        for i in range(individuals):
            own = margin + hardness + taste[name] + rng.normal(0, 0.5, images) + rng.normal(0, 0.1)
            if (name, i) in gone:
                continue
            clean[n, i] = own > 0
            for s, source in enumerate(sources):
                if (source, i) in gone:
                    continue
                for a, attack in enumerate(attacks):
                    _, kind, strength = ATTACKS[attack]
                    if kind == "noise" and s > 0:
                        continue
                    reach = gradient if source == name else 0.62 if s == 0 else 0.5
                    push = strength * weakness * (1.0 if kind == "noise" else reach)
                    jitter = np.exp(rng.normal(0, 0.25, images))
                    for e, epsilon in enumerate(EPSILONS):
                        correct[n, i, s, a, e] = own - push * epsilon * jitter > 0

    wrong = (label + rng.integers(1, 10, correct.shape)) % 10
    prediction = np.where(correct == 1, label, np.where(correct == 0, wrong, -1)).astype(np.int8)
    clean_wrong = (label + rng.integers(1, 10, clean.shape)) % 10
    clean_prediction = np.where(clean == 1, label, np.where(clean == 0, clean_wrong, -1))
    result = xr.Dataset(
        {
            "correct": (("network", "individual", "source", "attack", "epsilon", "image"), correct),
            "prediction": (
                ("network", "individual", "source", "attack", "epsilon", "image"),
                prediction,
            ),
            "clean_correct": (("network", "individual", "image"), clean),
            "clean_prediction": (
                ("network", "individual", "image"),
                clean_prediction.astype(np.int8),
            ),
            "label": ("image", label.astype(np.int8)),
        },
        coords={
            "network": names,
            "individual": range(individuals),
            "source": sources,
            "attack": list(attacks),
            "epsilon": list(EPSILONS),
            "image": range(images),
            "independent": ("source", [s == 0 for s in range(len(sources))]),
            "norm": ("attack", [ATTACKS[a][0] for a in attacks]),
            "kind": ("attack", [ATTACKS[a][1] for a in attacks]),
        },
        attrs={
            "data": data,
            "reference_epsilon": 0.1,
            "reference_attack": "pgd-linf",
            "title": "a made-up result",
        },
    )
    for at, key in enumerate(("parameters", "macs", "recurrence", "modules", "units", "role")):
        result = result.assign_coords({key: ("network", [NETWORKS[name][at] for name in names])})
    return add_examples(add_distances(result, clean, gone, rng), examples, rng)


def add_distances(
    result: xr.Dataset,
    clean: np.ndarray,
    gone: Sequence[tuple[str, int]],
    rng: np.random.Generator,
) -> xr.Dataset:
    """Realised distances and, for lbfgs, the minimal distortion of every image."""
    order = ("source", "individual", "attack", "epsilon", "image")
    sizes = [result.sizes[name] for name in order]
    epsilons = np.array(EPSILONS)[:, None] * np.ones(result.sizes["image"])
    linf = np.broadcast_to(epsilons, sizes).astype(np.float32)
    result["distance_linf"] = (order, linf)
    result["distance_rms"] = (order, linf * 0.6)
    if "lbfgs" in result["attack"]:
        smallest = np.full(clean.shape, np.nan, np.float32)
        for n, name in enumerate(result["network"].to_numpy()):
            margin, weakness, gradient = NETWORKS[name][6:]
            for i in range(clean.shape[1]):
                if (name, i) not in gone and name != "my-network":
                    spread = np.exp(rng.normal(0, 0.4, clean.shape[2]))
                    found = margin / (30 * weakness * gradient) * spread
                    smallest[n, i] = np.where(clean[n, i] == 1, found, 0)
                    smallest[n, i, rng.random(clean.shape[2]) < 0.03] = np.inf
        result["minimum_distortion"] = (("network", "individual", "image"), smallest)
    return result


def add_examples(result: xr.Dataset, examples: int, rng: np.random.Generator) -> xr.Dataset:
    """Pictures of digits with a patterned change of at most the reference epsilon."""
    from scipy import ndimage
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = result["label"].to_numpy()[:examples]
    pictures = [digits.images[np.flatnonzero(digits.target == digit)[0]] / 16 for digit in labels]
    clean = np.stack([np.clip(ndimage.zoom(p, 3.5, order=1), 0, 1) for p in pictures])
    pattern = ndimage.gaussian_filter(
        rng.normal(size=(result.sizes["attack"], *clean.shape)), (0, 0, 1.5, 1.5)
    )
    epsilon = result.attrs["reference_epsilon"]
    inputs = np.clip(clean + epsilon * np.sign(pattern), 0, 1)
    picture = ("example", "row", "column")
    return result.assign(
        example_image=("example", np.arange(examples)),
        example_clean=(picture, clean.astype(np.float32)),
        example_inputs=(("attack", *picture), inputs.astype(np.float32)),
    )


@pytest.fixture(scope="session")
def make_result() -> Callable[..., xr.Dataset]:
    """The function `synthetic_result`, to make a result to measure."""
    return synthetic_result


@pytest.fixture(scope="session")
def result() -> xr.Dataset:
    """All networks and attacks on a few images; shared, so copy before changing it."""
    return synthetic_result()


@pytest.fixture(scope="session")
def contrasts() -> list[tuple[str, str, str]]:
    """The contrasts that go with the made-up networks."""
    return list(CONTRASTS)


@pytest.fixture(scope="session")
def summary(result: xr.Dataset, contrasts: list[tuple[str, str, str]]) -> xr.Dataset:
    """The summary of `result`."""
    from experiments.statistics import summarise

    return summarise(result, contrasts, generator=np.random.default_rng(1), resamples=400)


def synthetic_semantics(
    networks: Sequence[str] = ("fc-b", "fc-blt", "fc-blt-modular", "fc-b-spiking"),
    individuals: int = 2,
    data: str = "MNIST",
) -> xr.Dataset:
    """What ``blindspots semantics`` measures, made up: units say 0.2 bits more than directions.

    Modules say 0.3 bits less than groups and cost more; robustness rises with selectivity.
    """
    rng = np.random.default_rng(0)
    kinds, lesions = (
        ["unit", "random", "principal", "module", "group"],
        ["unit", "selective", "unselective", "random", "module"],
    )
    shape = (len(networks), individuals, 2, len(kinds), 20)
    level = np.array([0.7, 0.5, 0.9, 0.3, 0.6])[:, None]
    of_network = 0.05 * np.arange(len(networks))[:, None, None, None, None]
    whole = np.array([NETWORKS[name][3] == 1 for name in networks])
    absent = np.zeros(shape, bool)
    absent[whole, :, :, 3:] = True
    absent[:, :, :, 3, 4:] = True
    value = level + of_network + rng.normal(0, 0.05, shape)
    dims = ("network", "individual", "area", "kind", "member")
    measures: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in ("selectivity", "information", "purity", "entropy"):
        for end, fill in (("", value), ("_null", 0.1 + 0 * value), ("_p", 0.01 + 0 * value)):
            measures[name + end] = dims, np.where(absent, np.nan, fill)
        for end, fill in (("_null_low", 0.0), ("_null_high", 0.2)):
            measures[name + end] = dims, np.where(absent, np.nan, fill)
    cost = np.array([0.01, 0.1, 0.2, 0.05, 0.3])[:, None, None, None]
    lost = np.broadcast_to(cost, (*shape[:3], 5, 6, 2, 10)) + rng.normal(
        0, 0.01, (*shape[:3], 5, 6, 2, 10)
    )
    lost = np.where(np.arange(6)[:, None, None] < [[[[6]]], [[[1]]], [[[1]]], [[[4]]], [[[4]]]],
                    lost, np.nan)  # fmt: skip
    lost[whole, :, :, 4] = np.nan
    intact = np.broadcast_to(np.array([0.97, 0.4])[:, None], (*shape[:2], 2, 10))
    unit = np.full((*shape[:3], 20), -1.0)
    unit[..., :6] = np.arange(6)
    accuracy = np.full((*shape[:3], 5, 20, 2, 10), np.nan)
    accuracy[..., :6, :, :] = intact[:, :, None, None, None] - lost
    q = np.full((*shape[:2], 2, 2), np.nan)
    q[..., 0, 1], q[~whole, :, :, 0] = 0.05, 0.4
    null = np.broadcast_to(q[..., None, None] / 2, (*q.shape, 2, 30)) + rng.normal(0, 0.01, 30)
    robust = value[..., 0, :].mean((2, 3)) - 0.3
    picture = np.full((len(networks), 5, 4, 8, 28, 28), np.nan, np.float32)
    member = np.full((len(networks), 5, 4), -1)
    for n in range(len(networks)):
        for k in range(5 if not whole[n] else 3):
            picture[n, k], member[n, k] = rng.random((4, 8, 28, 28)), np.arange(4)
    return xr.Dataset(
        {
            **measures,
            "silent": (dims, np.where(absent, np.nan, 0.0)),
            "lesion_accuracy": (
                (*dims[:3], "lesion", "member", "condition", "class"), accuracy
            ),
            "lesion_unit": ((*dims[:3], "member"), unit),
            "intact_accuracy": ((*dims[:2], "condition", "class"), intact),
            "modularity": ((*dims[:2], "graph", "partition"), q),
            "modularity_initial": ((*dims[:2], "partition"), q[:, :, 0] - 0.1),
            "modularity_null": ((*dims[:2], "graph", "partition", "null", "shuffle"), null),
            "clean_accuracy": (dims[:2], np.full(shape[:2], 0.97)),
            "robust_accuracy": (dims[:2], robust),
            "corruption_accuracy": (dims[:2], -robust),
            "example_picture": (
                ("network", "kind", "example", "top_shown", "row", "column"), picture
            ),
            "example_member": (("network", "kind", "example"), member),
            "example_area": ("network", ["h2"] * len(networks)),
        },
        coords={
            "network": list(networks), "individual": range(individuals), "area": ["h1", "h2"],
            "kind": kinds, "member": range(20), "lesion": lesions,
            "condition": ["clean", "attacked"], "graph": ["weights", "activity"],
            "partition": ["module", "preferred"], "null": ["labels", "strengths"],
            "image": range(200),
            **{
                key: ("network", [NETWORKS[name][at] for name in networks])
                for key, at in (("recurrence", 2), ("modules", 3), ("units", 4), ("role", 5))
            },
        },
        attrs={
            "data": data, "attack": "pgd-linf", "epsilon": 0.05, "images": 200, "lesioned": 100,
            "top": 10,
        },
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_semantics() -> Callable[..., xr.Dataset]:
    """Builds synthetic results of ``blindspots semantics``; see `synthetic_semantics`."""
    return synthetic_semantics
