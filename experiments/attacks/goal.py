"""What an attack wants: which answers count as fooled, and the number it raises to get there."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from networks.errors import BlindspotsError, unknown

Loss = Literal["cross-entropy", "margin", "dlr"]

FLAT = 1e-6  # of the range of an image's logits: below, ranks count as tied


def lead(logits: Tensor, classes: Tensor) -> Tensor:
    """By how much each image's class leads its strongest rival: logits (N, K), (N,) to (N,)."""
    own = logits.gather(1, classes[:, None]).squeeze(1)
    rivals = logits.scatter(1, classes[:, None], -torch.inf)
    return own - rivals.amax(1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Per image, with a gradient that stays true where the model is sure: (N, K), (N,) to (N,).

    PyTorch's own gradient holds the label's probability minus 1, which in float32 is exactly 0
    from a lead of 17 on, so that nothing would pull away from the label. This is the same number,
    log(1 + sum over the other classes k of exp(logit k - logit of the label)), without it.
    """
    own = logits.gather(1, labels[:, None]).squeeze(1)
    rivals = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    return functional.softplus(rivals - own)


def ratio_scale(logits: Tensor, targeted: bool) -> Tensor:
    """What the difference of logits ratio divides by: logits (N, K) to (N,), above 0.

    The largest logit less the third, or, for a target, less the mean of the third and fourth
    (Croce and Hein 2020, section 4); of three classes less the third either way. Two classes
    leave nothing to divide by: 1. Where the first three are tied, as counts of spikes often are,
    it is a constant that grows with the logits, so that ratio and gradient stay finite.
    """
    if logits.shape[1] < 3:
        return torch.ones_like(logits[:, 0])
    ranked = logits.sort(1, descending=True).values
    gap = ranked[:, 0] - (ranked[:, 2:4].mean(1) if targeted else ranked[:, 2])
    least = FLAT * (ranked[:, 0] - ranked[:, -1]).detach()
    return torch.where(gap > least, gap, torch.where(least > 0, least, 1.0))


@dataclass(frozen=True)
class Goal:
    """The aim of an attack.

    Attributes:
        loss: "cross-entropy" (Madry et al. 2018); "margin", the lead of a class over its
            strongest rival (Carlini and Wagner 2017), which cannot saturate as the softmax does;
            or "dlr", that lead as a ratio to another difference of logits, which neither shift
            nor scale of the logits changes (Croce and Hein 2020, equation 6). Of two classes
            "dlr" is the margin.
        targeted: False: the labels are the right classes, any other answer is a success. True:
            the labels are the classes to reach.

    Raises:
        BlindspotsError: no such loss.
    """

    loss: Loss = "cross-entropy"
    targeted: bool = False

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise unknown("loss", self.loss, get_args(Loss))

    def fooled(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether the attack has succeeded: logits (N, K), labels (N,) to bool (N,)."""
        hit = logits.argmax(1) == labels
        return hit if self.targeted else ~hit

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What the attack raises, per image: logits (N, K), labels (N,) to (N,)."""
        if self.loss == "cross-entropy":
            away = cross_entropy(logits, labels)
        else:
            away = -lead(logits, labels)
        if self.loss == "dlr":
            away = away / ratio_scale(logits, self.targeted)
        return -away if self.targeted else away


@dataclass(frozen=True)
class Detour(Goal):
    """To leave one class by heading for another; any wrong answer is a success.

    Labels are (N, 2): the class to leave, and the one headed for. The loss is that towards the
    target (Croce and Hein 2020, equation 7, for "dlr"); "margin" is the target's lead over the
    class to leave. `targeted` is unused.
    """

    def fooled(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether the attack has succeeded: logits (N, K), labels (N, 2) to bool (N,)."""
        return logits.argmax(1) != labels[:, 0]

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What the attack raises, per image: logits (N, K), labels (N, 2) to (N,)."""
        if self.loss == "cross-entropy":
            return -cross_entropy(logits, labels[:, 1])
        own, target = logits.gather(1, labels).T
        gain = target - own
        return gain / ratio_scale(logits, targeted=True) if self.loss == "dlr" else gain


def require_labels(labels: Tensor, count: int) -> None:
    """That there is one integer class, not below 0, per image.

    Raises:
        BlindspotsError: there is not.
    """
    if labels.shape != (count,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise BlindspotsError(
            f"There are {count} images and labels of shape {tuple(labels.shape)} and type "
            f"{labels.dtype}; give one integer class per image."
        )
    if count and int(labels.min()) < 0:
        raise BlindspotsError(f"A label is {int(labels.min())}; classes are counted from 0.")
