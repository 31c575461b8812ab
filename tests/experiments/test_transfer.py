"""Adversarial inputs from individual to individual: rates, universality, and sentences."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from experiments.statistics.draws import draw
from experiments.statistics.transfer import effects, summarise_transfer
from experiments.statistics.universality import independent, most_universal, universality
from experiments.transfer.sentences import sentences

KINDS = ("feedforward", "feedforward", "spiking")
NAMES = ("a", "b", "c")
LABEL = 0  # of every image; 1 and 2 are wrong answers


def made(
    prediction: np.ndarray, clean: np.ndarray, noise: np.ndarray | None = None, parts: int = 1
) -> xr.Dataset:
    """A result in which all are sources, from answers (source, j, network, i, image)."""
    networks, individuals, images = clean.shape
    people = ("network", "individual", "image")
    crossed = ("source", "source_individual", *people)
    noise = clean if noise is None else noise

    def right(answers: np.ndarray) -> np.ndarray:
        return np.where(answers < 0, -1, answers == LABEL).astype(np.int8)

    return xr.Dataset(
        {
            "prediction": (crossed, prediction.astype(np.int8)),
            "correct": (crossed, right(prediction)),
            "clean_correct": (people, right(clean)),
            "noise_correct": (("noise", *people), right(noise)[None]),
            "label": ("image", np.full(images, LABEL)),
        },
        coords={
            "network": list(NAMES[:networks]),
            "source": list(NAMES[:networks]),
            "kind": ("network", list(KINDS[:networks])),
            "noise": ["uniform"],
            "part": ("individual", np.arange(individuals) % parts),
        },
        attrs={"attack": "pgd-linf", "epsilon": 0.1, "data": "MNIST", "parts": parts, "spec": ""},
    )


def random(seed: int = 0, networks: int = 3, individuals: int = 2, images: int = 60) -> xr.Dataset:
    chance = np.random.default_rng(seed)
    people = (networks, individuals, images)
    clean = (chance.random(people) < 0.1).astype(int)
    prediction = chance.integers(0, 3, (networks, individuals, *people))
    return made(prediction, clean, chance.integers(0, 2, people))


def summary_of(result: xr.Dataset, resamples: int = 200) -> xr.Dataset:
    return summarise_transfer(result, generator=np.random.default_rng(0), resamples=resamples)


def rate_by_hand(result: xr.Dataset, s: int, j: int, t: int, i: int) -> tuple[float, float]:
    """Transfer rate and share of the same wrong class, image by image."""
    answers = result["prediction"].to_numpy()
    clean = result["clean_correct"].to_numpy()
    shown = over = same = 0
    for m in range(result.sizes["image"]):
        if clean[s, j, m] and clean[t, i, m] and answers[s, j, s, j, m] != LABEL:
            shown += 1
            over += answers[s, j, t, i, m] != LABEL
            same += answers[s, j, t, i, m] == answers[s, j, s, j, m]
    return over / shown, same / over


def test_rates_are_those_counted_by_hand():
    result = random()
    summary = summary_of(result)
    for s, t in itertools.product(range(3), repeat=2):
        pairs = [(j, i) for j in range(2) for i in range(2) if s != t or i != j]
        rates, same = zip(*(rate_by_hand(result, s, j, t, i) for j, i in pairs), strict=True)
        here = summary.isel(source=s, network=t)
        assert float(here["rate"]) == pytest.approx(np.mean(rates))
        assert float(here["same_class"]) == pytest.approx(np.mean(same))
        assert here["rate_low"] < here["rate"] < here["rate_high"]
        wrong = result["prediction"].to_numpy()[s, :, t] != LABEL
        assert float(here["error"]) == pytest.approx(
            np.mean([wrong[j, i].mean() for j, i in pairs])
        )
    off = ~np.eye(3, dtype=bool)
    rates = summary["rate"].to_numpy()
    assert summary["incoming"].to_numpy() == pytest.approx(
        [rates[off[:, t], t].mean() for t in range(3)]
    )
    assert summary["outgoing"].to_numpy() == pytest.approx(
        [rates[s, off[s]].mean() for s in range(3)]
    )
    assert float(summary["relation_rate"].sel(relation="same kind")[0]) == pytest.approx(
        (rates[0, 1] + rates[1, 0]) / 2
    )


def test_direct_noise_and_missed():
    result = random(1)
    summary = summary_of(result)
    answers, noise = result["prediction"].to_numpy(), result["noise_correct"].to_numpy()[0]
    right = result["clean_correct"].to_numpy() == 1
    for t in range(3):
        direct, noisy, missed = [], [], []
        for i in range(2):
            own = answers[t, i, t, i] != LABEL
            direct.append(own[right[t, i]].mean())
            noisy.append((noise[t, i] == 0)[right[t, i]].mean())
            fools = np.zeros(len(own), bool)
            for s, j in itertools.product(range(3), range(2)):
                if (s, j) != (t, i):
                    fooled_source = right[s, j] & (answers[s, j, s, j] != LABEL)
                    fools |= fooled_source & (answers[s, j, t, i] != LABEL)
            missed.append((fools & ~own)[right[t, i]].mean())
        here = summary.isel(network=t)
        assert float(here["direct"]) == pytest.approx(np.mean(direct))
        assert float(here["noise"]) == pytest.approx(np.mean(noisy))
        assert float(here["missed"]) == pytest.approx(np.mean(missed))
        assert float(here["excess"]) == pytest.approx(float(here["incoming"] - here["noise"]))


def test_only_images_that_both_get_right_and_that_fool_the_source_count():
    clean = np.zeros((2, 1, 6), int)
    clean[0, 0, 4] = clean[1, 0, 5] = 1  # wrong when clean: by the source, by the target
    prediction = np.zeros((2, 1, 2, 1, 6), int)
    prediction[0, 0, 0, 0] = [1, 1, 1, 0, 1, 1]  # the source is not fooled on the fourth
    prediction[0, 0, 1, 0] = [1, 0, 0, 0, 0, 0]
    first = summary_of(made(prediction, clean))
    assert float(first["rate"][0, 1]) == pytest.approx(1 / 3)
    assert float(first["error"][0, 1]) == pytest.approx(1 / 6)
    prediction[0, 0, 1, 0] = [1, 0, 0, 1, 1, 1]
    then = summary_of(made(prediction, clean))
    assert float(then["rate"][0, 1]) == pytest.approx(1 / 3)
    assert float(then["error"][0, 1]) == pytest.approx(4 / 6)


def test_nothing_is_said_where_nothing_was_measured_or_nobody_was_fooled():
    result = random(2)
    correct, prediction = result["correct"].copy(), result["prediction"].copy()
    correct[0, :, 1], prediction[0, :, 1] = -1, -1
    own = np.arange(2)
    correct[2, own, 2, own] = 1  # nothing fools c, so there is nothing to carry over
    summary = summary_of(result.assign(correct=correct, prediction=prediction))
    for s, t in ((0, 1), (2, 0), (2, 1), (2, 2)):
        for name in ("rate", "rate_low", "rate_high"):
            assert np.isnan(summary[name][s, t])
    assert np.isfinite(summary["rate"][1, 0])
    assert float(summary["direct"][2]) == 0
    assert np.isnan(summary["asymmetry"][0, 1])


def test_asymmetry_is_found_where_it_is_and_only_there():
    """Between a and b nothing differs but chance; c fools all, and is fooled by nobody."""
    chance = np.random.default_rng(3)
    prediction = (chance.random((3, 2, 3, 2, 300)) < 0.5).astype(int)
    prediction[2], prediction[:2, :, 2] = 1, 0
    own = np.arange(2)
    for s in range(3):
        prediction[s, own, s, own] = 1
    summary = summary_of(made(prediction, np.zeros((3, 2, 300), int)))
    there = summary["asymmetry"].to_numpy()
    assert there == pytest.approx(-there.T)
    assert there[2, 0] == 1
    p = summary["asymmetry_p"].to_numpy()
    assert p[2, 0] == p[0, 2] < 1e-6
    assert p[0, 1] > 0.05


def test_effects_are_those_planted_whatever_sources_and_targets_are_like():
    chance = np.random.default_rng(4)
    relation = np.array([[0, 1, 2, 2], [1, 0, 2, 2], [2, 2, 0, 1], [2, 2, 1, 0]])
    strength, weakness = chance.random((2, 4))
    rates = strength[:, None] + weakness + np.array([0.3, 0.1, 0.0])[relation]
    both = np.stack([rates + 0.05, rates])[:, None]
    assert effects(both, relation)[0] == pytest.approx([0.3, 0.1, 0.05])
    one = effects(rates[None, None], relation)[0]
    assert one[:2] == pytest.approx([0.3, 0.1])
    assert np.isnan(one[2])  # everyone saw all images
    assert np.isnan(effects(rates[None, None, :2, 2:], relation[:2, 2:])).all()


def test_intervals_cover_at_their_level():
    """Of 400 samples of 150 images, half of which count; the true shares are 0.3 and 0.02."""
    chance = np.random.default_rng(7)
    shape = (2, 400, 150)
    among = chance.random(shape) < 0.5
    counted = chance.random(shape) < np.array([0.3, 0.02])[:, None, None]
    draws = draw(np.ones((1, 1), bool), 150, chance, 500)
    low, high = np.quantile(draws.shares(counted, among)[1:], [0.025, 0.975], axis=0)
    covered = ((low <= [[0.3], [0.02]]) & (high >= [[0.3], [0.02]])).mean(1)
    assert (covered > stats.binom.ppf(0.001, 400, 0.95) / 400).all()
    assert covered[0] < 0.99  # and they are not simply wide
    point = counted[0, 0][among[0, 0]].mean()
    assert draws.shares(counted[0], among[0])[0, 0] == pytest.approx(point)


# --- universality


def test_independent_failures_are_those_of_all_cases():
    rates = np.array([0.1, 0.5, 0.8, 0.0, 1.0])
    by_hand = np.zeros(6)
    for case in itertools.product([0, 1], repeat=5):
        by_hand[sum(case)] += np.prod(np.where(case, rates, 1 - rates))
    assert independent(rates) == pytest.approx(by_hand)


def universality_of(result: xr.Dataset) -> xr.Dataset:
    return universality(result, generator=np.random.default_rng(0), resamples=400)


def test_independent_failures_have_the_expected_variance_and_shared_ones_more():
    chance = np.random.default_rng(5)
    clean = np.zeros((3, 2, 400), int)
    alone = (chance.random((3, 2, 3, 2, 400)) < 0.4).astype(int)
    spread = universality_of(made(alone, clean))
    assert (spread["dispersion_low"] < 1.0).all()
    assert (spread["dispersion_high"] > 1.0).all()
    chi = ((spread["fooling"] - spread["expected"]) ** 2 / (spread["expected"] + 1)).sum("count")
    assert (chi < stats.chi2.ppf(0.9999, 100)).all()
    together = np.broadcast_to(chance.random(400) < 0.4, alone.shape).astype(int)
    shared = universality_of(made(together, clean))
    assert shared["dispersion"].to_numpy() == pytest.approx([6.0, 5.0])  # all of 6, of 5 others
    assert shared["fooling"].sum("count").to_numpy().tolist() == [400, 6 * 400]


def test_counts_are_of_the_other_individuals_on_images_that_all_get_right():
    clean = np.zeros((2, 2, 3), int)
    clean[1, 1, 2] = 1
    prediction = np.zeros((2, 2, 2, 2, 3), int)
    prediction[0, 1, :, :, 0] = 1  # fools everybody: three others
    prediction[1, 0, 1, 0, 1] = 1  # fools nobody but its own
    prediction[..., 2] = 1
    spread = universality_of(made(prediction, clean))
    counts = spread["others_fooled"].to_numpy()
    assert counts[0, 1].tolist() == [3, 0, -1]
    assert counts[1, 0].tolist() == [0, 0, -1]
    assert spread["directly_fooled"].to_numpy().tolist() == [1, 1, -1]
    assert spread["asked"].to_numpy().tolist() == [4, 3]
    assert most_universal(spread["others_fooled"], 5)[0] == (0, 1, 0)
    assert len(most_universal(spread["others_fooled"], 5)) == 2  # one input of each image


def test_who_was_not_asked_about_everything_is_left_out():
    result = random(6)
    correct = result["correct"].copy()
    correct[0, 0, 2, 1] = -1
    spread = universality_of(result.assign(correct=correct))
    assert int(spread["asked"].sel(way="transferred")) == 4
    assert (spread["others_fooled"][2, 1] == -1).all()


def test_sentences_tell_immunity_beside_the_direct_attack():
    prediction = np.ones((3, 2, 3, 2, 200), int)
    prediction[:2, :, 2] = 0  # nothing carries over to c, whose own attack always succeeds
    result = made(prediction, np.zeros((3, 2, 200), int))
    said = " ".join(sentences(summary_of(result), universality_of(result)))
    assert "c is nearly immune to others' inputs" in said
    assert "its own attack fools it on 100.0 %" in said
    prediction[2, :, 2] = 0  # now the attack on c fails, and a's inputs fool it
    prediction[0, :, 2] = 1
    result = made(prediction, np.zeros((3, 2, 200), int))
    said = " ".join(sentences(summary_of(result), universality_of(result)))
    assert "another's input fools c where its own attack fails" in said
