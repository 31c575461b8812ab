"""Checks of models that answer by chance: is it the number that is robust, or only the draw?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from experiments.attacks.victim import Model
from experiments.audit.finding import Finding, not_applicable
from experiments.audit.grade import graded
from experiments.audit.outputs import is_random
from experiments.audit.subject import Subject
from experiments.verdict.wording import percent

DRAWS = (1, 5, 20, 50)
PLATEAU = 0.02  # accuracy by which more draws may still lower it
FRESH = 20  # draws on which a verdict rests


@contextmanager
def fixed(model: object, seed: int) -> Iterator[None]:
    """All chance starts from one seed inside, and goes on afterwards as if nothing had been drawn.

    PyTorch's own, and that of the model's `generator` if it has one.
    """
    own = getattr(model, "generator", None)
    sources = [own] if isinstance(own, torch.Generator) else []
    states = [each.get_state() for each in sources]
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for each in sources:
                each.manual_seed(seed)
            yield
    finally:
        for each, state in zip(sources, states, strict=True):
            each.set_state(state)


def frozen_at(model: Model, seed: int) -> Model:
    """The model with the same draw at every call."""

    def answer(inputs: Tensor) -> Tensor:
        with fixed(model, seed):
            return model(inputs)

    return answer


def averaged(model: Model, draws: int) -> Model:
    """The model's mean answer over so many draws (expectation over transformation)."""

    def answer(inputs: Tensor) -> Tensor:
        return torch.stack([model(inputs) for _ in range(draws)]).mean(0)

    return answer


def fresh_accuracy(subject: Subject, inputs: Tensor, rows: Tensor) -> float:
    """The share of draws on which inputs (n, ...) are answered rightly; expected accuracy."""
    draws = [subject.withstood(inputs, rows).float().mean() for _ in range(FRESH)]
    return float(torch.stack(draws).mean())


def random_draws(subject: Subject) -> Finding:
    """15. A random model withstands neither one frozen draw nor gradients averaged over draws.

    Athalye et al. 2018, section 4.2. With one seed frozen the model is an ordinary network and
    must fall as one. Then the attack averages over 1, 5, 20 and 50 draws, until more of them
    lower accuracy no further; what counts is the accuracy on fresh draws, against the claim.
    """
    if not is_random(subject):
        return not_applicable("random draws", "The model answers without chance.")
    rows = subject.subset[: subject.allowance.few]
    claimed = float(subject.standing[rows].float().mean())
    frozen = frozen_at(subject.model, 0)
    inputs = aimed(subject, rows, frozen)
    with torch.no_grad():
        one_draw = float((frozen(inputs).argmax(1) == subject.labels[rows]).float().mean())
    redrawn = fresh_accuracy(subject, subject.claimed[rows], rows)
    reached: list[float] = []
    for draws in DRAWS:
        made = aimed(subject, rows, averaged(subject.model, draws))
        reached.append(fresh_accuracy(subject, made, rows))
        if len(reached) > 1 and min(reached[:-1]) - reached[-1] < PLATEAU:
            break
    worst = min(reached)
    apart = 100 * max(claimed - worst, abs(claimed - redrawn))
    found = graded(apart, len(rows), round(apart * len(rows) / 100))
    sentence = (
        f"On {len(rows)} images: claimed {percent(claimed)}, on fresh draws {percent(redrawn)}; "
        f"with one draw frozen {percent(one_draw)}; averaged over {DRAWS[: len(reached)]} draws "
        f"{', '.join(percent(each) for each in reached)}."
    )
    return Finding("random draws", found, apart, "points", sentence)


def aimed(subject: Subject, rows: Tensor, model: Callable[[Tensor], Tensor]) -> Tensor:
    """Inputs that go on after the first success, which on a random model may be luck.

    The whole batch stays together, so that a frozen draw is the same at every step.
    """
    return subject.attacked(
        rows,
        attack=f"pgd-{subject.claim.entry.norm}",
        model=model,
        keep_going=True,
        what="random draws",
        steps=subject.allowance.steps,
    )
