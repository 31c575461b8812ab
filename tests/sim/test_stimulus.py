"""Codes and the binarised input: what is emitted, and what gradient they let through."""

import numpy as np
import pytest
import torch

from networks import BlindspotsError, Constant, Latency, Poisson, wiring_named
from networks.derive import coded
from sim import Network, encode
from sim.stimulus import binarise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def shades(*values):
    return torch.tensor(values).reshape(1, 1, 1, -1)


def test_constant_repeats_the_very_same_tensor():
    images = torch.rand(2, 1, 4, 4, generator=generator())
    frames = encode(Constant(), images, 5)
    assert len(frames) == 5
    assert all(frame is images for frame in frames)


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_poisson_fires_at_the_rate_of_the_intensity(gain):
    """Within 4.5 binomial standard errors at each of 50 shades; black never, full white always."""
    images = torch.linspace(0, 1, 50).reshape(1, 1, 1, -1).expand(8, 1, 5, 50)
    spikes = torch.stack(list(encode(Poisson(gain=gain), images, 500, generator())))
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    rate = spikes.mean((0, 1, 2, 3)).numpy()
    expected = gain * np.linspace(0, 1, 50)
    error = np.sqrt(expected * (1 - expected) / (500 * 8 * 5))
    assert (np.abs(rate - expected) <= 4.5 * error + 1e-6).all()
    assert rate[0] == 0


def test_poisson_draws_anew_for_each_step_and_pixel():
    frames = torch.stack(list(encode(Poisson(), torch.full((20, 1, 20, 20), 0.5), 2, generator())))
    joint = frames.prod(0).mean().item()
    assert abs(joint - 0.25) < 4.5 * np.sqrt(0.25 * 0.75 / 8000)
    neighbours = (frames[..., 1:] * frames[..., :-1]).mean().item()
    assert abs(neighbours - 0.25) < 0.02


def test_poisson_needs_a_generator_and_repeats_with_it():
    images = torch.rand(3, 1, 6, 6, generator=generator())
    with pytest.raises(BlindspotsError, match=r"torch\.Generator"):
        encode(Poisson(), images, 3)
    one, same, other = (
        torch.stack(list(encode(Poisson(), images, 9, generator(seed)))) for seed in (4, 4, 5)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_poisson_in_a_network_repeats_with_its_generator():
    wiring = wiring_named("fc-b-spiking")
    values = dict(Network.initial(wiring, seed=0).values.items())
    images = torch.rand(2, 1, 28, 28, generator=generator())
    logits = [
        Network(coded(wiring, Poisson()), values, generator(seed))(images).detach()
        for seed in (1, 1, 2)
    ]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


def test_latency_brighter_is_earlier_and_dark_is_silent():
    images = shades(1.0, 0.8, 0.5, 0.21, 0.06, 0.04, 0.0)
    frames = torch.stack(list(encode(Latency(threshold=0.05), images, 11)))[:, 0, 0, 0]
    assert frames.sum(0).tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert frames.argmax(0)[:5].tolist() == [0, 2, 5, 8, 9]  # round(10 (1 - x))


def test_latency_order_for_any_image():
    x = torch.rand(400, generator=generator()) * 0.9 + 0.1
    frames = torch.stack(list(encode(Latency(), x.reshape(1, 1, 20, 20), 30))).reshape(30, 400)
    assert (frames.sum(0) == 1).all()
    times = frames.argmax(0)[x.argsort(descending=True)]
    assert (times.diff() >= 0).all()
    assert times[0] < times[-1]


@pytest.mark.parametrize(
    ("code", "slope"),
    [(Constant(), 1.0), (Poisson(), 1.0), (Poisson(gain=0.4), 0.4), (Latency(), 1 / 6)],
)
def test_gradients_pass_straight_through(code, slope):
    """Each frame's derivative is the probability's or the mean's, for dark pixels too."""
    images = torch.rand(2, 1, 3, 3, generator=generator())
    images[0, 0, 0] = 0
    images.requires_grad_()
    weights = torch.rand(6, 2, 1, 3, 3, generator=generator(1))
    frames = torch.stack(list(encode(code, images, 6, generator(2))))
    (frames * weights).sum().backward()
    torch.testing.assert_close(images.grad, slope * weights.sum(0))


def test_binarise_cuts_strictly_above_and_lets_gradients_through():
    frame = shades(0.0, 0.49, 0.5, 0.51, 1.0).requires_grad_()
    cut = binarise(frame, 0.5)
    assert cut.flatten().tolist() == [0, 0, 0, 1, 1]
    (cut * shades(1.0, 2.0, 3.0, 4.0, 5.0)).sum().backward()
    assert frame.grad.flatten().tolist() == [1, 2, 3, 4, 5]
    assert binarise(frame, None) is frame


def test_the_binarised_network_sees_black_and_white():
    grey, cut = wiring_named("FC100-100-10"), wiring_named("FC100-100-10-binarised")
    values = dict(Network.initial(grey, seed=0).values.items())
    images = torch.rand(4, 1, 28, 28, generator=generator())
    expected = Network(grey, values)((images > 0.5).float())
    torch.testing.assert_close(Network(cut, values)(images), expected)
    movie = images.expand(4, 4, 1, 28, 28).clone()
    torch.testing.assert_close(Network(cut, values)(movie), expected)


@pytest.mark.parametrize("size", [(28, 28), (1, 28, 28), (2, 784), (2, 1, 27, 28), (2, 3, 28, 28)])
def test_images_of_another_shape_are_refused(size):
    network = Network.initial(wiring_named("fc-b"), seed=0)
    with pytest.raises(BlindspotsError, match=r"'fc-b' takes images \(N, 1, 28, 28\).*not \(") as e:
        network(torch.zeros(size))
    assert str(size) in str(e.value)


def test_movies_of_another_length_are_refused():
    network = Network.initial(wiring_named("fc-b"), seed=0)
    with pytest.raises(BlindspotsError, match=r"movies \(7, N, \.\.\.\), not \(6, 2, 1, 28, 28\)"):
        network(torch.zeros(6, 2, 1, 28, 28))
