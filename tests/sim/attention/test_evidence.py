"""A network before a stream, held against the plain run of a movie."""

import pytest
import torch

from networks import BlindspotsError, wiring_named
from networks.viewing import EMPTY, ITEM_CLASSES, viewing
from sim import Network, run
from sim.attention import Stream, evidence, watched
from sim.attention.evidence import Watched

ITEM_STEPS, ITEMS = 4, 3


@pytest.fixture(params=["fc-blt", "fc-blt-spiking", "conv-bl"])
def network(request: pytest.FixtureRequest) -> Network:
    wiring = viewing(wiring_named(request.param), 10.0)
    return Network.initial(wiring.replace(steps=ITEM_STEPS * ITEMS), 0)


def items() -> torch.Tensor:
    return torch.rand(2, ITEMS, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def test_a_stream_is_a_movie_of_its_items(network: Network) -> None:
    shown = items()
    movie = shown.repeat_interleave(ITEM_STEPS, 1).transpose(0, 1)
    plain = run(network, movie, record=["output"])["output.potential"].to_numpy()
    seen = torch.stack(list(watched(network, Stream(shown, ITEM_STEPS), len(movie))))
    torch.testing.assert_close(seen.detach(), torch.from_numpy(plain), atol=1e-5, rtol=1e-4)


def test_contrast_is_that_of_the_items(network: Network) -> None:
    """Each trial has its own, and what is seen late is seen with the contrast of its own time."""
    shown, contrast = items(), torch.tensor([0.5, 2.0])
    dimmed = shown * contrast[:, None, None, None, None]
    eye = Watched(network, Stream(shown, ITEM_STEPS))
    plain = list(watched(network, Stream(dimmed, ITEM_STEPS), ITEM_STEPS * ITEMS))
    for there in plain:
        torch.testing.assert_close(eye.look(contrast), there, atol=1e-4, rtol=1e-4)


def test_evidence_is_a_distribution_and_a_cue_apart() -> None:
    found, cue = evidence(torch.randn(5, ITEM_CLASSES))
    assert found.shape == (5, EMPTY + 1)
    torch.testing.assert_close(found.sum(1), torch.ones(5))
    assert ((cue > 0) & (cue < 1)).all()


def test_a_coded_input_is_refused_with_the_mend() -> None:
    wiring = viewing(wiring_named("fc-blt-spiking-poisson"), 10.0)
    with pytest.raises(BlindspotsError, match="shown as intensities: take a network"):
        Watched(Network.initial(wiring, 0), Stream(items(), ITEM_STEPS))


def test_units_forget_with_one_time_constant() -> None:
    """Spiking and rate units keep the same share of what was, over the time constant 1/e."""
    spiking = viewing(wiring_named("fc-blt-spiking"), 5.0, tau_ms=20.0)
    assert spiking.spiking["h1"].beta ** 4 == pytest.approx(0.36788, abs=1e-4)
    rate = viewing(wiring_named("fc-blt"), 5.0, tau_ms=20.0)
    assert {a.unit.leak for a in rate.areas if a.name != "input"} == {0.25}
