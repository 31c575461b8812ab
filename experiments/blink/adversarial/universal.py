"""A universal distractor: one perturbation of a distractor that makes T2 missed in any stream.

Crafted on streams of validation images, a fresh minibatch at every step, each with fresh noise on
its pixels and inside (Moosavi-Dezfooli et al. 2017, arXiv 1610.08401; by projected steps along the
mean gradient, each trial's aim cut off below: Shafahi et al. 2020, arXiv 1811.11304). It always
stands the same number of items before the target that it was crafted for.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from experiments.attacks.names import Norm
from experiments.blink.adversarial.craft import (
    FILE,
    PROVOKE,
    beside,
    facts,
    noise_pattern,
    staged,
)
from experiments.blink.adversarial.individual import Individual
from experiments.blink.adversarial.observer import AttackedFrame, Observer
from experiments.blink.adversarial.scene import Scene
from experiments.store import fresh_unit, key_of
from experiments.units import Report, Unit, save_tensors

if TYPE_CHECKING:
    from torch import Tensor

RELATIVE_STEP = 10.0  # length of the path in budgets
FLOOR = -0.5  # of a trial's margin: T2 is missed, and leaves the others the budget


@dataclass(frozen=True)
class Induce:
    """One perturbation of the distractor ``lag`` items before a lone T2, for all streams of a kind.

    ``batch`` streams make a step. It is then laid over the distractor of every trial of ``scene``,
    whatever its lag.
    """

    stage: ClassVar[str] = "induce"
    product: ClassVar[str] = FILE
    who: Individual
    scene: Scene
    lag: int
    norm: Norm
    epsilons: tuple[float, ...]
    steps: int
    batch: int

    @property
    def label(self) -> str:
        """For people."""
        return f"universal distractor for {self.who.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=PROVOKE,
            who=self.who.facts,
            scene=facts(self.scene),
            how=(self.lag, self.norm, self.epsilons, self.steps, self.batch),
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.who.titrated,)

    def run(self, report: Report) -> None:
        """Craft on validation images, and lay it over the test trials' distractors."""
        import torch

        trials, frames = staged(self.scene, self.who, self.who.titrated.sensory.bench.load().test)
        observer = self.who.observer()
        model = AttackedFrame(observer, frames, trials, self.scene.place(trials), 1, 0)
        clean = model.clean()
        generator = torch.Generator().manual_seed(self.scene.seed)
        pattern = noise_pattern(clean[:1], self.norm, generator)
        found = [self.crafted(epsilon, report) for epsilon in self.epsilons]
        attacked = torch.stack([(clean + each).clamp(0, 1) for each in found])
        tensors = {
            "attacked": attacked,
            "noise": beside(clean, pattern, self.norm, self.epsilons),
            "perturbation": torch.stack(found),
        }
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors(tensors, directory / self.product)

    def crafted(self, epsilon: float, report: Report = lambda done, score: None) -> "Tensor":
        """The perturbation (1, 28, 28) within a budget."""
        import torch

        from experiments.attacks.ascent import steepest
        from experiments.attacks.threat import Threat
        from experiments.attacks.universal import Plan, held

        plan, threat = Plan(self.steps, self.batch, RELATIVE_STEP), Threat(self.norm, epsilon)
        observer, perturbation = self.who.observer(), torch.zeros(1, 28, 28)
        for step in range(self.steps):
            slope = slope_at(perturbation, self.minibatch(observer, step))
            forward = plan.step_size(step, epsilon) * steepest(-slope[None], self.norm)[0]
            perturbation = held(perturbation + forward, threat)
            report((step + 1) / self.steps, 0.0)
        return perturbation

    def minibatch(self, observer: Observer, step: int) -> AttackedFrame:
        """The model of a step's own streams of validation images."""
        scene = replace(
            self.scene, lags=(self.lag,), per_lag=self.batch, seed=self.scene.seed + 1 + step
        )
        split = self.who.titrated.sensory.bench.load().validation
        trials, frames = staged(scene, self.who, split)
        return AttackedFrame(observer, frames, trials, scene.place(trials), 1, scene.seed)


def slope_at(perturbation: "Tensor", model: AttackedFrame) -> "Tensor":
    """The gradient (1, 28, 28) of the aim over the model's trials that still see T2."""
    import torch

    from experiments.attacks.victim import frozen

    with frozen(model.observer.network), torch.enable_grad():
        shift = perturbation.detach().requires_grad_()
        margin, taken = model.watched((model.clean() + shift).clamp(0, 1))
        (slope,) = torch.autograd.grad(((margin + taken) * (margin > FLOOR)).sum(), shift)
    return slope
