"""Drives taken apart by kind: their sum is what was recorded, each part is its matrix product."""

import numpy as np
import pytest
import torch
import xarray as xr

from networks import BlindspotsError, RateUnit, SpikingUnit, wiring_named
from sim import Lesion, Network, Scale, run
from sim.drives import drive_by_kind

CATALOGUE = [
    *("fc-b", "fc-blt", "fc-blt-spiking", "fc-blt-modular-spiking", "fc-blt-sparse"),
    *("conv-blt", "conv-blt-modular-spiking", "conv-blt-sparse-spiking", "AE400-10-spiking"),
    *("FC100-100-10-binarised", "fc-blt-spiking-latency"),
]


def assert_sums(network, recording):
    found = drive_by_kind(network, recording)
    for area in network.wiring.areas:
        if area != network.wiring.input:
            summed = found[f"{area.name}.drive_by_kind"].sum("kind")
            drive = recording[f"{area.name}.drive"].transpose(*summed.dims)
            np.testing.assert_allclose(summed, drive, rtol=1e-10, atol=1e-10)
    return found


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_parts_sum_to_the_drive(name):
    network = Network.initial(wiring_named(name), 0).double()
    for value in network.values.values():
        value.data *= 4  # so that all areas are active
    images = torch.rand((3, 1, 28, 28), generator=torch.Generator().manual_seed(0)).double()
    found = assert_sums(network, run(network, images))
    has = {p.kind for p in network.wiring.projections} | {"bias"}
    assert set(found["kind"].values) == has
    for kind in has:
        assert any(found[part].sel(kind=kind).values.any() for part in found)


@pytest.mark.parametrize("unit", [RateUnit(activation="sigmoid", leak=0.4), SpikingUnit(beta=0.7)])
def test_each_part_with_delays_by_hand(loops, drawn, unit):
    network = drawn(loops(unit), seed=2, scale=2.0)
    movie = torch.tensor(np.random.default_rng(0).random((14, 5, 3)))
    recording = run(network, movie)
    found = assert_sums(network, recording)
    out = recording["b.output"].to_numpy()
    weight = network.values["weight/b>a"].detach().numpy()
    for t in range(14):
        fed = out[t - 2] @ weight.T if t >= 2 else np.zeros((5, 4))
        part = found["a.drive_by_kind"].sel(kind="top-down", time=t)
        np.testing.assert_allclose(part, fed, atol=1e-12)
    bias = found["b.drive_by_kind"].sel(kind="bias").values
    assert (bias == network.values["bias/b"].detach().numpy()).all()
    assert not found["b.drive_by_kind"].sel(kind="top-down").values.any()
    assert found["output.drive_by_kind"].dims == ("kind", "time", "image", "output.unit")


def test_conditions_stay_a_first_dimension(loops, drawn):
    network = drawn(loops(RateUnit(activation="tanh")), seed=2)
    shown = [torch.full((4, 3), value).double() for value in (0.2, 0.9)]
    each = [run(network, images) for images in shown]
    both = xr.concat(each, xr.Variable("condition", ["clean", "adversarial"]))
    found = assert_sums(network, both)
    assert found["a.drive_by_kind"].dims == ("condition", "kind", "time", "image", "a.unit")
    for condition, recording in zip(("clean", "adversarial"), each, strict=True):
        alone = drive_by_kind(network, recording)["a.drive_by_kind"]
        picked = found["a.drive_by_kind"].sel(condition=condition)
        np.testing.assert_array_equal(picked.values, alone.values)


def test_recordings_of_something_else_are_refused(loops, drawn):
    network = drawn(loops(RateUnit(activation="tanh")), seed=2)
    images = torch.full((4, 3), 0.5).double()
    for acts in ([Lesion(cut="a>b", start=5)], [Scale(through="lateral", gain=0.5)]):
        with pytest.raises(BlindspotsError, match="without interventions"):
            drive_by_kind(network, run(network, images, intervene=acts))
    with pytest.raises(BlindspotsError, match="take the network that was recorded"):
        drive_by_kind(drawn(network.wiring, seed=9), run(network, images))
    with pytest.raises(BlindspotsError, match=r"no 'b.output', which drives 'a'; record all"):
        drive_by_kind(network, run(network, images, record=["input", "a"]))
