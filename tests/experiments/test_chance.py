"""Random networks: attacked on the average of fixed draws, judged on fresh ones."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from experiments.attacks.chance import Expected, Verdict, averaged, fresh, ladder, spikes, stream
from experiments.attacks.gradient import pgd_linf
from experiments.attacks.guides import ways
from experiments.attacks.square import square_linf
from experiments.attacks.worst import stages
from experiments.bench import Bench, scored
from experiments.individuals import Train
from experiments.inputs import Craft
from experiments.recipe import Recipe
from experiments.scoring import Score, predictions
from experiments.training import load_individual, save_individual, train
from experiments.units import product
from networks import Area, BlindspotsError, InputUnit, Poisson, Projection, RateUnit, Wiring
from sim import Network, encode

CODE = Poisson(gain=0.8)


def poisson_net(seed: int = 0, steps: int = 6, sharpness: float = 1.0) -> Network:
    wiring = Wiring(
        name="random",
        areas=(
            Area(name="input", shape=(1, 4, 4), unit=InputUnit(code=CODE)),
            Area(name="h", shape=(12,), unit=RateUnit(activation="tanh")),
            Area(name="output", shape=(3,), unit=RateUnit(activation="identity")),
        ),
        projections=(
            Projection(source="input", target="h"),
            Projection(source="h", target="h", kind="lateral"),
            Projection(source="h", target="output"),
        ),
        steps=steps,
    )
    network = Network.initial(wiring, seed)
    for value in network.values.values():
        value.data *= sharpness
    return network


def grey(count: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 + 0.4 * torch.rand((count, 1, 4, 4), generator=generator)


class Jitter(nn.Module):
    """A linear model whose weights are drawn anew at each call, from PyTorch's own generator."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)))

    def forward(self, points: Tensor) -> Tensor:
        return points.flatten(1) @ (self.weight + torch.randn(3, 16)).T


