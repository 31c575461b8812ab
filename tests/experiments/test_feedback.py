"""The command ``controls`` on a small comparison, and the distilled student."""

from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console
from torch.nn.functional import cross_entropy

from experiments.feedback.command import control, student_of
from experiments.feedback.report import sections, sentences
from experiments.individuals import Train
from experiments.kept import Kept
from experiments.objective import distillation
from experiments.recipe import Recipe
from experiments.training import train
from figures.gains import gains
from networks import BlindspotsError, parameters, wiring_named

# --- distillation


def test_distillation_is_hintons() -> None:
    """KL from probabilities written out; at equal answers 0 with a gradient of 0."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(5, 4, generator=generator, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    p, q = (teacher / 3).softmax(1), (student / 3).softmax(1)
    expected = 9 * (p * (p / q).log()).sum(1).mean()
    found = distillation(student, teacher, 3.0)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, student)
    torch.testing.assert_close(gradient, 3 * (q - p) / 5)
    assert float(distillation(teacher, teacher, 3.0)) == pytest.approx(0)


def test_a_cold_teacher_that_is_sure_teaches_its_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0])
    sure = 100 * torch.nn.functional.one_hot(labels, 4).double()
    torch.testing.assert_close(distillation(student, sure, 1.0), cross_entropy(student, labels))


def test_a_student_learns_answers_not_labels(digits, tmp_path: Path) -> None:
    """Taught by a teacher who calls every 3 an 8, so does the student, on images it never saw."""

    base = train(
        *(wiring_named("FC10"), Recipe(epochs=8, batch=50, rate=1e-2), digits, 0),
        checkpoint=tmp_path / "base",
    )[0]

    def teacher(images: torch.Tensor) -> torch.Tensor:
        logits = base(images)
        called = torch.where(torch.arange(10) == 8, logits[:, [3, 8]].amax(1, keepdim=True), logits)
        return torch.where(torch.arange(10) == 3, logits.amin(1, keepdim=True), called)

    recipe = Recipe(epochs=8, batch=50, rate=1e-2, objective="distil")
    student, _ = train(
        *(wiring_named("FC10"), recipe, digits, 1), checkpoint=tmp_path / "student", teacher=teacher
    )
    answers, three = student(digits.test.images).argmax(1), digits.test.labels == 3
    assert float((answers[three] == 8).double().mean()) > 0.8
    assert float((answers == digits.test.labels)[~three].double().mean()) > 0.8
    for wrong, given in ((recipe, None), (Recipe(epochs=1, batch=50, rate=1e-2), teacher)):
        with pytest.raises(BlindspotsError, match="teacher"):
            train(
                *(wiring_named("FC10"), wrong, digits, 1),
                checkpoint=tmp_path / "no", teacher=given,
            )  # fmt: skip


def test_a_teacher_is_part_of_the_key(bench, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, batch=50, rate=1e-2, objective="distil")
    one, other = (Kept(tmp_path, sha256, bench) for sha256 in ("a", "b"))
    keys = {Train(wiring_named("FC10"), recipe, 0, bench, each).key for each in (None, one, other)}
    assert len(keys) == 3
    made_here = Train(wiring_named("fc-blt"), Recipe(epochs=1, batch=50, rate=1e-2), 0, bench)
    assert Train(wiring_named("FC10"), recipe, 0, bench, made_here).needs == (made_here,)


# --- the command


@pytest.fixture(scope="module")
def controlled(small_run: Path, here_on_digits) -> xr.Dataset:
    with here_on_digits():
        (result,) = control(
            small_run,
            ["fc-blt"],
            individual=0,
            images=30,
            epsilon=0.1,
            steps=4,
            data=None,
            workers=1,
            console=Console(quiet=True),
        )
    return result


def test_every_control_is_measured_image_by_image(controlled: xr.Dataset) -> None:
    assert dict(controlled["gains"].sizes) == {"gain": 6, "inputs": 5, "image": 30}
    for part in ("time", "paths", "gains", "distilled"):
        assert set(np.unique(controlled[part])) <= {0, 1}
        share = controlled[f"{part}_accuracy"]
        xr.testing.assert_allclose(share, controlled[part].mean("image"))
        assert (controlled[f"{part}_accuracy_low"] <= share).all()
        assert (controlled[f"{part}_accuracy_high"] >= share).all()


def test_the_same_question_has_the_same_answer_in_every_control(controlled: xr.Dataset) -> None:
    """Clean, and attacked through all paths at gain 1: four ways to ask, one accuracy."""
    own = controlled["gains"].sel(gain=1.0, inputs="crafted at gain 1").to_numpy()
    for other in (
        controlled["time"].sel(threat="static"),
        controlled["paths"].sel(path="all paths"),
        controlled["distilled"].sel(judge="teacher", shown="crafted on the teacher"),
        controlled["gains"].sel(gain=1.0, inputs="crafted at each gain"),
    ):
        np.testing.assert_array_equal(other.to_numpy(), own)
    clean = controlled["time"].sel(threat="clean").to_numpy()
    np.testing.assert_array_equal(controlled["gains"].sel(gain=1.0, inputs="clean"), clean)
    assert own.sum() < clean.sum()


def test_a_movie_is_no_weaker_than_what_it_contains(controlled: xr.Dataset) -> None:
    time = controlled["time"]
    for name in ("static", "early half", "late half"):
        assert (time.sel(threat="movie") <= time.sel(threat=name)).all()


def test_it_is_drawn_and_said(controlled: xr.Dataset, small_run: Path) -> None:
    out = small_run / "controls" / "fc-blt-0-0.1"
    assert {p.name for p in out.iterdir()} >= {"controls.nc", "report.html", "figures"}
    (panel,) = gains(controlled).subfigs[0].axes
    drawn = {tuple(line.get_ydata()) for line in panel.lines}
    for name in controlled["inputs"].to_numpy():
        assert tuple(100 * controlled["gains_accuracy"].sel(inputs=name).to_numpy()) in drawn
    text = unescape((out / "report.html").read_text())
    for section in sections(controlled):
        assert section.title in text
        assert all(len(row) == len(section.head) for row in section.rows)
    said = list(sentences(controlled))
    share = float(controlled["time_accuracy"].sel(threat="movie"))
    assert f"{100 * share:.1f} %" in said[0]
    assert len(said) == 9


def test_the_student_is_feedforward_of_equal_parameters(small_run: Path, bench) -> None:
    directory = small_run / "networks" / "fc-blt" / "individual-0"
    student = student_of(Kept(directory, "", bench), wiring_named("fc-blt"), bench)
    assert student.wiring.is_feedforward
    assert student.recipe.objective == "distil"
    matched = parameters(wiring_named("fc-blt"))
    assert parameters(student.wiring) == pytest.approx(matched, rel=0.02)
    control_of = wiring_named("fc-blt-control-params")
    assert student.wiring.replace(name=control_of.name) == control_of


def test_refusals(refused, small_run: Path, cache: Path) -> None:
    assert "'fc-b' has no lateral or top-down" in refused("controls", small_run, "fc-b")
    assert "ask for at most so many" in refused("controls", small_run, "fc-blt", "--images", 99)
