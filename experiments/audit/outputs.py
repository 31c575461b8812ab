"""Checks of what the model answers, before any attack: is it fit to be attacked along gradients?"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from experiments.audit.finding import Finding, outcome
from experiments.audit.subject import Subject

PASSES = 5
SPREAD = 1e-4  # Euclidean, of logits scaled to unit length (AutoAttack)
SUM = 1e-5
LEVELS = 0.1  # distinct values per logit below which the logits are counts


def spread(subject: Subject) -> float:
    """How far the answers to the same images lie apart, relative to their length; at most."""
    passes = torch.stack([subject.answers(subject.images) for _ in range(PASSES)])
    length = torch.linalg.vector_norm(passes, dim=2, keepdim=True).clamp_min(1e-12)
    scaled = passes / length
    return float(torch.linalg.vector_norm(scaled - scaled[:1], dim=2).max())


def is_random(subject: Subject) -> bool:
    """Whether the same images are answered differently from pass to pass."""
    return spread(subject) > SPREAD


def determinism(subject: Subject) -> Finding:
    """1. Five passes give the same answers (AutoAttack's `check_randomized`)."""
    apart = spread(subject)
    random = apart > SPREAD
    sentence = (
        f"Answers to the same images differ by up to {apart:.2g} of their length: one draw neither "
        "fools nor withstands, and gradients want averaging over draws."
        if random
        else f"{PASSES} passes gave the same answers."
    )
    found = outcome(failed=False, doubtful=random)
    return Finding("determinism", found, apart, "relative", sentence)


def outputs(subject: Subject) -> Finding:
    """2. Logits, not probabilities; not so coarse that classes tie.

    A tie goes to the class of the lower number everywhere in blindspots, as `argmax` has it: an
    image whose own class ties with a later one counts as right.
    """
    logits = subject.answers(subject.images)
    inside = bool(((logits >= 0) & (logits <= 1)).all())
    if inside and bool(((logits.sum(1) - 1).abs() <= SUM).all()):
        sure = float((logits.amax(1) == 1).float().mean())
        sentence = (
            f"The answers are probabilities (of exactly 1 for {100 * sure:.0f} % of images), whose "
            "gradient vanishes where the model is sure; give logits."
        )
        return Finding("outputs", "fail", sure, "share saturated", sentence)
    top = logits.topk(2, dim=1).values
    ties = float((top[:, 0] == top[:, 1]).float().mean())
    levels = len(logits.unique()) / logits.numel()
    coarse = levels < LEVELS
    sentence = (
        f"{100 * ties:.1f} % of images tie between two classes, of which the first counts; "
        f"{'coarse answers' if coarse else 'answers'} with {levels:.2f} distinct values per logit."
    )
    found = outcome(failed=False, doubtful=ties > 0 or coarse)
    return Finding("outputs", found, ties, "share tied", sentence)


@contextmanager
def gradients_watched() -> Iterator[list[str]]:
    """Names of the gradient functions that are called inside."""
    called: list[str] = []

    def noting(name: str, original: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return original(*args, **kwargs)

        return noted

    with (
        patch("torch.autograd.grad", noting("grad", torch.autograd.grad)),
        patch("torch.autograd.backward", noting("backward", torch.autograd.backward)),
    ):
        yield called


def dynamic_inference(subject: Subject) -> Finding:
    """5. Inference takes no gradients (AutoAttack's `check_dynamic`), and training is over."""
    with gradients_watched() as called, torch.enable_grad():
        subject.model(subject.images[:2])
    if called:
        sentence = (
            f"The model calls {called[0]} while it answers: it optimises at inference, and a "
            "gradient through that is not the gradient of its answer."
        )
        return Finding("dynamic inference", "fail", len(called), "calls", sentence)
    changed = trained_on(subject)
    if changed:
        sentence = (
            f"The model is in training mode, in which {100 * changed:.0f} % of answers differ."
        )
        return Finding("dynamic inference", "fail", changed, "share changed", sentence)
    sentence = "No gradient is taken at inference, and the model is not in training mode."
    return Finding("dynamic inference", "pass", 0.0, "calls", sentence)


def trained_on(subject: Subject) -> float:
    """The share of images whose logits differ in evaluation mode; 0 where chance explains it."""
    if not isinstance(subject.model, nn.Module) or not subject.model.training:
        return 0.0
    training, evaluated = deepcopy(subject.model), deepcopy(subject.model).eval()
    with torch.no_grad():
        as_is = training(subject.images)
        quiet, again = evaluated(subject.images), evaluated(subject.images)
    if not torch.equal(quiet, again):  # random in either mode
        return 0.0
    return float((as_is != quiet).any(1).float().mean())
