"""Several individuals at once are each of them alone, and what is kept is what was seen."""

import pickle

import pytest
import torch

from networks import BlindspotsError, wiring_named
from networks.attention import Attention
from networks.viewing import viewing
from sim import Network
from sim.attention import Crowd, Kept, Seen, Stream, remember, see, watched

TRIALS = 6


@pytest.fixture(scope="module")
def kept() -> tuple[Network, Stream, torch.Tensor]:
    """An untaught network, what it watched, and what it said of it."""
    network = Network.initial(viewing(wiring_named("fc-b"), 10.0), 0)
    generator = torch.Generator().manual_seed(0)
    stream = Stream(torch.rand(TRIALS, 3, 1, 28, 28, generator=generator), 5)
    with torch.no_grad():
        steps = 15 + network.wiring.first_answer
        return network, stream, torch.stack(list(watched(network, stream, steps)))


def remembered(potentials: torch.Tensor, who: Attention | Crowd) -> Seen:
    generator = torch.Generator().manual_seed(1)
    return remember(Kept(potentials), who, "category", generator, dt_ms=10.0)


def test_a_crowd_is_each_of_its_individuals(kept: tuple[Network, Stream, torch.Tensor]) -> None:
    usual = Attention(threshold=0.1)
    other = Attention(
        threshold=0.2,
        gate_gain=4.0,
        refractoriness=3.0,
        refractory_ms=60.0,
        consolidation_per_s=9.0,
    )
    together = remembered(kept[2], Crowd.of([usual, other], TRIALS))
    for i, who in enumerate((usual, other)):
        alone = remembered(kept[2], who)
        for found, wanted in zip(together, alone, strict=True):
            torch.testing.assert_close(found[i::2], wanted[i::2])
    assert together.ignited_ms.isfinite().any()
    assert not torch.equal(alone.peak, remembered(kept[2], usual).peak)


def test_a_crowd_can_be_sent_to_another_process() -> None:
    crowd = Crowd.of([Attention(threshold=1.0), Attention(threshold=2.0)], 3)
    sent = pickle.loads(pickle.dumps(crowd))
    assert sent.individuals == crowd.individuals
    assert sent.threshold.tolist() == [[1.0], [2.0], [1.0]]
    assert sent.leak == Attention().leak


def test_what_was_kept_is_what_is_seen(kept: tuple[Network, Stream, torch.Tensor]) -> None:
    network, stream, potentials = kept
    usual = Attention(threshold=0.1)
    with torch.no_grad():
        looked = see(
            network, stream, usual, "category", torch.Generator().manual_seed(1), dt_ms=10.0
        )
    for found, wanted in zip(remembered(potentials, usual), looked, strict=True):
        assert torch.equal(found, wanted)
    with pytest.raises(BlindspotsError, match="set contrast_gain to 0"):
        remembered(potentials, usual.model_copy(update={"contrast_gain": 0.5}))
