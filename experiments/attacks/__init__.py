"""Inputs that make a network err, under a stated budget: the attacks room.

Every attack is called as `attack(model, inputs, labels, epsilons=..., generator=...)` and returns
the inputs for the whole ascending list of budgets. The model is any function from images to
logits; nothing here trains, scores or draws. Importing this package does not import PyTorch: the
budget, its projection and its check are in `experiments.attacks.threat`.
"""

from experiments.attacks.names import ATTACKS, Attack, attack_named

__all__ = ["ATTACKS", "Attack", "attack_named"]
