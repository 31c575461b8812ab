"""Streams for attacks: one T2 for all lags."""

import numpy as np
import pytest
import torch

from experiments.blink.pictures import Noise


@pytest.mark.parametrize("where", ["target", "distractor"])
def test_all_lags_share_their_second_targets_down_to_the_noise(scene, digits, where):
    stage = scene(where)
    trials = stage.trials(digits.test.labels.numpy())
    frames = stage.frames(trials, digits.test.images, Noise(sd=0.3))
    assert set(trials.t2) == {10}
    assert trials.lag.tolist() == [1] * 3 + [3] * 3
    targets = frames[torch.arange(6), torch.from_numpy(trials.t2)]
    torch.testing.assert_close(targets[:3], targets[3:])
    if where == "target":
        np.testing.assert_array_equal(trials.t2 - trials.t1, trials.lag)
        assert (stage.place(trials) == trials.t2).all()
    else:
        assert (trials.t1 == -1).all()
        np.testing.assert_array_equal(stage.place(trials), trials.t2 - trials.lag)


def test_a_lone_target_is_that_of_the_lags(scene, digits):
    pair, alone = (scene(where).trials(digits.test.labels.numpy()) for where in ("target", "alone"))
    np.testing.assert_array_equal(alone.label[:, 10], pair.label[:3, 10])
    assert len(alone) == 3
    assert (alone.t1 == -1).all()


def test_a_long_lag_moves_the_target_on(scene, digits):
    trials = scene("target", lags=(2, 9)).trials(digits.test.labels.numpy())
    assert set(trials.t2) == {11}
    assert trials.task.items == 16
