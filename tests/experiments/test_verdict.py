"""The verdict says what the data show, no more, on results with a known answer."""

import re

import numpy as np
import pytest

from experiments.statistics import summarise
from experiments.verdict import verdict
from experiments.verdict.gradients import misled, outdone
from experiments.verdict.wording import listed, p_value, points, reference, signed, span
from networks.errors import BlindspotsError

NAMES = ["fc-b", "fc-blt", "fc-blt-control-params"]
CONTRASTS = [
    ("recurrence", "fc-blt", "fc-b"),
    ("parameters-matched control", "fc-blt", "fc-blt-control-params"),
]
IMAGES = 400


@pytest.fixture
def make(make_result):
    """A result in which each network is right on a given share of the images everywhere."""

    def build(shares, *, attacks=("noise-linf", "pgd-linf"), individuals=5, **options):
        result = make_result(
            [*shares], attacks, individuals=individuals, images=IMAGES, missing=(), **options
        )
        order = np.random.default_rng(0).permutation(IMAGES)
        for at, share in enumerate(shares.values()):
            right = order < round(share * IMAGES)
            measured = result["correct"][at] >= 0
            result["correct"][at] = np.where(measured, right, -1)
            result["clean_correct"][at] = np.where(result["clean_correct"][at] >= 0, 1, -1)
        noise = {"attack": [a for a in attacks if a.startswith("noise")]}
        shaken = result["correct"].loc[noise]
        result["correct"].loc[noise] = shaken.where(shaken < 0, 1)
        return result

    return build


def speak(result, contrasts=CONTRASTS):
    summary = summarise(result, contrasts, generator=np.random.default_rng(0), resamples=200)
    return verdict(summary, result)


def one(sentences, *words):
    """The only sentence with all the words."""
    found = [s for s in sentences if all(word in s for word in words)]
    assert len(found) == 1, found
    return found[0]


def none(sentences, word):
    assert not [s for s in sentences if word in s]


def test_helps_more_than_its_control(make):
    said = speak(make({"fc-b": 0.4, "fc-blt": 0.6, "fc-blt-control-params": 0.45}))
    for view in ("White-box:", "Same inputs", "Worst case"):
        text = one(said, view, "recurrence helps (fc-blt against fc-b)")
        assert "+20.0 points" in text
        assert "Holm p < 0.001" in text
        assert "5 of 5 pairs" in text
        assert "fc-blt-control-params" in text
        assert "such a feedforward network gives less" in text
    none(said, "Warning: only")


def test_helps_no_more_than_its_control(make):
    said = speak(make({"fc-b": 0.4, "fc-blt": 0.6, "fc-blt-control-params": 0.6}))
    text = one(said, "White-box:", "recurrence helps")
    assert "no difference shown, so such a feedforward network may give as much" in text


def test_a_control_alone_is_spoken_of(make):
    said = speak(make({"fc-blt": 0.6, "fc-blt-control-params": 0.4}), CONTRASTS[1:])
    one(said, "White-box: what fc-blt has beyond its control helps")


def test_hurts(make):
    said = speak(make({"fc-b": 0.6, "fc-blt": 0.4, "fc-blt-control-params": 0.6}))
    assert "such a feedforward network gives more" in one(said, "White-box:", "recurrence hurts")


def test_no_difference_names_what_is_excluded(make):
    said = speak(make({"fc-b": 0.5, "fc-blt": 0.5}))
    text = one(said, "White-box:", "no difference shown for recurrence")
    assert re.search(r"The interval reaches \d+\.\d points\.", text)


def test_an_interval_without_the_test_is_a_tendency(make):
    result = make({"fc-b": 0.4, "fc-blt": 0.6})
    result["correct"][1, 4] = result["correct"][0, 4]  # one individual shows nothing
    text = one(speak(result), "White-box:", "recurrence tends to help, which is not shown")
    assert "adjusted for all contrasts, is not passed" in text


def test_without_contrasts_the_setting_is_all(make):
    short, only = speak(make({"fc-b": 0.5, "fc-blt": 0.5}), [])
    assert "no two of these networks differ in one factor alone" in short
    assert "0 contrasts" in only


def test_in_short_counts_contrasts_by_outcome_and_factor(make):
    shares = {"fc-b": 0.4, "fc-blt": 0.6, "fc-blt-control-params": 0.6}
    short = speak(make(shares))[0]
    assert "Raises robust accuracy: recurrence (1 of 1 contrasts)." in short
    assert "No difference shown: parameters-matched control (1 of 1 contrasts)." in short


def test_size_without_control_is_not_ruled_out(make):
    said = speak(make({"fc-b": 0.4, "fc-blt": 0.6}))
    assert "1.9 times the parameters of fc-b" in one(said, "White-box:", "recurrence helps")


@pytest.mark.parametrize(("share", "word"), [(0.0, "floor"), (1.0, "ceiling")])
def test_floor_and_ceiling_tell_nothing(make, share, word):
    text = one(speak(make({"fc-b": share, "fc-blt": share})), "White-box:", "fc-blt against fc-b")
    assert "cannot be told" in text
    assert word in text
    assert "excluded" not in text