def test_a_draw_is_the_codes() -> None:
    """Spikes at the coded rate, with the gradient that the code gives its frames."""
    network, images = poisson_net(steps=200), grey(3).requires_grad_()
    own = spikes(network.wiring, images, stream("test", 0), common=False)
    assert own.shape == (200, 3, 1, 4, 4)
    assert set(own.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(own.mean(0), CODE.gain * images, rtol=0, atol=0.15)
    (gradient,) = torch.autograd.grad(own[7].sum(), images)
    expected = encode(CODE, images, 1, torch.Generator().manual_seed(0))[0]
    (like,) = torch.autograd.grad(expected.sum(), images)
    assert torch.equal(gradient, like)


def test_images_share_an_attacks_draw_and_have_their_own_at_the_verdict() -> None:
    wiring, same = poisson_net().wiring, grey(1).expand(5, -1, -1, -1)
    common = spikes(wiring, same, stream("test", 0), common=True)
    assert torch.equal(common, common[:, :1].expand_as(common))
    own = spikes(wiring, same, stream("test", 0), common=False)
    assert not torch.equal(own, own[:, :1].expand_as(own))


def test_one_draw_is_the_network_on_the_spikes_of_that_draw() -> None:
    network, images = poisson_net(), grey(4)
    frames = spikes(network.wiring, images, stream("attack", 3, 0), common=True)
    torch.testing.assert_close(Expected(network, 1, 3)(images), network(frames))


def test_the_mean_of_draws_and_of_their_gradients() -> None:
    """Draws side by side in one pass are draws one after the other."""
    network, images = poisson_net(), grey(4).requires_grad_()
    mean = Expected(network, 5, 3)
    singles = []
    for at in range(5):
        frames = spikes(network.wiring, images, stream("attack", 3, at), common=True)
        singles.append(network(frames))
    torch.testing.assert_close(mean.each(images), torch.stack(singles))
    torch.testing.assert_close(mean(images), torch.stack(singles).mean(0))
    (found,) = torch.autograd.grad(mean(images).sum(), images)
    (expected,) = torch.autograd.grad(torch.stack(singles).mean(0).sum(), images)
    torch.testing.assert_close(found, expected)


def test_the_average_is_attacked_along_every_way_of_the_network() -> None:
    """Each draw's logits along a way, as if the draws were shown one after the other."""
    network, images = poisson_net(), grey(4)
    mean = Expected(network, 3, 3)
    assert ways(mean) == ways(network)
    assert {"last step", "each step"} <= set(ways(mean))
    trains = [
        spikes(network.wiring, images, stream("attack", 3, at), common=True) for at in range(3)
    ]
    for name in ("last step", "each step"):
        way = ways(network)[name]
        apart = torch.stack([way.through(network)(each) for each in trains], -3)
        torch.testing.assert_close(way.through(mean)(images), apart.flatten(0, -3))
    assert {"PGD through half the time", "PGD, each draw's loss"} <= {
        stage.name for stage in stages(mean, "linf")
    }


def test_neither_batch_nor_place_changes_what_is_attacked_or_judged() -> None:
    network, images = poisson_net(), grey(40)
    mean = Expected(network, 3, 0)
    torch.testing.assert_close(mean(images)[[31, 2]], mean(images[[31, 2]]))
    whole = fresh(network, 5)(images)
    judge = fresh(network, 5)
    torch.testing.assert_close(torch.cat([judge(each) for each in images.split(7)]), whole)
    assert not torch.allclose(fresh(network, 5, trial=1)(images), whole)
    assert not torch.allclose(fresh(network, 6)(images), whole)


def test_the_attack_never_sees_the_draws_of_the_verdict() -> None:
    """Equal seeds give different streams."""
    images = grey(1)
    one, other = (
        spikes(poisson_net().wiring, images, stream(purpose, 0, 0), common=True)
        for purpose in ("attack", "verdict")
    )
    assert not torch.equal(one, other)


@pytest.mark.parametrize("attack", [pgd_linf, square_linf])
def test_sets_without_any_change_fool_nothing_together(attack) -> None:
    """The worst case over sets at epsilon 0 is the clean accuracy, though single answers vary."""
    network, images = poisson_net(sharpness=4), grey(60)
    labels = network(encode_all(network, images)).argmax(1)
    verdict = Verdict(seed=9, trials=4)
    clean = verdict.correct(network, images, labels)
    assert 0 < float(clean.double().mean()) < 1
    worst = clean.clone()
    for seed in range(3):
        model, options = averaged(network, attack, seed, draws=2)
        extra = {"steps": 2} if attack is pgd_linf else {"queries": 3}
        crafted = attack(
            *(model, images, labels),
            epsilons=[0.0],
            generator=torch.Generator().manual_seed(seed),
            **{**options, **extra},
        )[0]
        worst &= verdict.correct(network, crafted, labels)
    assert torch.equal(worst, clean)
    # with draws of their own, sets that change nothing would seem to fool:
    other = Verdict(seed=10, trials=4).correct(network, images, labels)
    assert (clean & other).double().mean() < clean.double().mean()


def encode_all(network: Network, images: Tensor) -> Tensor:
    return spikes(network.wiring, images, stream("labels", 0), common=False)


def test_votes_steady_the_answer() -> None:
    """The mean of many draws answers the same image the same way more often than one does."""
    network, images = poisson_net(sharpness=4), grey(80)
    labels = Expected(network, 400, 0)(images).argmax(1)
    one = Verdict(seed=0, trials=5).accuracy(network, images, labels)
    many = Verdict(seed=0, trials=5, votes=25).accuracy(network, images, labels)
    assert float(one["accuracy"]) < float(many["accuracy"]) - 0.05
    assert float(many["accuracy_low"]) < float(many["accuracy"]) < float(many["accuracy_high"])


def test_the_ladder_ends_where_more_draws_take_nothing_off() -> None:
    network, images = poisson_net(sharpness=4), grey(80)
    labels = Expected(network, 200, 0)(images).argmax(1)
    rungs = ladder(
        *(network, images, labels, pgd_linf),
        epsilon=0.04, seed=1, verdict=Verdict(seed=0, trials=5), rungs=(1, 8, 8), steps=10,
    )  # fmt: skip
    accuracies = rungs["accuracy"].to_numpy()
    assert rungs["draws"].to_numpy().tolist() == [1, 8]
    assert accuracies[1] < accuracies[0] - 0.01 or rungs.attrs["plateau"]
    still = ladder(
        *(network, images, labels, pgd_linf),
        epsilon=0.0, seed=1, verdict=Verdict(seed=0), rungs=(1, 2, 3), steps=1,
    )  # fmt: skip
    assert still["draws"].to_numpy().tolist() == [1, 2]
    assert still.attrs["plateau"] == 1


def test_any_callable_by_pytorchs_own_chance() -> None:
    """Seeded for the draw alone: what the user draws elsewhere stays as it would have been."""
    model, images = Jitter(), grey(6)
    torch.manual_seed(4)
    undisturbed = torch.rand(3)
    torch.manual_seed(4)
    mean = Expected(model, 3, seed=0)
    assert torch.equal(mean(images), mean(images))
    each = mean.each(images)
    assert each.shape == (3, 6, 3)
    assert not torch.equal(each[0], each[1])
    assert torch.equal(torch.rand(3), undisturbed)
    labels = mean(images).argmax(1)
    options = averaged(model, pgd_linf, 0, 3)[1]
    crafted = pgd_linf(
        *(mean, images, labels), epsilons=[0.5], generator=torch.Generator().manual_seed(0),
        **options,
    )  # fmt: skip
    assert (mean(crafted[0]).argmax(1) != labels).any()


def test_refusals() -> None:
    with pytest.raises(BlindspotsError, match="over 0 draws"):
        Expected(poisson_net(), 0, 0)
    with pytest.raises(BlindspotsError, match="0 trials of 1 draws"):
        Verdict(seed=0, trials=0)


# --- in the pipeline


def image_net() -> Wiring:
    small = poisson_net().wiring
    areas = (
        Area(name="input", shape=(1, 28, 28), unit=InputUnit(code=Poisson())),
        small.areas[1],
        Area(name="output", shape=(10,), unit=RateUnit(activation="identity")),
    )
    return small.replace(areas=areas, name="random-images")


RECIPE = Recipe(epochs=4, batch=100, rate=2e-2)


class Stopped(Exception):
    pass


def test_training_goes_on_with_the_draws_it_would_have_had(digits, tmp_path: Path) -> None:
    whole, _ = train(image_net(), RECIPE, digits, 3, checkpoint=tmp_path / "whole")

    def stop(done: float, score: float) -> None:
        if done >= 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        train(image_net(), RECIPE, digits, 3, checkpoint=tmp_path / "cut", report=stop)
    resumed, facts = train(image_net(), RECIPE, digits, 3, checkpoint=tmp_path / "cut")
    for name, value in whole.values.items():
        assert torch.equal(value, resumed.values[name])
    assert max(facts["validation"]) > 0.8
    save_individual(resumed, facts, tmp_path)
    once, again = load_individual(tmp_path), load_individual(tmp_path)
    images = digits.test.images[:8]
    first = once(images)
    assert torch.equal(first, again(images))
    assert not torch.equal(first, once(images))


def test_a_random_network_is_crafted_on_and_scored(bench: Bench, empty_cache: Path) -> None:
    """Scores of unchanged inputs are the clean scores; an attack on the average does harm."""
    victim = Train(image_net(), RECIPE, 3, bench)
    victim.run(lambda done, score: None)
    clean = Score(victim, None, 60, bench)
    options = (("steps", 6),)
    craft = Craft(victim, "pgd-linf", (0.0, 0.2), 60, 0, bench, options)
    score = Score(victim, craft, 60, bench)
    for unit in (clean, craft, score):
        unit.run(lambda done, score: None)
    answers = [load(each)["prediction"] for each in (clean, score)]
    assert torch.equal(answers[0][0], answers[1][0])
    labels = scored(bench, 60).labels
    right = (answers[1] == labels).double().mean(1)
    assert right[1] < right[0] - 0.2
    other = predictions(victim.model(), scored(bench, 60).images)
    assert not torch.equal(other, answers[0][0].long())


def load(unit: Score) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(product(unit))
