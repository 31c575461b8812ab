"""Splits, parts and scored images: disjoint, complete, and the same each time."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from experiments.data.dataset import (
    DIGITS,
    VALIDATION,
    Dataset,
    Split,
    load_again,
    load_data,
    part_of,
    scored_images,
)
from networks.errors import BlindspotsError


def made_up(seed: int = 0) -> list[NDArray[np.uint8]]:
    """Arrays like MNIST's, with fewer images; no two images are alike."""
    rng = np.random.default_rng(seed)
    arrays = []
    for count in (VALIDATION + 1000, 300):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays += [images, rng.integers(0, 10, count, dtype=np.uint8)]
    arrays[0][0, 0, :2] = (0, 255)
    return arrays


@pytest.fixture
def as_mnist(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    """Load given arrays as though they were MNIST's."""

    def load(arrays: list[NDArray[np.uint8]]) -> Dataset:
        monkeypatch.setattr("experiments.data.dataset.find", lambda *_: arrays)
        return load_data()

    return load


def rows(*splits: Split) -> list[bytes]:
    """Every image with its label, sorted."""
    return sorted(
        image.numpy().tobytes() + bytes([int(label)])
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    )


@pytest.mark.parametrize("fallback", [True, False])
def test_forms_and_ranges(as_mnist: Callable[..., Dataset], fallback: bool) -> None:
    data = load_again(DIGITS, None) if fallback else as_mnist(made_up())
    for split in (data.train, data.validation, data.test):
        assert split.images.shape == (len(split.labels), 1, 28, 28)
        assert (split.images.dtype, split.labels.dtype) == (torch.float32, torch.int64)
        assert (split.images.min(), split.images.max()) == (0, 1)
        assert set(split.labels.tolist()) == set(range(10))


@pytest.mark.parametrize("fallback", [True, False])
def test_no_image_is_in_two_splits(as_mnist: Callable[..., Dataset], fallback: bool) -> None:
    data = load_again(DIGITS, None) if fallback else as_mnist(made_up())
    together = rows(data.train, data.validation, data.test)
    assert len(set(together)) == len(together) == (1797 if fallback else VALIDATION + 1300)


def test_the_test_images_are_mnists_own(as_mnist: Callable[..., Dataset]) -> None:
    arrays = made_up()
    data = as_mnist(arrays)
    assert data.name == "MNIST"
    assert len(data.validation.labels) == VALIDATION
    assert np.array_equal(data.test.images[:, 0].numpy(), arrays[2] / np.float32(255))
    assert np.array_equal(data.test.labels.numpy(), arrays[3])


def test_training_and_validation_are_all_that_was_given(as_mnist: Callable[..., Dataset]) -> None:
    arrays = made_up()
    data = as_mnist(arrays)
    given = torch.from_numpy(arrays[0] / np.float32(255))[:, None]
    assert rows(data.train, data.validation) == rows(Split(given, torch.from_numpy(arrays[1])))
    # Drawn at random: MNIST's order is not, so its last images would be other ones.
    assert not torch.equal(data.validation.images[0], given[len(data.train.labels)])


def test_splits_and_hash_are_the_same_each_time(as_mnist: Callable[..., Dataset]) -> None:
    one, two, other = as_mnist(made_up()), as_mnist(made_up()), as_mnist(made_up(seed=1))
    for split in ("train", "validation", "test"):
        assert torch.equal(getattr(one, split).images, getattr(two, split).images)
        assert torch.equal(getattr(one, split).labels, getattr(two, split).labels)
    assert one.sha256 == two.sha256 != other.sha256


@pytest.mark.parametrize("at", range(4))
def test_the_hash_is_of_every_array(as_mnist: Callable[..., Dataset], at: int) -> None:
    changed = made_up()
    changed[at].flat[7] ^= 1
    assert as_mnist(changed).sha256 != as_mnist(made_up()).sha256


def test_parts_are_disjoint_and_cover() -> None:
    data = load_again(DIGITS, None)
    for parts in (1, 2, 3):
        pieces = [part_of(data.train, part, parts) for part in range(parts)]
        assert rows(*pieces) == rows(data.train)
        assert max(len(p.labels) for p in pieces) - min(len(p.labels) for p in pieces) <= 1
    again, other = part_of(data.train, 0, 2), part_of(data.train, 0, 2, seed=1)
    assert torch.equal(part_of(data.train, 0, 2).images, again.images)
    assert not torch.equal(again.labels, other.labels)


def test_scored_images_are_a_fixed_beginning() -> None:
    data = load_again(DIGITS, None)
    few, few_at = scored_images(data, 10)
    many, many_at = scored_images(data, 200)
    assert np.array_equal(many_at[:10], few_at)
    assert torch.equal(many.images[:10], few.images)
    assert torch.equal(many.images, data.test.images[torch.from_numpy(many_at)])
    assert torch.equal(many.labels, data.test.labels[torch.from_numpy(many_at)])
    assert len(set(many_at.tolist())) == 200


@pytest.mark.parametrize("count", [0, -1, 501])
def test_as_many_images_as_there_are(count: int) -> None:
    with pytest.raises(BlindspotsError, match=f"{count} test images .* 1 to 500"):
        scored_images(load_again(DIGITS, None), count)
