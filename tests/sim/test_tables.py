"""Tables worked out by hand, exact in binary, for networks of one to three units."""

import numpy as np
import torch

from networks import RateUnit, SpikingUnit


def movie(*values):
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)


def rows(found, name):
    return found[name].values[:, 0].T.tolist()


def test_one_spiking_unit_read_two_steps_later(simulator, wire, weighted):
    """u = u/2 + 0.75 - last spike; spikes at 2 and 5 reach the output at 4 and 7."""
    wiring = wire({"a": (1, SpikingUnit(beta=0.5))}, {"input>a": 1, "a>output": 2}, steps=8)
    network = weighted(wiring, {"input>a": 1, "a>output": 2, "output": 0.25})
    found = simulator(network, torch.tensor([[0.75]], dtype=torch.float64))
    assert rows(found, "a.potential") == [
        [0, 0.75, 1.125, 0.3125, 0.90625, 1.203125, 0.3515625, 0.92578125]
    ]
    assert rows(found, "a.output") == [[0, 0, 1, 0, 0, 1, 0, 0]]
    assert rows(found, "output.potential") == [[0.25, 0.25, 0.25, 0.25, 2.25, 0.25, 0.25, 2.25]]
    np.testing.assert_allclose(found["logits"], [[0.25 + 4 / 5]], rtol=1e-14)  # steps 3 to 7


def test_the_threshold_itself_is_not_exceeded(simulator, wire, weighted):
    wiring = wire({"a": (1, SpikingUnit(beta=0))}, {"input>a": 1, "a>output": 1}, steps=4)
    network = weighted(wiring, {"input>a": 1, "a>output": 1})
    found = simulator(network, movie(1, 1 + 2**-50, 0, 0))
    assert rows(found, "a.output") == [[0, 0, 1, 0]]
    assert rows(found, "a.potential") == [[0, 1, 1 + 2**-50, -1]]


def test_loop_of_two_rate_units_after_a_pulse(simulator, wire, weighted):
    """a at 1; b (leak 1/2) from 3 on, halving; back at a, negative and cut off, from 4 on."""
    areas = {"a": (1, RateUnit()), "b": (1, RateUnit(leak=0.5))}
    arrows = {"input>a": 1, "a>b": 2, "b>a": {"delay": 1, "kind": "top-down"}, "b>output": 1}
    network = weighted(wire(areas, arrows, 7), {"input>a": 1, "a>b": 2, "b>a": -0.5, "b>output": 1})
    found = simulator(network, movie(1, 0, 0, 0, 0, 0, 0))
    assert rows(found, "input.output") == [[1, 0, 0, 0, 0, 0, 0]]
    assert rows(found, "a.potential") == [[0, 1, 0, 0, -0.5, -0.25, -0.125]]
    assert rows(found, "a.output") == [[0, 1, 0, 0, 0, 0, 0]]
    assert rows(found, "b.drive") == [[0, 0, 0, 2, 0, 0, 0]]
    assert rows(found, "b.potential") == [[0, 0, 0, 1, 0.5, 0.25, 0.125]]
    assert rows(found, "output.potential") == [[0, 0, 0, 0, 1, 0.5, 0.25]]


def test_bias_from_step_zero_and_a_lateral_delay_of_three(simulator, wire, weighted):
    """Unit 0 fires at every even step by its bias; unit 1 three steps after it."""
    arrows = {"input>a": 1, "a>a": 3, "a>output": 1}
    wiring = wire({"a": (2, SpikingUnit(beta=0))}, arrows, steps=7)
    values = {"input>a": [0, 0], "a>a": [[0, 0], [2, 0]], "a": [1.5, 0], "a>output": [0, 1]}
    found = simulator(weighted(wiring, values), torch.zeros((1, 1), dtype=torch.float64))
    assert rows(found, "a.drive") == [[1.5] * 7, [0, 0, 0, 2, 0, 2, 0]]
    assert rows(found, "a.potential") == [
        [1.5, 0.5, 1.5, 0.5, 1.5, 0.5, 1.5],
        [0, 0, 0, 2, -1, 2, -1],
    ]
    assert rows(found, "a.output") == [[1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 0, 1, 0]]
    assert rows(found, "output.potential") == [[0, 0, 0, 0, 1, 0, 1]]


def test_all_areas_step_at_once(simulator, wire, weighted):
    """A ring of two with delay 1: what each emits, the other emits one step later."""
    areas = {"b": (1, RateUnit()), "a": (1, RateUnit())}
    arrows = {"input>a": 1, "a>b": 1, "b>a": {"kind": "top-down"}, "b>output": 1}
    network = weighted(wire(areas, arrows, 6), {"input>a": 1, "a>b": 1, "b>a": 1, "b>output": 1})
    found = simulator(network, movie(3, 0, 0, 0, 0, 0))
    assert rows(found, "a.output") == [[0, 3, 0, 3, 0, 3]]
    assert rows(found, "b.output") == [[0, 0, 3, 0, 3, 0]]


def test_a_pattern_that_joins_unit_to_unit(simulator, wire, weighted):
    arrows = {"input>a": {"pattern": {"model": "one-to-one"}}, "a>output": 1}
    wiring = wire({"a": (3, RateUnit())}, arrows, steps=3, inputs=3)
    network = weighted(wiring, {"input>a": [2, 3, 5], "a>output": [1, 10, 100]})
    found = simulator(network, torch.tensor([[1.0, 1, 2]], dtype=torch.float64))
    assert rows(found, "a.drive") == [[0, 2, 2], [0, 3, 3], [0, 10, 10]]
    assert found["logits"].values.tolist() == [[1032]]


def test_recordings_are_labelled(simulator, wire, weighted):
    wiring = wire({"a": (2, RateUnit())}, {"input>a": 1, "a>output": 1}, steps=3, outputs=4)
    network = weighted(wiring, {"input>a": [1, 2], "a>output": [[1, 0]] * 4})
    found = simulator(network, torch.ones((5, 1), dtype=torch.float64), record=["a"])
    assert set(found) == {"a.drive", "a.potential", "a.output", "logits"}
    assert found["a.output"].sizes == {"time": 3, "image": 5, "a.unit": 2}
    assert found["logits"].sizes == {"image": 5, "class": 4}
    assert found["time"].values.tolist() == [0, 1, 2]
    assert found.attrs["time_unit"] == "steps"
