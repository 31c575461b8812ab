"""Adam with a rate of its own at each step, on PyTorch's functional form.

The classes of ``torch.optim`` import PyTorch's compiler as soon as one is built: over two seconds
of every process that trains, though nothing here is compiled.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adamw import adamw

State = dict[str, Tensor]


class Adam:
    """Moves values along their gradients (Kingma and Ba 2015), the same bits as torch.optim.AdamW.

    ``weight_decay`` shrinks all values apart from their gradients (Loshchilov and Hutter 2019).
    ``fused`` has one kernel of PyTorch move each value; else several do, which rounds otherwise.
    ``state`` is what it remembers of each value that has moved, by the value's place: the count of
    its steps, the mean of its gradients ("exp_avg") and that of their squares ("exp_avg_sq").
    """

    def __init__(self, values: Iterable[Tensor], weight_decay: float = 0.0, *, fused: bool = True):
        self.values = list(values)
        self.weight_decay = weight_decay
        self.fused = fused
        self.state: dict[int, State] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for value in self.values:
            value.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move each value that has a gradient, in place, by about ``rate``."""
        moved, gradients, states = list[Tensor](), list[Tensor](), list[State]()
        for i, value in enumerate(self.values):
            if value.grad is not None:
                moved.append(value)
                gradients.append(value.grad)
                if i not in self.state:
                    self.state[i] = self._unmoved(value)
                states.append(self.state[i])
        adamw(
            moved,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=self.fused,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def _unmoved(self, value: Tensor) -> State:
        """What is remembered of a value before its first step."""
        return {
            "step": torch.zeros(
                (), dtype=torch.float32, device=value.device if self.fused else "cpu"
            ),
            "exp_avg": torch.zeros_like(value),
            "exp_avg_sq": torch.zeros_like(value),
        }
