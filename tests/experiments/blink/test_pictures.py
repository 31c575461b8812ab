import numpy as np
import pytest
import torch

from experiments.blink.letters import letters
from experiments.blink.pictures import Noise, pictures, ring, shuffled
from experiments.blink.streams import LETTERS, Kind, streams
from experiments.blink.task import condition_named
from networks.errors import BlindspotsError

CLEAR = Noise(contrast=1.0, sd=0.0)


@pytest.fixture(scope="module")
def images(labels):
    """Blots, each of its own brightness, within the box that digits have."""
    generator = torch.Generator().manual_seed(0)
    found = torch.zeros(len(labels), 1, 28, 28)
    size = (len(labels), 1, 20, 20)
    found[..., 4:24, 4:24] = (torch.rand(size, generator=generator) - 0.6).clamp(min=0) * 2
    return found


def shown(name, labels, images, noise=CLEAR, seed=0, per_lag=2, **changes):
    drawn = streams(condition_named(name).but(**changes), per_lag, labels, np.random.default_rng(1))
    return drawn, pictures(drawn, images, noise, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("patch", [4, 7, 14])
def test_shuffling_moves_every_patch_and_keeps_all_pixels(patch):
    images = torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    moved = shuffled(images, patch, torch.Generator().manual_seed(1))
    assert torch.equal(moved.flatten(1).sort(1).values, images.flatten(1).sort(1).values)
    across = 28 // patch
    for i in range(3):
        seen = set()
        for row in range(across):
            for column in range(across):
                at = (slice(row * patch, (row + 1) * patch), slice(column * patch, None))
                new = moved[i, 0][at][:, :patch]
                assert not torch.equal(new, images[i, 0][at][:, :patch])
                seen.add(tuple(new.flatten().tolist()))
        old = images[i, 0].unfold(0, patch, patch).unfold(1, patch, patch)
        assert seen == {tuple(each.flatten().tolist()) for each in old.reshape(-1, patch, patch)}


def test_digits_are_shown_as_they_are_and_scrambled_ones_are_not(labels, images):
    drawn, seen = shown("dual", labels, images)
    assert seen.shape == (16, 20, 1, 28, 28)
    whole = images[torch.from_numpy(drawn.image)]
    same = (seen == whole).flatten(2).all(2).numpy()
    assert (same == (drawn.kind == Kind.DIGIT)).all()
    torch.testing.assert_close(seen.mean((2, 3, 4)), whole.mean((2, 3, 4)))


def test_targets_and_distractors_are_equally_bright(labels, images):
    drawn, seen = shown("letters", labels, images, per_lag=6)
    bright = seen.mean((2, 3, 4)).numpy()
    digit, letter = (bright[drawn.kind == kind] for kind in (Kind.DIGIT, Kind.DISTRACTOR))
    error = digit.std() * np.sqrt(1 / len(digit) + 1 / len(letter))
    assert abs(digit.mean() - letter.mean()) < 4 * error
    assert letter.std() == pytest.approx(digit.std(), rel=0.35)


def test_letters_have_the_ink_that_is_asked_for_and_are_deformed_anew():
    codes = torch.arange(len(LETTERS)).repeat(4)
    ink = torch.linspace(0.06, 0.2, len(codes))
    seen = letters(codes, ink, torch.Generator().manual_seed(0))
    assert seen.min() >= 0
    assert seen.max() <= 1
    torch.testing.assert_close(seen.mean((1, 2, 3)), ink, atol=2e-3, rtol=0)
    assert not torch.equal(seen[0], seen[len(LETTERS)])
    again = letters(codes, ink, torch.Generator().manual_seed(0))
    assert torch.equal(seen, again)


def test_letters_of_one_kind_are_more_alike_than_letters_of_two():
    codes = torch.arange(len(LETTERS)).repeat(20)
    seen = letters(codes, torch.full((len(codes),), 0.11), torch.Generator().manual_seed(0))
    half = seen.reshape(20, len(LETTERS), -1)
    templates, held = half[:10].mean(0), half[10:].flatten(0, 1)
    nearest = torch.cdist(held, templates).argmin(1)
    assert (nearest == torch.arange(len(LETTERS)).repeat(10)).float().mean() > 0.6  # 0.05 by chance


def test_holes_are_holes():
    at = LETTERS.index("D")
    seen = letters(torch.tensor([at]), torch.tensor([0.1]), torch.Generator().manual_seed(0))
    assert seen[0, 0, 12:16, 12:16].max() == 0


def test_rings_surround_what_is_cued(labels, images):
    drawn, seen = shown("cued", labels, images)
    on_ring = (seen * ring()).sum((2, 3, 4)) / ring().sum()
    assert (on_ring[torch.from_numpy(drawn.cue)] > 0.89).all()
    assert (on_ring[torch.from_numpy(~drawn.cue)] < 0.2).all()
    axis = np.arange(28) - 13.5
    radius = np.hypot(axis[:, None], axis)
    assert (ring()[0].numpy() == ((radius > 12.3) & (radius < 13.6))).all()


def test_ignoring_shows_the_pixels_of_its_twin(labels, images):
    twin = shown("dual-ringed", labels, images, Noise())[1]
    assert torch.equal(twin, shown("ignore-t1", labels, images, Noise())[1])


def test_what_is_left_out_changes_nothing_else(labels, images):
    dual, (drawn, seen) = (
        shown("dual", labels, images, Noise())[1],
        shown("t2-last", labels, images, Noise()),
    )
    blank = torch.from_numpy(drawn.kind == Kind.BLANK)
    assert torch.equal(seen[~blank], dual[~blank])
    assert (seen[blank] == 0).all()


def test_difficulty_and_salience(labels, images):
    drawn, seen = shown("t1-salient", labels, images, Noise(contrast=0.5, sd=0))
    rows = np.arange(len(drawn))
    first = images[torch.from_numpy(drawn.image[rows, drawn.t1])]
    second = images[torch.from_numpy(drawn.image[rows, drawn.t2])]
    torch.testing.assert_close(seen[rows, drawn.t1], 0.7 * first)
    torch.testing.assert_close(seen[rows, drawn.t2], 0.5 * second)


def test_noise_is_fresh_and_of_its_size(labels):
    grey = torch.full((len(labels), 1, 28, 28), 0.5)
    _, seen = shown("dual", labels, grey, Noise(contrast=1, sd=0.1))
    assert seen.std().item() == pytest.approx(0.1, rel=0.02)
    assert seen.min() >= 0
    assert seen.max() <= 1
    other = shown("dual", labels, grey, Noise(contrast=1, sd=0.1), seed=1)[1]
    both = torch.stack([seen.flatten(), other.flatten()])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.02


def test_another_split_is_refused(labels, images):
    with pytest.raises(BlindspotsError, match="give the images of the split that they were drawn"):
        shown("dual", labels, images[:5])
