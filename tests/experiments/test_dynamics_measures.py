"""Measures of dynamics against numbers by hand and other formulas."""

import numpy as np
import pytest
import xarray as xr

from experiments.dynamics.measures import (
    decisions,
    divergence,
    drive_measures,
    outcomes,
    planes,
)
from experiments.dynamics.measures.geometry import geometry, linear_cka, participation_ratio

STEPS, IMAGES = 5, 3
ANSWERS = [2, 3, 4]


@pytest.fixture
def recordings() -> xr.Dataset:
    """Two areas, one of them the output, with random activity under three conditions."""
    rng = np.random.default_rng(5)
    conditions = ["clean", "adversarial", "noise"]
    dims = ("condition", "time", "image")
    h1 = rng.normal(size=(3, STEPS, IMAGES, 6)).astype(np.float32)
    out = rng.normal(size=(3, STEPS, IMAGES, 3)).astype(np.float32)
    parts = rng.normal(size=(3, 3, STEPS, IMAGES, 6))
    found = xr.Dataset(
        {
            "h1.output": ((*dims, "h1.unit"), h1),
            "output.output": ((*dims, "output.unit"), out),
            "output.potential": ((*dims, "output.unit"), out),
            "h1.drive_by_kind": (("condition", "kind", *dims[1:], "h1.unit"), parts),
            "output.drive_by_kind": (
                ("condition", "kind", *dims[1:], "output.unit"), parts[..., :3],
            ),
            "logits": (("condition", "image", "class"), out[:, ANSWERS].mean(1)),
        },
        coords={
            "condition": conditions, "time": np.arange(STEPS), "label": ("image", [0, 1, 2]),
            "kind": ["bias", "feedforward", "lateral"],
        },
    )  # fmt: skip
    return found.assign_attrs(answers=np.array(ANSWERS), output="output")


def test_divergence_is_the_rms_over_units(recordings: xr.Dataset) -> None:
    found = divergence(recordings).sel(area="h1", condition="noise")
    h1 = recordings["h1.output"].to_numpy().astype(float)
    by_hand = np.sqrt(((h1[2] - h1[0]) ** 2).mean(-1))
    np.testing.assert_allclose(found["divergence"], by_hand, rtol=1e-5)
    clean = np.sqrt((h1[0] ** 2).mean((0, 2)))
    np.testing.assert_allclose(found["relative_divergence"], by_hand / clean, rtol=1e-5)


def test_a_silent_area_has_no_relative_divergence(recordings: xr.Dataset) -> None:
    recordings["h1.output"][0, :, 1] = 0
    found = divergence(recordings).sel(area="h1")
    assert found["relative_divergence"].isel(image=1).isnull().all()
    assert found["divergence"].isel(image=1).notnull().all()
    assert found["relative_divergence"].isel(image=0).notnull().all()


def test_the_running_answer_ends_as_the_network_does(recordings: xr.Dataset) -> None:
    found = decisions(recordings)
    last = found["running_answer"].isel(time=-1)
    np.testing.assert_array_equal(last, recordings["logits"].argmax("class"))
    assert (found["running_answer"].isel(time=[0, 1]) == -1).all()
    assert found["running_margin"].isel(time=[0, 1]).isnull().all()
    out, label = recordings["output.potential"].to_numpy(), [0, 1, 2]
    for image in range(IMAGES):
        others = [c for c in range(3) if c != label[image]]
        by_hand = out[1, 3, image, label[image]] - out[1, 3, image, others].max()
        assert float(found["margin"][1, 3, image]) == pytest.approx(by_hand)
        so_far = out[1, 2:4, image].mean(0)
        by_hand = so_far[label[image]] - so_far[others].max()
        assert float(found["running_margin"][1, 3, image]) == pytest.approx(by_hand, abs=1e-6)


def answered(clean: list[int], perturbed: list[int]) -> xr.Dataset:
    """The outcomes of one image of class 1, of running answers by step."""
    answer = xr.DataArray(
        np.array([clean, perturbed], np.int8)[..., None],
        {"condition": ["clean", "adversarial"], "time": np.arange(len(clean))},
        ("condition", "time", "image"),
    )
    found = outcomes(xr.Dataset({"running_answer": answer}), xr.DataArray([1], dims="image"))
    return found.sel(condition="adversarial").isel(image=0)


@pytest.mark.parametrize(
    ("clean", "perturbed", "flip", "astray", "back"),
    [
        ([-1, 1, 1, 1, 1], [-1, 1, 1, 1, 1], np.nan, False, False),
        ([-1, 1, 1, 1, 1], [-1, 1, 1, 7, 7], 3, True, False),
        ([-1, 1, 1, 1, 1], [-1, 7, 1, 7, 3], 3, True, False),
        ([-1, 1, 1, 1, 1], [-1, 7, 7, 1, 1], np.nan, True, True),
        ([-1, 7, 1, 1, 1], [-1, 7, 1, 1, 1], np.nan, False, False),  # slow when clean, too
        ([-1, 7, 7, 7, 7], [-1, 7, 7, 7, 7], np.nan, False, False),  # wrong when clean
        ([-1, 1, 1, 1, 1], [-1, 7, 7, 7, 7], 1, True, False),
    ],
)
def test_flips_and_recoveries(
    clean: list[int], perturbed: list[int], flip: float, astray: bool, back: bool
) -> None:
    found = answered(clean, perturbed)
    np.testing.assert_equal(float(found["flip_time"]), flip)
    assert bool(found["led_astray"]) is astray
    assert bool(found["recovered"]) is back
    assert found["right"].to_numpy().tolist() == [a if a < 0 else int(a == 1) for a in perturbed]


