"""What sensory networks are shown in their lessons, and that these teach."""

import pytest
import torch

from experiments.blink.pictures import ring
from experiments.blink.recipes import Schooling
from experiments.blink.schooling import lesson, teach, told_apart
from experiments.data.dataset import Dataset
from networks import wiring_named
from networks.viewing import DISTRACTOR, EMPTY, viewing
from sim import Network


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_lesson_has_what_it_says(digits: Dataset) -> None:
    how = Schooling(noise=0.0, contrast=1.0, rings=0.5)
    images, labels = digits.train.images[:800], digits.train.labels[:800]
    taught = lesson(images, labels, how, generator())
    assert taught.items.shape == (200, 4, 1, 28, 28)
    kinds, ringed = taught.kinds.flatten(), taught.ringed.flatten()
    items = taught.items.flatten(0, 1)
    for kind, share in ((DISTRACTOR, how.distractors), (EMPTY, how.blanks)):
        assert float((kinds == kind).float().mean()) == pytest.approx(share, abs=0.06)
    whole = kinds < DISTRACTOR
    assert (kinds[whole] == labels[whole]).all()
    torch.testing.assert_close(items[whole & ~ringed], images[whole & ~ringed])
    assert not items[(kinds == EMPTY) & ~ringed].any()
    on_ring = ring().bool().expand(int(ringed.sum()), 1, 28, 28)
    assert (items[ringed][on_ring] >= 0.3).all()
    changed = (items != images).flatten(1).any(1)
    assert changed[(kinds == DISTRACTOR) & ~ringed].float().mean() > 0.95


def test_lessons_teach(digits: Dataset) -> None:
    """Far more than chance is known of the test images after a few seconds; nothing before."""
    how = Schooling(epochs=5, streams=8, noise=0.1)
    wiring = viewing(wiring_named("fc-b"), how.dt_ms)
    exam = lesson(digits.test.images[:400], digits.test.labels[:400], how, generator())
    raw = told_apart(Network.initial(wiring, 0), exam, 8)
    known = told_apart(teach(wiring, how, digits.train, 0), exam, 8)
    assert raw["digits"] < 0.3
    assert known["digits"] > 0.5
    assert known["blanks"] > 0.9


def test_the_same_seed_teaches_the_same(digits: Dataset) -> None:
    how = Schooling(epochs=1, streams=64)
    wiring = viewing(wiring_named("fc-b"), how.dt_ms)
    a, b, c = (teach(wiring, how, digits.validation, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a.values[k], b.values[k]) for k in a.values)
    assert not torch.equal(a.values["bias/output"], c.values["bias/output"])