def test_masked_gradients_are_named(make):
    result = make({"fc-b": 0.4, "fc-blt": 0.6})
    own = {"network": "fc-blt", "source": "fc-blt", "attack": "pgd-linf"}
    result["correct"].loc[own] = 1
    assert misled(result)["fc-blt"].source in ("independent-1", "fc-b")
    assert "fc-b" not in misled(result)
    said = speak(result)
    one(said, "Warning: white-box figures of fc-blt are not to be trusted", "masked gradients")
    assert "Not to be trusted: inputs crafted elsewhere fool fc-blt" in one(
        said, "White-box:", "recurrence helps"
    )
    none([s for s in said if s.startswith(("Worst", "Same"))], "Not to be trusted")


def test_a_union_of_sources_that_beats_the_white_box_is_named(make):
    result = make({"fc-b": 0.5, "fc-blt": 0.5})
    right = result["correct"].sel(network="fc-blt", source="fc-blt", attack="pgd-linf")
    other = {"network": "fc-blt", "source": "fc-b", "attack": "pgd-linf"}
    flipped = right.copy()
    flipped[..., :40], flipped[..., 40:] = 0, 1
    result["correct"].loc[other] = flipped
    summary = summarise(result, CONTRASTS, generator=np.random.default_rng(0), resamples=50)
    assert set(outdone(summary)) == {"fc-blt"}
    assert misled(result) == {}
    one(verdict(summary, result), "Warning: white-box accuracy exceeds", "fc-blt (")


def test_one_step_stronger_than_many(make):
    result = make({"fc-b": 0.5, "fc-blt": 0.5}, attacks=("fgsm-linf", "pgd-linf"))
    result["correct"].loc[{"network": "fc-b", "attack": "fgsm-linf"}] = 0
    text = one(speak(result), "one step (fgsm-linf)")
    assert "fc-b more than many steps (pgd-linf)" in text
    assert "50.0 points" in text


def by_queries(result, attack="fgsm-linf"):
    """The result with one of its attacks as one of queries, of another name."""
    at = [str(a) for a in result["attack"].values].index(attack)
    names, kinds = result["attack"].values.astype(object), result["kind"].values.astype(object)
    names[at], kinds[at] = "square-linf", "query"
    return result.assign_coords(attack=[*names], kind=("attack", [*kinds]))


def test_queries_stronger_than_the_gradient_are_a_sign_of_masked_gradients(make):
    result = by_queries(make({"fc-b": 0.5, "fc-blt": 0.5}, attacks=("fgsm-linf", "pgd-linf")))
    none(speak(result), "queries")
    result["correct"].loc[{"network": "fc-b", "attack": "square-linf"}] = 0
    text = one(speak(result), "Warning: queries without any gradient (square-linf)")
    assert "fool fc-b more than many steps along it (pgd-linf) do" in text
    assert "50.0 points" in text
    assert "masked gradients" in text
    none(speak(result), "one step")


def test_adaptive_steps_outdone_by_queries_are_told_of_too(make):
    result = by_queries(make({"fc-b": 0.5}, attacks=("fgsm-linf", "pgd-linf")))
    names = [str(name).replace("pgd", "apgd") for name in result["attack"].values]
    result = result.assign_coords(attack=names).assign_attrs(reference_attack="apgd-linf")
    result["correct"].loc[{"network": "fc-b", "attack": "square-linf"}] = 0
    assert "(apgd-linf) do" in one(speak(result), "Warning: queries without any gradient")


@pytest.mark.parametrize(
    ("norm", "says"), [("linf", "largest"), ("l2", "root-mean-squared"), ("l1", "mean absolute")]
)
def test_the_headline_says_what_epsilon_measures(make, norm, says):
    result = make({"fc-b": 0.5}, attacks=("pgd-linf",))
    one(speak(result.assign_coords(norm=("attack", [norm]))), f"({says} change,")


def test_queries_outdone_from_elsewhere_say_nothing_of_gradients(make):
    """They may have been too few; and under another norm they compare with nothing."""
    result = make({"fc-b": 0.4, "fc-blt": 0.6}, attacks=("fgsm-linf", "pgd-l2"))
    result = by_queries(result).assign_attrs(reference_attack="square-linf")
    result["correct"].loc[{"network": "fc-blt", "source": "fc-blt", "attack": "square-linf"}] = 1
    assert misled(result) == {}
    said = speak(result)
    assert "too few queries" in one(said, "Warning: white-box accuracy exceeds", "fc-blt (")
    none(said, "masked gradients")


def test_queries_do_not_depend_on_the_surrogate(make):
    contrasts = [("units", "fc-b-spiking", "fc-b")]
    result = make({"fc-b": 0.5, "fc-b-spiking": 0.4}, attacks=("fgsm-linf", "pgd-linf"))
    said = speak(by_queries(result), contrasts)
    one(said, "surrogate gradient of training, and by queries without it (square-linf);")
    alone = by_queries(result.sel(attack=["fgsm-linf"])).assign_attrs(
        reference_attack="square-linf"
    )
    none(speak(alone, contrasts), "surrogate")


