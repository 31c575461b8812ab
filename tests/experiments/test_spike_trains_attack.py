"""Moves of spikes: counted exactly, and against the closed form on a linear network."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from experiments.attacks.movies import Film
from experiments.attacks.spike_trains import ALL, move_spikes, random_moves, trains_of
from networks import (
    Area,
    BlindspotsError,
    Constant,
    InputUnit,
    Latency,
    Poisson,
    Projection,
    RateUnit,
    SpikingUnit,
    Wiring,
)
from sim import Network

BUDGETS = [0, 1, 3, 6]


def looped(unit: RateUnit | SpikingUnit, code=None, threshold: float | None = None) -> Network:
    shown = InputUnit(code=code or Poisson(), threshold=threshold)
    wiring = Wiring(
        name="looped",
        areas=(
            Area(name="input", shape=(1, 3, 3), unit=shown),
            Area(name="h", shape=(10,), unit=unit),
            Area(name="output", shape=(2,), unit=RateUnit(activation="identity")),
        ),
        projections=(
            Projection(source="input", target="h"),
            Projection(source="h", target="h", kind="lateral"),
            Projection(source="h", target="output"),
        ),
        steps=6,
    )
    return Network.initial(wiring, 0)


def grey(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.2 + 0.6 * torch.rand((count, 1, 3, 3), generator=generator)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def attacked(unit, count: int = 12, **options) -> tuple[Network, Tensor, Tensor, Tensor]:
    network = looped(unit)
    trains = trains_of(network, grey(count))
    with torch.no_grad():  # so that both classes are answered
        network.values["bias/output"] -= Film(network)(trains).median(0).values
    labels = Film(network)(trains).argmax(1)
    found = move_spikes(
        *(Film(network), trains, labels),
        budgets=BUDGETS, generator=seeded(), keep_going=True, **options,
    )  # fmt: skip
    return network, trains, labels, found


def linear(network: Network) -> Tensor:
    """The loss' slope by each bit for class 0 against class 1, (steps, 9)."""
    film = Film(network)
    zero = torch.zeros(1, 6, 1, 3, 3)
    jacobian = torch.autograd.functional.jacobian(lambda x: film(x)[0], zero)
    return (jacobian[1] - jacobian[0]).reshape(6, 9)


@pytest.mark.parametrize("at_once", [1, 4])
def test_on_a_linear_network_the_best_flips_are_the_largest(at_once: int) -> None:
    """Every move's gain is its own, so that the greedy k are the best k of all subsets."""
    network, trains, labels, found = attacked(
        RateUnit(activation="identity"), moves=("insert", "delete"), at_once=at_once
    )
    slope, film = linear(network), Film(network)

    def margin(points: Tensor) -> Tensor:
        logits = film(points)
        return logits.gather(1, 1 - labels[:, None])[:, 0] - logits.gather(1, labels[:, None])[:, 0]

    sign = torch.where(labels == 0, 1.0, -1.0)[:, None, None]
    gain = (sign * slope * (1 - 2 * trains.flatten(2))).flatten(1)
    for at, budget in enumerate(BUDGETS):
        best = gain.sort(1, descending=True).values[:, :budget].clamp_min(0).sum(1)
        torch.testing.assert_close(margin(found[at]) - margin(trains), best, rtol=1e-4, atol=1e-5)
        assert (found[at] != trains).flatten(1).sum(1).max() <= budget


def test_one_shift_is_the_best_of_all_shifts() -> None:
    network, trains, labels, found = attacked(RateUnit(activation="identity"), moves=("shift",))
    film = Film(network).requires_grad_(False)
    for image in range(4):
        best, label = -torch.inf, int(labels[image])
        for t, p in (trains[image].flatten(1) == 1).nonzero().tolist():
            for other in (t - 1, t + 1):
                if not 0 <= other < 6 or trains[image].flatten(1)[other, p]:
                    continue
                moved = trains[image : image + 1].clone().flatten(2)
                moved[0, t, p], moved[0, other, p] = 0, 1
                logits = film(moved.reshape(1, 6, 1, 3, 3))[0]
                best = max(best, float(logits[1 - label] - logits[label]))
        logits = film(found[1, image : image + 1])[0]
        clean = film(trains[image : image + 1])[0]
        expected = max(best, float(clean[1 - label] - clean[label]))
        assert float(logits[1 - label] - logits[label]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("moves", [each for n in (1, 2, 3) for each in combinations(ALL, n)])
def test_moves_are_of_their_kind_and_within_budget(moves) -> None:
    _, trains, _, found = attacked(SpikingUnit(threshold=0.3), moves=moves)
    random = random_moves(trains, budgets=BUDGETS, generator=seeded(), moves=moves)
    for curve, is_exact in ((found, False), (random, True)):
        assert set(curve.unique().tolist()) <= {0.0, 1.0}
        added = ((curve == 1) & (trains == 0)).flatten(2).sum(2)
        taken = ((curve == 0) & (trains == 1)).flatten(2).sum(2)
        if "insert" not in moves:
            assert (added <= taken).all()
        if "delete" not in moves:
            assert (taken <= added).all()
        most = torch.tensor(BUDGETS)[:, None]
        if moves == ("shift",):
            spikes = curve.flatten(3).sum(2)
            assert torch.equal(spikes, trains.flatten(2).sum(1).expand_as(spikes))
            assert (added <= most).all()
        if "shift" not in moves:
            assert (added + taken <= most).all()
            assert not is_exact or (added + taken == most).all()
        assert torch.equal(curve[0], trains)


def test_an_image_fooled_at_one_budget_is_fooled_at_every_larger() -> None:
    network, trains, labels, found = attacked(SpikingUnit(threshold=0.3), count=40)
    film = Film(network)
    fooled = torch.stack([film(each).argmax(1) != labels for each in found])
    assert not fooled[0].any()
    assert fooled[-1].any()
    assert (fooled[1:] >= fooled[:-1]).all()
    random = random_moves(trains, budgets=BUDGETS, generator=seeded())
    by_chance = film(random[-1]).argmax(1) != labels
    assert by_chance.sum() < fooled[-1].sum()


def test_fooled_images_are_left_alone_unless_they_go_on() -> None:
    network, trains, labels, _ = attacked(SpikingUnit(threshold=0.3), count=40)
    film = Film(network)
    found = move_spikes(film, trains, labels, budgets=[3, 6], generator=seeded())
    fooled = film(found[0]).argmax(1) != labels
    assert fooled.any()
    assert torch.equal(found[1, fooled], found[0, fooled])


def test_trains_of_every_code() -> None:
    images = grey(5)
    for code, threshold in ((Poisson(), None), (Latency(), None), (Constant(), 0.5)):
        network = looped(SpikingUnit(), code, threshold)
        trains = trains_of(network, images)
        assert trains.shape == (5, 6, 1, 3, 3)
        if not network.wiring.is_random:
            torch.testing.assert_close(Film(network)(trains), network(images))
    with pytest.raises(BlindspotsError, match="intensities, not spikes"):
        trains_of(looped(SpikingUnit(), Constant()), images)


def test_refusals() -> None:
    network = looped(SpikingUnit())
    trains, labels = trains_of(network, grey(2)), torch.tensor([0, 1])
    for wrong in ({"budgets": [3, 1]}, {"budgets": []}, {"budgets": [1], "moves": ()}):
        with pytest.raises(BlindspotsError, match="ascending whole numbers"):
            move_spikes(Film(network), trains, labels, generator=seeded(), **wrong)
    with pytest.raises(BlindspotsError, match="move"):
        random_moves(trains, budgets=[1], generator=seeded(), moves=("swap",))
