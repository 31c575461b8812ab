"""What an attack wants: which answers count as fooled, and the number it raises to get there."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from networks.errors import BlindspotsError, unknown

Loss = Literal["cross-entropy", "margin"]


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


@dataclass(frozen=True)
class Goal:
    """The aim of an attack.

    Attributes:
        loss: "cross-entropy" (Madry et al. 2018) or "margin", the lead of a class over its
            strongest rival (Carlini and Wagner 2017), which cannot saturate as the softmax does.
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
        return -away if self.targeted else away


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
