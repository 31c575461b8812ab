"""The decoded data set that processes share."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import bench as benches
from experiments.bench import Bench
from experiments.data.dataset import Dataset, Split
from experiments.data.decoded import SPLITS, keep_decoded, load_decoded, path_of


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path))


def test_what_is_kept_is_what_was_decoded(digits: Dataset) -> None:
    assert load_decoded(digits.name, digits.sha256) is None
    keep_decoded(digits)
    found = load_decoded(digits.name, digits.sha256)
    assert found is not None
    assert (found.name, found.sha256) == (digits.name, digits.sha256)
    for name in SPLITS:
        for one, other in zip(getattr(found, name), getattr(digits, name), strict=True):
            assert torch.equal(one, other)


def test_other_content_lies_elsewhere_and_damage_is_passed_over(digits: Dataset) -> None:
    keep_decoded(digits)
    other = Split(digits.test.images.clone(), 9 - digits.test.labels)
    keep_decoded(replace(digits, sha256="other", test=other))
    found = load_decoded(digits.name, digits.sha256)
    assert found is not None
    assert torch.equal(found.test.labels, digits.test.labels)
    whole = path_of(digits.sha256).read_bytes()
    path_of(digits.sha256).write_bytes(whole[: len(whole) // 2])
    assert load_decoded(digits.name, digits.sha256) is None


def test_a_disk_that_takes_nothing_is_no_obstacle(digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, where a directory should be")
    keep_decoded(digits)
    assert load_decoded(digits.name, digits.sha256) is None


def test_a_worker_maps_it(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_decoded(digits)
    monkeypatch.setattr(benches, "_LOADED", {})
    monkeypatch.setattr("experiments.data.dataset.load_again", None)  # would fail if it were called
    bench = Bench(digits.name, None, digits.sha256, "cpu", "tests")
    assert torch.equal(bench.load().train.images, digits.train.images)
