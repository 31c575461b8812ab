import numpy as np
import pytest
from scipy.optimize import curve_fit

from experiments.blink import cousineau, humans
from experiments.blink.cousineau import Cousineau
from networks.errors import BlindspotsError


def test_the_descriptive_function_by_hand():
    described = Cousineau(sparing=0.34, width=0.20, floor=0.32, depth=0.58)
    # at lag 1 the argument of the logarithm is l e^b, whose distance from b is ln l
    first = 0.58 * (1 - np.exp(-(np.log(0.34) ** 2))) + 0.32
    assert described(np.array([1.0]))[0] == pytest.approx(first)
    assert described(np.array([1 + np.exp(0.2) * (1 - 0.34)]))[0] == pytest.approx(0.32)
    assert described(np.array([1e9]))[0] == pytest.approx(0.90)


def test_berkeley_has_its_parameters():
    human = humans.sample()
    found = cousineau.fit(human.lag, human.accuracy)
    values = [found.sparing, found.width, found.floor, found.depth]
    np.testing.assert_allclose(values, [0.34, 0.20, 0.32, 0.58], atol=0.011)
    rmse = np.sqrt(np.mean((found(human.lag) - human.accuracy) ** 2))
    assert rmse == pytest.approx(0.005, abs=0.001)


@pytest.mark.parametrize("name", ["Warwick", "MIT", "Western", "SydneyObject", "SydneyWord"])
def test_the_likeliest_curve_is_near_that_of_least_squares(name):
    human = humans.samples()[name]
    found = cousineau.fit(human.lag, human.accuracy)
    bounds = ([0, np.log(0.75), 0, 0], [1, 2.5, 1, 1])
    best, _ = curve_fit(
        lambda lag, *values: Cousineau(*values)(lag),
        *(human.lag, human.accuracy, [0.4, 0.7, 0.1, 0.5]),
        bounds=bounds,
    )
    rmse, least = (
        np.sqrt(np.mean((curve(human.lag) - human.accuracy) ** 2))
        for curve in (found, Cousineau(*best))
    )
    assert least - 1e-9 <= rmse < least + 0.005


def test_known_parameters_are_found_again():
    lag = np.arange(1.0, 9.0)
    truth = Cousineau(0.5, 0.4, 0.25, 0.6)
    found = cousineau.fit(lag, truth(lag), np.full(8, 500.0))
    np.testing.assert_allclose(found(lag), truth(lag), atol=1e-3)
    assert found.width == pytest.approx(0.4, abs=0.02)


def test_lags_weigh_as_their_trials():
    lag, human = np.arange(1.0, 8.0), humans.sample().accuracy.copy()
    human[2] = 0.9
    trials = np.full(7, 100.0)
    trials[2] = 0
    without = cousineau.fit(lag, human, trials)
    assert without(lag)[2] == pytest.approx(humans.sample().accuracy[2], abs=0.05)


def test_three_lags_are_too_few():
    with pytest.raises(BlindspotsError, match="cannot be fitted to 3 lags; give at least four"):
        cousineau.fit(np.arange(1.0, 4.0), np.array([0.8, 0.3, 0.5]))


def test_six_samples_of_118_people():
    found = humans.samples()
    assert list(found) == [*("Berkeley", "Warwick", "MIT", "Western", "SydneyObject", "SydneyWord")]
    assert sum(each.participants for each in found.values()) == 118
    assert humans.sample("Berkeley", "T1").accuracy[0] == 0.926
    assert set(humans.REVERSALS) == set(found)


def test_the_mean_normalised_curve_is_that_of_the_samples():
    curves = [
        humans.at(
            each.accuracy / each.accuracy[each.lag_ms >= 600].mean(),
            *(each.lag_ms, humans.NORMALISED_MS),
        )
        for each in humans.samples().values()
    ]
    # at 200 to 600 ms all samples are interpolated; where the first lag of one comes after 100 ms
    # or the last before 700 ms it does not count
    np.testing.assert_allclose(np.nanmean(curves, 0)[1:], humans.NORMALISED[1:], atol=0.015)
    np.testing.assert_allclose(
        np.nanstd(curves, 0, ddof=1)[1:], humans.NORMALISED_SD[1:], atol=0.02
    )


def test_a_flat_line_is_far_and_the_function_near():
    found = humans.references()
    assert found["flat line"].rmse == pytest.approx(0.176, abs=5e-4)
    assert np.isnan(found["flat line"].r)
    assert found["Cousineau"].rmse == pytest.approx(0.005, abs=0.001)
    assert found["Cousineau"].r > 0.999
    flat, described = (found[name].log_likelihood for name in ("flat line", "Cousineau"))
    assert flat < described < found["Cousineau"].best_log_likelihood


def test_a_curve_that_was_measured_at_other_intervals_is_interpolated():
    ms = np.arange(50.0, 751.0, 50.0)
    human = humans.sample()
    curve = np.interp(ms, human.lag_ms, human.accuracy)
    assert humans.fit(curve, ms).rmse == pytest.approx(0, abs=1e-12)
    found = humans.fit(curve + 0.05, ms)
    assert found.rmse == pytest.approx(0.05)
    assert found.r == pytest.approx(1)
    assert found.z.shape == (7,)


def test_refusals():
    with pytest.raises(BlindspotsError, match="no sample 'Berkely'; did you mean 'Berkeley'"):
        humans.sample("Berkely")
    with pytest.raises(BlindspotsError, match="'MIT' has no 'T1'"):
        humans.sample("MIT", "T1")
    assert np.isnan(humans.fit(np.array([0.8, 0.3]), np.array([100.0, 200.0])).rmse)