def test_an_ensemble_follows_several_surrogates(make):
    result = make({"fc-b": 0.5, "fc-b-spiking": 0.4}, attacks=("fgsm-linf", "pgd-linf"))
    kinds = result["kind"].where(result["attack"] != "pgd-linf", "ensemble")
    said = speak(result.assign_coords(kind=kinds), [("units", "fc-b-spiking", "fc-b")])
    none(said, "surrogate gradient of training")


def test_queries_that_do_no_more_than_noise_are_named(make):
    result = by_queries(
        make({"fc-b": 0.5, "fc-blt": 0.5}, attacks=("noise-linf", "fgsm-linf", "pgd-linf"))
    )
    result["correct"].loc[{"network": "fc-b", "attack": "square-linf"}] = 1
    one(speak(result), "square-linf did nothing more than noise-linf to fc-b")


def test_accuracy_that_rises_with_epsilon(make):
    result = make({"fc-b": 0.5, "fc-blt": 0.5})
    result["correct"].loc[{"network": "fc-b", "attack": "pgd-linf", "epsilon": 0.3}] = 1
    one(speak(result), "Warning: under pgd-linf", "fc-b rises with epsilon")


def test_noise_as_harmful_as_the_attack(make):
    result = make({"fc-b": 0.5, "fc-blt": 0.5})
    noise = {"network": "fc-b", "attack": "noise-linf", "source": "independent-1"}
    result["correct"].loc[noise] = result["correct"].sel(
        network="fc-b", attack="pgd-linf", source="fc-b"
    )
    one(speak(result), "pgd-linf did nothing more than noise-linf to fc-b (50.0 % against 50.0 %)")


def test_clean_differences_and_common_images(make):
    result = make({"fc-b": 0.5, "fc-blt": 0.5})
    result["clean_correct"][1, :, :40] = 0
    said = speak(result)
    text = one(said, "differ already on clean images")
    assert "-10.0 points" in text
    assert "360 images" in text


def test_sound_results_carry_no_warning(make):
    said = speak(make({"fc-b": 0.4, "fc-blt": 0.6, "fc-blt-control-params": 0.45}))
    none(said, "Warning")


def test_individuals_sources_names_and_data(make_result):
    result = make_result(
        ["fc-b", "fc-bl", "my-network"], data="scikit-learn digits (8x8 upsampled)"
    )
    result = result.assign_coords(network=["fc-b", "binarised-fc", "my-network"])
    result = result.assign_coords(source=["independent-1", "fc-b", "binarised-fc"])
    said = speak(result, [("input", "binarised-fc", "fc-b")])
    assert "not MNIST" in one(said, "Warning: the data are scikit-learn digits")
    one(said, "Warning: only 1 individual of my-network")
    one(said, "Warning: only 3 individuals of fc-b and binarised-fc")
    one(said, "Warning: my-network could not be attacked white-box")
    one(said, "Warning: the input of binarised-fc is binarised")


def test_fewer_sources_flatter(make):
    result = make({"fc-b": 0.5, "fc-blt": 0.5})
    result["correct"].loc[{"network": "fc-blt", "source": "fc-b"}] = -1
    one(speak(result), "fewer sources than the 3", "fc-blt (2)")


def test_nothing_is_ever_proven(summary, result):
    said = verdict(summary, result)
    assert said[0].startswith("In short, in the worst case over all sources")
    assert said[1].startswith("Measured on 150 images of MNIST with 1-3 individuals")
    assert not re.search(r"\bprov|\bsignifican|\bnan\b", " ".join(said), re.IGNORECASE)
    assert all(s.endswith(".") for s in said)


def test_a_reference_that_was_not_run_is_an_error(summary):
    with pytest.raises(BlindspotsError, match=r"0\.07"):
        reference(summary.assign_attrs(reference_epsilon=0.07))
    with pytest.raises(BlindspotsError, match="cw"):
        reference(summary.assign_attrs(reference_attack="cw"))


def test_wording():
    assert points(0.0312) == "+3.1 points"
    assert signed(-0.0001) == "0.0"
    assert p_value(0.0009) == "p < 0.001"
    assert listed(["a"]) == "a"
    assert span([1, 5]) == "1-5"


def test_spikes_are_said_to_be_attacked_by_one_surrogate_alone(make):
    result = make({"fc-b": 0.5, "fc-b-spiking": 0.4})
    said = speak(result, [("units", "fc-b-spiking", "fc-b")])
    one(said, "Warning: fc-b-spiking was attacked through the surrogate gradient")
    one(said, "Warning: a spiking network differs from its rate twin in memory")


def test_a_larger_control_is_said_to_be_larger(make):
    result = make({"fc-b": 0.4, "fc-blt": 0.6, "fc-blt-control-params": 0.7})
    sizes = result["parameters"].copy(data=[100, 200, 700])
    text = one(speak(result.assign_coords(parameters=sizes)), "White-box:", "recurrence helps")
    assert "fc-blt-control-params, with 3.5 times the parameters" in text
