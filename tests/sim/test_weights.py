"""The labelled matrices say what a source's activity does to its target."""

import pytest
import torch

from networks import Convolution, wiring_named
from sim import Network
from sim.parameters import weight_name
from sim.step import transmit
from sim.weights import labelled_weights


@pytest.mark.parametrize("name", ["fc-blt-modular", "conv-blt", "conv-blt-sparse"])
def test_a_matrix_times_activity_is_the_drive(name: str) -> None:
    """Of a convolution: the drive far from the border of maps that are the same everywhere."""
    network = Network.initial(wiring_named(name), 0)
    circuit, wiring = network.circuit(), network.wiring
    matrices = labelled_weights(network)
    assert set(matrices) == {p.name for p in wiring.projections}
    for p in wiring.projections:
        source, target = wiring.area(p.source), wiring.area(p.target)
        matrix = torch.from_numpy(matrices[p.name].to_numpy())
        is_map = isinstance(p.pattern, Convolution)
        activity = torch.rand(source.channels if is_map else source.size)
        maps = activity[:, None, None] if is_map else activity.reshape(source.shape)
        weight = circuit.values[weight_name(p)]
        drive = transmit(p, weight, maps.expand(source.shape)[None], target.shape)[0]
        if isinstance(p.pattern, Convolution):  # what falls on all places of one source's stride
            cells = 1 if p.pattern.upward else p.pattern.stride
            side = slice(target.shape[1] // 4 * 2, target.shape[1] // 4 * 2 + cells)
            drive = drive[:, side, side].sum((1, 2))
        torch.testing.assert_close(matrix @ activity, drive.flatten(), atol=1e-4, rtol=1e-4)
