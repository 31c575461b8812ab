"""Units of work: train one individual, craft one set of inputs, score one network on one set.

Each is a value that holds all that determines its outcome. Its key is made of that, and its outcome
lies under the key, so that runs resume, and share what they have in common. What kinds there are:
`experiments.individuals`, `experiments.inputs`, `experiments.scoring`.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from experiments.store import unit_path
from networks.described import Described

if TYPE_CHECKING:
    import torch

FORMAT = 4  # raise it when the same settings come to mean other numbers
Report = Callable[[float, float], None]


def said(description: Described) -> dict[str, Any]:
    """What a description says besides its defaults, for keys.

    A setting that is new, and has a default, leaves the keys of what was there before as they are.
    """
    return description.model_dump(mode="json", exclude_defaults=True)


def all_said(description: Described) -> dict[str, Any]:
    """All that a description says, for keys where defaults are fitted, and may be fitted again."""
    return description.model_dump(mode="json")


class Unit(Protocol):
    """What :func:`experiments.work.complete` gets done: a value, and a file under its key."""

    @property
    def stage(self) -> str:
        """The kind of work; its directory in the store."""

    @property
    def product(self) -> str:
        """The file that is there once the unit is complete."""

    @property
    def key(self) -> str:
        """Of everything that determines the outcome."""

    @property
    def label(self) -> str:
        """For people."""

    @property
    def needs(self) -> tuple["Unit", ...]:
        """Units that must be complete before."""

    def run(self, report: Report) -> None:
        """Do the work, and leave its outcome under the key."""


def product(unit: Unit) -> Path:
    """The file that units which need this one read."""
    return unit_path(unit.stage, unit.key) / unit.product


def is_complete(unit: Unit) -> bool:
    """Whether the unit's outcome is on disk."""
    return product(unit).exists()


def sha256_of(inputs: "torch.Tensor") -> str:
    """SHA-256 of the float32 bytes of ``inputs`` in C order."""
    return hashlib.sha256(inputs.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def save_tensors(
    tensors: "dict[str, torch.Tensor]", path: Path, facts: dict[str, Any] | None = None
) -> None:
    """A safetensors file, with ``facts`` as JSON in its header."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"facts": json.dumps(facts)} if facts else None)
