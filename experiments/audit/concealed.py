"""What a model hides from the audit: ways back for the gradient that cannot be exchanged."""

import torch
from torch import nn
from torch.autograd.function import BackwardCFunction

from experiments.attacks.chance import Expected
from experiments.audit.subject import Subject
from sim import Network


def concealed(subject: Subject) -> str:
    """Why other ways back through the model are out of reach; "" where there are none.

    A model that wraps a simulated network keeps its surrogates and paths to itself, and any other
    may put derivatives of its own in the place of a spike's.
    """
    model = subject.model
    if isinstance(model, Network | Expected):
        return ""
    if isinstance(model, nn.Module) and any(isinstance(m, Network) for m in model.modules()):
        return "The model wraps a simulated network, whose ways back are out of reach: audit that."
    if by_hand := derivatives_by_hand(subject):
        return (
            f"The model sets derivatives by hand ({', '.join(by_hand)}), as spikes need; no others "
            "could be put in their place."
        )
    return ""


def derivatives_by_hand(subject: Subject) -> list[str]:
    """The names of the derivatives in the model's graph that PyTorch did not derive itself."""
    with torch.enable_grad():
        points = subject.images[:1].detach().clone().requires_grad_()
        waiting = [subject.model(points).grad_fn]
    seen, names = set(waiting), set[str]()
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        if isinstance(node, BackwardCFunction):
            names.add(type(node).__name__.removesuffix("Backward"))
        further = {each for each, _ in node.next_functions} - seen
        seen |= further
        waiting += further
    return sorted(names)
