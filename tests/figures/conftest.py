"""Recordings under several conditions, made up for the figures of dynamics."""

import numpy as np
import pytest
import xarray as xr

from figures import save
from figures.style import PARTS

AS_SAVED = {"DPI": save.DPI, "FORMATS": dict(save.FORMATS)}

STEPS, IMAGES, SIZES = 6, 5, {"h1": 12, "h2": 8}
THERE = ("clean", "adversarial", "noise")


@pytest.fixture(scope="module", autouse=True)
def _in_full():
    """Figures are saved as they are for users, whatever other rooms' tests have set before."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AS_SAVED.items():
            patch.setattr(save, name, value)
        yield


def make_recording(seed=0, units="lif", steps=STEPS):
    rng = np.random.default_rng(seed)
    found = {"input.output": rng.random((3, steps, IMAGES, 49))}
    models = dict.fromkeys(SIZES, units) | {"output": "rate", "input": "input"}
    for area, size in (SIZES | {"output": 10}).items():
        u = rng.normal(0.3, 1, (3, steps, IMAGES, size))
        parts = rng.normal(size=(len(PARTS), *u.shape)).astype(np.float32)
        out = u if area == "output" else np.maximum(u, 0)
        found[f"{area}.output"] = (u > 1.0).astype(float) if models[area] == "lif" else out
        found[f"{area}.potential"] = u
        found[f"{area}.drive_by_kind"] = parts
    arrays = {}
    for name, values in found.items():
        area, _, quantity = name.partition(".")
        dims = ("condition", "time", "image", f"{area}.unit")
        said = {"unit_model": models[area]} | ({"threshold": 1.0} if models[area] == "lif" else {})
        if quantity == "drive_by_kind":
            dims = ("kind", *dims)
        arrays[name] = (dims, values, said)
    for area, size in (SIZES | {"output": 10}).items():
        quantity = "potential" if models[area] == "lif" else "output"
        axes = np.linalg.qr(rng.normal(size=(size, 2)))[0].T
        arrays[f"{area}.plane"] = (("component", f"{area}.unit"), axes, {"quantity": quantity})
        arrays[f"{area}.centre"] = ((f"{area}.unit",), rng.normal(size=size))
        arrays[f"{area}.explained"] = (("component",), np.array([0.375, 0.25]))
        arrays[f"{area}.ends"] = (("fitted", "component"), rng.normal(size=(7, 2)))
    inputs = rng.uniform(0, 0.5, (3, IMAGES, 7, 7))
    inputs[1] = inputs[0] + 0.1 * rng.choice([-1, 0, 1], inputs[0].shape)
    arrays["inputs"] = (("condition", "image", "row", "column"), inputs)
    arrays["logits"] = (("condition", "image", "class"), rng.normal(size=(3, IMAGES, 10)))
    return xr.Dataset(
        arrays,
        coords={
            "condition": list(THERE),
            "kind": list(PARTS),
            "time": np.arange(steps),
            "image": [4, 5, 6, 7, 9],
            "label": ("image", [7, 1, 0, 3, 3]),
            "fitted_label": ("fitted", [7, 1, 0, 3, 3, 8, 2]),
        },
        attrs={
            "wiring": "fc-blt",
            "simulator": "torch",
            "time_unit": "steps",
            "data": "MNIST",
            "attack": "pgd-linf",
            "epsilon": 0.1,
            "answers": np.array([2, 3, 4, 5]),
            "output": "output",
        },
    )


@pytest.fixture(scope="session")
def make_dynamics():
    """(seed, units, steps) to a recording of clean, adversarial and noisy images."""
    return make_recording


@pytest.fixture(scope="session")
def stays_inside():
    """Asserts that nothing of a figure lies outside it."""
    return check_inside


def check_inside(figure):
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    for part in (figure, *figure.subfigs):
        box = part.get_tightbbox()
        box = box if part is figure else box.transformed(figure.dpi_scale_trans.inverted())
        assert box.x0 > -0.01
        assert box.y0 > -0.01
        assert box.x1 < width + 0.01
        assert box.y1 < height + 0.01
