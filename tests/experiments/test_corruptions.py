"""Corruptions do what they say: to the image, with chance from the generator alone."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats

from experiments.corruptions import (
    CORRUPTIONS,
    MNIST_C,
    SWEEPS,
    Corruption,
    corrupt,
    corruptions_named,
)
from experiments.corruptions.light import plasma
from experiments.corruptions.official import check_labels, official_images, official_sha256
from experiments.data.dataset import Dataset
from networks import BlindspotsError

Images = NDArray[np.float32]
RISING = [  # their published constants grow; those of fog and spatter go up and down
    c for c in MNIST_C if len(c.levels) > 1 and c.name not in ("fog", "spatter")
]


def named(corruption: Corruption) -> str:
    return corruption.name


@pytest.fixture(scope="module")
def images(digits: Dataset) -> Images:
    found: Images = digits.test.images[:60, 0].numpy()
    return found


def spoiled(name: str, images: Images, severity: int | None = None, seed: int = 0) -> Images:
    return corrupt(name, images, severity=severity, generator=np.random.default_rng(seed))


def at(name: str, images: Images, *level: float, seed: int = 0) -> NDArray[np.floating]:
    return CORRUPTIONS[name].function(images, np.random.default_rng(seed), *level)


def rms(a: Images, b: Images) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def dot(row: int, column: int) -> Images:
    image = np.zeros((1, 28, 28), np.float32)
    image[0, row, column] = 1
    return image


def test_the_fifteen_of_mnist_c_are_there_with_their_defaults() -> None:
    assert [(c.name, c.default) for c in MNIST_C] == [
        *(("shot_noise", 5), ("impulse_noise", 4), ("glass_blur", 1), ("motion_blur", 1)),
        *(("shear", 2), ("scale", 3), ("rotate", 2), ("brightness", 5), ("translate", 3)),
        *(("stripe", 1), ("fog", 5), ("spatter", 4), ("dotted_line", 1), ("zigzag", 1)),
        ("canny_edges", 1),
    ]


@pytest.mark.parametrize("corruption", CORRUPTIONS.values(), ids=named)
def test_every_level_gives_images_from_the_generator_alone(
    corruption: Corruption, images: Images
) -> None:
    before = images.copy()
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    for severity in range(1, len(corruption.levels) + 1):
        once, again = (spoiled(corruption.name, images[:12], severity) for _ in range(2))
        assert once.shape == (12, 28, 28)
        assert once.dtype == np.float32
        assert once.min() >= 0
        assert once.max() <= 1
        assert rms(once, images[:12]) > 0.01
        np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # type: ignore[index]


@pytest.mark.parametrize("corruption", CORRUPTIONS.values(), ids=named)
def test_an_image_is_corrupted_alike_however_many_follow(
    corruption: Corruption, images: Images
) -> None:
    some = spoiled(corruption.name, images[:9], 1)
    np.testing.assert_allclose(some, spoiled(corruption.name, images, 1)[:9], atol=1e-6)


@pytest.mark.parametrize("name", ["shot_noise", "glass_blur", "rotate", "fog", "zigzag"])
def test_chance_differs_from_image_to_image_and_from_seed_to_seed(
    name: str, images: Images
) -> None:
    same = np.repeat(images[:1], 40, axis=0)
    made = spoiled(name, same)
    assert np.ptp(made, axis=0).max() > 0.1
    assert rms(made, spoiled(name, same, seed=1)) > 0.01


@pytest.mark.parametrize("corruption", RISING, ids=named)
def test_damage_grows_with_severity(corruption: Corruption, images: Images) -> None:
    levels = range(1, len(corruption.levels) + 1)
    far = [rms(spoiled(corruption.name, images, severity), images) for severity in levels]
    assert np.all(np.diff(far) > -0.01)
    assert far[-1] > 1.15 * far[0]


@pytest.mark.parametrize("sweep", SWEEPS, ids=named)
def test_sweeps_leave_the_image_at_their_neutral_level_and_harm_more_away_from_it(
    sweep: Corruption, images: Images
) -> None:
    np.testing.assert_allclose(at(sweep.name, images, sweep.neutral), images, atol=1e-6)
    values = np.array([level[0] for level in sweep.levels])
    assert np.all(np.diff(values) > 0)
    assert sweep.neutral not in values
    far = np.array([rms(spoiled(sweep.name, images, i + 1), images) for i in range(len(values))])
    for side in (values > sweep.neutral, values < sweep.neutral):
        outwards = far[side][np.argsort(np.abs(values[side] - sweep.neutral))]
        assert np.all(np.diff(outwards) > -0.015)


def test_shot_noise_is_poisson() -> None:
    grey = np.full((50, 28, 28), 0.5, np.float32)
    counts = np.rint(3 * at("shot_noise", grey, 3)).astype(int).ravel()
    assert abs(counts.mean() - 1.5) < 0.02
    expected = stats.poisson.pmf(range(5), 1.5)
    np.testing.assert_allclose(np.bincount(counts)[:5] / counts.size, expected, atol=0.01)


def test_impulses_strike_the_stated_share_in_black_and_white() -> None:
    grey = np.full((50, 28, 28), 0.5, np.float32)
    made = spoiled("impulse_noise", grey, 5)
    np.testing.assert_allclose((made == 0).mean(), 0.135, atol=0.01)
    np.testing.assert_allclose((made == 1).mean(), 0.135, atol=0.01)
    assert (made == 0.5).mean() > 0.7


def test_motion_streaks_a_dot_along_its_direction_without_loss() -> None:
    streaks = at("motion_blur", np.repeat(dot(13, 20), 30, axis=0), 3, 10)
    np.testing.assert_allclose(streaks.sum((1, 2)), 1, atol=1e-6)
    half = np.exp(-(np.arange(21) ** 2) / 18)
    np.testing.assert_allclose(streaks[:, 13, 20], half[0] / half.sum(), rtol=1e-6)
    for streak in streaks:
        rows, columns = np.nonzero(streak)
        assert columns.max() == 20
        slope = np.polyfit(columns, rows, 1)[0]
        assert abs(slope) < 1.1
        assert np.abs(rows - np.polyval(np.polyfit(columns, rows, 1), columns)).max() < 1


def test_glass_without_blur_only_exchanges_pixels_nearby(images: Images) -> None:
    made = at("glass_blur", images, 1e-6, 1, 2)
    np.testing.assert_allclose(np.sort(made.reshape(60, -1)), np.sort(images.reshape(60, -1)))
    assert rms(made, images) > 0.05


def test_glass_blurs_along_columns() -> None:
    flat = np.zeros((1, 28, 28), np.float32)
    flat[0, :, 13] = 1
    np.testing.assert_allclose(at("glass_blur", flat, 0.7, 0, 0), flat, atol=1e-6)


def test_shear_by_hand() -> None:
    """About (13.5, 13.5), the result at (r, c) shows cos(a) r and c - sin(a) r."""
    ramp = np.broadcast_to(np.arange(28) / 40, (20, 28, 28)).astype(np.float32)
    made = at("shear", ramp, 30.0)
    leaning = {round(float(image[15, 14] - image[13, 14]) * 40, 5) for image in made}
    assert leaning == {-1.0, 1.0}  # sin 30 degrees times two rows, either way
    tall = np.broadcast_to(np.arange(28)[:, None] / 40, (1, 28, 28)).astype(np.float32)
    np.testing.assert_allclose(
        at("shear", tall, 30.0)[0, 15, 14] * 40, 13.5 + np.cos(np.pi / 6) * 1.5, rtol=1e-6
    )


def test_a_quarter_turn_is_exact(images: Images) -> None:
    turned = at("rotate", images, 90.0)
    for image, result in zip(images, turned, strict=True):
        ways = [np.abs(np.rot90(image, k) - result).max() for k in (1, -1)]
        assert min(ways) < 1e-6
    left = [np.abs(np.rot90(i) - r).max() < 1e-6 for i, r in zip(images, turned, strict=True)]
    assert 15 < sum(left) < 45


def test_scale_by_a_half_is_a_small_square() -> None:
    square = np.zeros((1, 28, 28), np.float32)
    square[0, 6:22, 6:22] = 1
    small = spoiled("scale", square, 5)
    expected = np.zeros((28, 28))
    expected[10:18, 10:18] = 1
    np.testing.assert_allclose(small[0], expected, atol=0.5 + 1e-6)
    assert small[0, 10:18, 10:18].min() == 1
    assert small[0, :9].max() == small[0, 19:].max() == 0


def test_translate_moves_a_dot_diagonally() -> None:
    made = spoiled("translate", np.repeat(dot(10, 12), 40, axis=0), 3)
    places = {(int(row), int(column)) for _, row, column in np.argwhere(made)}
    assert places == {(10 + a, 12 + b) for a in (-3, 3) for b in (-3, 3)}
    assert set(np.unique(made)) == {0.0, 1.0}
    assert spoiled("translate", dot(1, 1), 3, seed=2).sum() in (0.0, 1.0)


def test_stripe_exchanges_black_and_white_in_the_outer_quarters() -> None:
    made = spoiled("stripe", dot(5, 3) + dot(5, 14))
    outer = np.r_[0:7, 21:28]
    assert made[0, 5, 3] == 0
    assert made[0][:, outer].sum() == 28 * 14 - 1
    np.testing.assert_array_equal(made[0, :, 7:21], dot(5, 14)[0, :, 7:21])


def test_brightness_and_contrast_by_hand() -> None:
    image = np.zeros((1, 28, 28), np.float32)
    image[0, :14] = 0.8
    bright = spoiled("brightness", image, 3)
    np.testing.assert_allclose(np.unique(bright), [0.3, 1.0], rtol=1e-6)
    flat = at("contrast", image, 0.25)
    np.testing.assert_allclose(np.unique(flat), [0.3, 0.5], rtol=1e-6)


def test_clouds_are_rougher_where_noise_falls_off_slowly() -> None:
    smooth, rough = (plasma(6, np.random.default_rng(0), decay) for decay in (2.0, 1.4))
    for cloud in (smooth, rough):
        assert cloud.shape == (6, 28, 28)
        assert cloud.min() >= 0
        assert cloud.max() <= 1
    steps = [np.abs(np.diff(cloud, axis=2)).mean() for cloud in (smooth, rough)]
    assert steps[1] > 2 * steps[0]


def test_fog_keeps_white_and_black_images_black(images: Images) -> None:
    assert spoiled("fog", np.zeros((2, 28, 28), np.float32)).max() == 0
    image = np.ones((1, 28, 28), np.float32)
    cloud = plasma(1, np.random.default_rng(0), 2.0)
    np.testing.assert_allclose(spoiled("fog", image, 1), (1 + 1.5 * cloud) / 2.5, rtol=1e-5)
    assert spoiled("fog", images).mean() > images.mean() + 0.1


def test_spatter_is_mud_of_one_grey_over_the_image() -> None:
    black, white = np.zeros((9, 28, 28), np.float32), np.ones((9, 28, 28), np.float32)
    mud, covered = spoiled("spatter", black), spoiled("spatter", white)
    assert 0 < (mud > 0).mean() < 0.5
    assert mud.max() <= 63 / 255 + 1e-6
    assert mud[mud > 0].min() > 0.79 * 63 / 255
    thickness = mud * 255 / 63
    np.testing.assert_allclose(covered, 1 - thickness + mud, atol=1e-5)


def test_dotted_lines_run_from_edge_to_edge_two_on_two_off() -> None:
    made = spoiled("dotted_line", np.zeros((20, 28, 28), np.float32))
    lit = np.nonzero(made.max((0, 1)))[0]
    assert list(lit) == [c for c in range(27) if c % 4 >= 2]
    for line in made:
        columns = lit[line[:, lit].max(0) > 0.9]
        peaks = line.argmax(0)[columns]
        assert np.abs(peaks - np.polyval(np.polyfit(columns, peaks, 1), columns)).max() < 1


def test_zigzags_go_up_and_down_around_a_line() -> None:
    made = spoiled("zigzag", np.zeros((30, 28, 28), np.float32))
    centre = [line for line in made if 8 < np.nonzero(line.sum(1))[0].mean() < 19]
    assert len(centre) > 5
    for line in centre:
        rows = line.argmax(0)[4:24].astype(float)
        rows -= np.polyval(np.polyfit(range(20), rows, 1), range(20))
        turns = np.count_nonzero(np.diff(np.sign(rows[np.abs(rows) > 0.7])))
        assert 3 <= turns <= 6
        assert line[:, :1].max() == line[:, 27:].max() == 0


def test_canny_finds_the_closed_outline_of_a_square() -> None:
    square = np.zeros((2, 28, 28), np.float32)
    square[0, 8:20, 8:20] = 1
    edges = spoiled("canny_edges", square)
    assert set(np.unique(edges)) == {0.0, 1.0}
    assert edges[1].max() == 0
    rows, columns = np.nonzero(edges[0])
    distance = np.maximum(np.abs(rows - 13.5), np.abs(columns - 13.5))
    assert distance.min() >= 5
    assert distance.max() <= 7
    assert ndimage.label(edges[0], np.ones((3, 3)))[1] == 1
    assert ndimage.label(edges[0] == 0)[1] == 2  # inside and outside
    np.testing.assert_array_equal(edges[0], edges[0].T)


def test_canny_keeps_weak_edges_only_where_a_strong_one_joins_them() -> None:
    step = np.zeros((3, 28, 28), np.float32)
    heights = np.linspace(0.035, 0.09, 28)[:, None]  # times about 3.2: the size of the gradient
    step[0, :, 14:] = heights
    step[1, :, 14:] = 0.04
    step[2, :, 14:] = 0.02
    joined, weak, none = spoiled("canny_edges", step).max(2)
    assert weak.max() == none.max() == 0
    assert joined[1:-1].mean() > 0.9


def test_corruptions_by_name_and_by_group() -> None:
    assert corruptions_named(["mnist-c"]) == MNIST_C
    assert corruptions_named(["fog", "mnist-c", "fog"])[1:] == tuple(
        c for c in MNIST_C if c.name != "fog"
    )
    assert len(corruptions_named(["mnist-c", "sweeps"])) == len(CORRUPTIONS)
    assert corruptions_named([]) == ()
    with pytest.raises(BlindspotsError, match="did you mean 'fog'"):
        corruptions_named(["fogg"])


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "severity": (lambda: spoiled("fog", dot(0, 0), 6), "no severity 6; choose from 1 to 5"),
    "severity of a fixed one": (lambda: spoiled("stripe", dot(0, 0), 2), "choose from 1 to 1"),
    "zero": (lambda: spoiled("fog", dot(0, 0), 0), "no severity 0"),
    "sweep without a level": (lambda: spoiled("rotation", dot(0, 0)), "choose a level from 1 to 6"),
    "shape": (lambda: spoiled("fog", dot(0, 0)[0]), r"shape \(N, 28, 28\), not \(28, 28\)"),
    "type": (lambda: spoiled("fog", dot(0, 0).astype(np.uint8)), "divide by 255"),  # type: ignore[arg-type]
    "range": (lambda: spoiled("fog", 255 * dot(0, 0)), "from 0 to 1"),
    "not a number": (lambda: spoiled("fog", np.nan * dot(0, 0)), "from 0 to 1"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_corrupted_is_refused(wrong: str) -> None:
    call, says = WRONG[wrong]
    with pytest.raises(BlindspotsError, match=says):
        call()


# --- the files of MNIST-C


def written(directory: Path, array: NDArray[np.generic], name: str = "test_images.npy") -> Path:
    (directory / "fog").mkdir(exist_ok=True)
    np.save(directory / "fog" / name, array)
    return directory


def test_official_files_are_read_as_they_are(tmp_path: Path) -> None:
    array = np.zeros((10000, 28, 28, 1), np.uint8)
    array[3, 4, 5] = 255
    written(tmp_path, array)
    assert np.argwhere(official_images(tmp_path, "fog")).tolist() == [[3, 4, 5]]
    first = official_sha256(tmp_path, "fog")
    array[0, 0, 0] = 1
    assert official_sha256(written(tmp_path, array), "fog") != first
    labels = np.arange(10000) % 10
    check_labels(tmp_path, "fog", labels)  # without a file of labels
    written(tmp_path, labels.astype(np.uint8), "test_labels.npy")
    check_labels(tmp_path, "fog", labels)
    with pytest.raises(BlindspotsError, match="not those of MNIST's test images"):
        check_labels(tmp_path, "fog", labels[::-1])


def test_official_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BlindspotsError, match=r"There is no .*test_images\.npy"):
        official_images(tmp_path, "fog")
    with pytest.raises(BlindspotsError, match="did you mean 'fog'"):
        official_images(tmp_path, "fogs")
    with pytest.raises(BlindspotsError, match=r"uint8 \(10, 28, 28, 1\), MNIST-C has uint8"):
        official_images(written(tmp_path, np.zeros((10, 28, 28, 1), np.uint8)), "fog")
    floats = np.zeros((10000, 28, 28, 1), np.float16)
    with pytest.raises(BlindspotsError, match="holds float16"):
        official_images(written(tmp_path, floats), "fog")
    with pytest.raises(BlindspotsError, match="cannot be read"):
        official_images(written(tmp_path, np.array([{"code": 1}], object)), "fog")  # type: ignore[type-var]
    (tmp_path / "fog" / "test_images.npy").write_bytes(b"")
    with pytest.raises(BlindspotsError, match="cannot be read"):
        official_images(tmp_path, "fog")


@pytest.mark.slow
@pytest.mark.parametrize("corruption", MNIST_C, ids=named)
def test_means_and_variances_agree_with_the_official_files(corruption: Corruption) -> None:
    """Over 2000 images; fog is rougher in MNIST-C along one axis, blur rounds to whole greys."""
    directory, data = os.environ.get("BLINDSPOTS_MNIST_C"), os.environ.get("BLINDSPOTS_DATA")
    if not (directory and data):
        pytest.skip("BLINDSPOTS_MNIST_C and BLINDSPOTS_DATA name no directories of MNIST-C, MNIST")
    from experiments.data.dataset import load_data

    clean: Images = load_data(Path(data)).test.images[:2000, 0].numpy()
    ours = spoiled(corruption.name, clean)
    theirs = official_images(Path(directory), corruption.name)[:2000] / np.float32(255)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=0.03, atol=0.003)
    np.testing.assert_allclose(ours.var(), theirs.var(), rtol=0.05, atol=0.003)