def test_shares_of_drive_sum_to_one(recordings: xr.Dataset) -> None:
    found = drive_measures(recordings)
    np.testing.assert_allclose(found["drive_share"].sum("kind"), 1, rtol=1e-6)
    parts = recordings["h1.drive_by_kind"].to_numpy()
    sizes = np.sqrt((parts**2).mean(-1))  # condition, kind, time, image
    by_hand = sizes[1, 2] / sizes[1].sum(0)
    here = found["drive_share"].sel(condition="adversarial", kind="lateral", area="h1")
    np.testing.assert_allclose(here, by_hand)


def test_feedback_that_takes_back_half_the_change_lies_at_minus_a_half(
    recordings: xr.Dataset,
) -> None:
    drive = recordings["h1.drive_by_kind"]
    below = drive.sel(kind="feedforward")
    drive.loc[{"kind": "lateral"}] = -0.5 * below + 3  # a constant is no change
    found = drive_measures(recordings)["along_feedforward"].sel(area="h1", kind="lateral")
    np.testing.assert_allclose(found.sel(condition=["adversarial", "noise"]), -0.5, atol=1e-9)
    assert found.sel(condition="clean").isnull().all()


def test_the_push_of_all_kinds_is_what_the_margin_gains(recordings: xr.Dataset) -> None:
    found = drive_measures(recordings)["push"].sel(condition="adversarial")
    logits = recordings["logits"].sel(condition="adversarial").to_numpy()
    drive = recordings["output.drive_by_kind"].to_numpy().sum(1)
    for image, label in enumerate((0, 1, 2)):
        rival = max((c for c in range(3) if c != label), key=lambda c: logits[image, c])
        gain = (drive[1] - drive[0])[:, image]
        np.testing.assert_allclose(
            found.sum("kind")[:, image], gain[:, label] - gain[:, rival], atol=1e-6
        )


def test_participation_ratio_of_known_spectra() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    sides = np.zeros((6, 8))  # three pairs of opposite points: three equal eigenvalues
    for at in range(3):
        sides[2 * at, at], sides[2 * at + 1, at] = 1, -1
    assert participation_ratio(sides @ turn + 5) == pytest.approx(3)
    assert participation_ratio(np.outer(rng.normal(size=9), rng.normal(size=4))) == pytest.approx(1)
    activity = rng.normal(size=(30, 8)) * np.arange(1, 9)
    values = np.linalg.eigvalsh(np.cov(activity.T))
    assert participation_ratio(activity) == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert np.isnan(participation_ratio(np.full((5, 4), 0.3)))


def test_cka_against_its_definition_by_features() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 5)), rng.normal(size=(20, 7))
    x, y = x - x.mean(0), y - y.mean(0)
    top = (np.linalg.norm(y.T @ x) ** 2) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert linear_cka(x, y) == pytest.approx(top)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert linear_cka(x, 3 * x @ turn + 2) == pytest.approx(1)


def test_geometry_compares_conditions_with_the_clean_one(recordings: xr.Dataset) -> None:
    found = geometry(recordings)
    h1 = recordings["h1.output"].to_numpy().astype(float)
    here = found.sel(area="h1").isel(time=2)
    assert float(here["cka"].sel(condition="noise")) == pytest.approx(
        linear_cka(h1[0, 2], h1[2, 2])
    )
    assert np.isnan(here["cka"].sel(condition="clean"))
    assert float(here["participation_ratio"].sel(condition="clean")) == pytest.approx(
        participation_ratio(h1[0, 2])
    )


def test_a_plane_is_that_of_all_clean_states(recordings: xr.Dataset) -> None:
    """Against the singular vectors of the centred states."""
    recordings.attrs["input"] = "pixels"
    recordings["pixels.output"] = (
        ("condition", "time", "image", "pixels.unit"),
        np.ones((3, 5, 3, 4)),
    )
    recordings["h1.potential"] = recordings["h1.output"] ** 2
    for units, quantity in (("relu", "output"), ("lif", "potential")):
        recordings["h1.output"].attrs["unit_model"] = units
        found = planes(recordings)
        assert [n for n in found if str(n).endswith(".plane")] == ["h1.plane", "output.plane"]
        assert found["h1.plane"].attrs["quantity"] == quantity
        clean = recordings[f"h1.{quantity}"].to_numpy()[0].astype(float)
        rows = clean.reshape(-1, 6)
        _, sizes, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
        np.testing.assert_allclose(found["h1.explained"], (sizes**2 / (sizes**2).sum())[:2])
        signs = np.sign((found["h1.plane"].to_numpy() * axes[:2]).sum(1))
        np.testing.assert_allclose(found["h1.plane"], signs[:, None] * axes[:2], atol=1e-9)
        ends = signs * ((clean[-1] - rows.mean(0)) @ axes[:2].T)
        np.testing.assert_allclose(found["h1.ends"], ends, atol=1e-9)
        np.testing.assert_array_equal(found["fitted_label"], recordings["label"])
    recordings["h1.potential"] = 0 * recordings["h1.potential"]
    assert "h1.plane" not in planes(recordings)  # it never moves
    assert not planes(recordings.isel(image=[0, 1]))
