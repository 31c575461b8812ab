"""Networks that users bring: any callable from images to logits, named by its import path."""

import hashlib
import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.bench import Bench, scored
from networks.errors import BlindspotsError, unknown

Callee = Callable[[Tensor], Tensor]


class Adapted(nn.Module):
    """A callable whose logits may have a time axis, (time, images, classes): it is averaged."""

    def __init__(self, callee: Callee, reference: str):
        super().__init__()
        self.callee = callee
        self.reference = reference

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) from images (N, 1, 28, 28)."""
        try:
            logits = self.callee(images)
        except Exception as error:
            asked = " that want gradients" if images.requires_grad else ""
            raise BlindspotsError(
                f"'{self.reference}' does not take images {tuple(images.shape)}{asked} "
                f"({type(error).__name__}: {error})."
            ) from None
        return logits.mean(0) if logits.ndim == 3 else logits


@cache
def imported(reference: str, device: str = "cpu") -> nn.Module:
    """The network at ``module:attribute``; a class is called without arguments to build it.

    Modules are put into evaluation mode. Raises BlindspotsError where there is no such thing, or
    it does not map images (N, 1, 28, 28) to logits (N, 10).
    """
    module_name, _, attribute = reference.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except Exception as error:
        raise BlindspotsError(
            f"'{module_name}' cannot be imported for '{reference}' "
            f"({type(error).__name__}: {error}); mend it, or start where it lies."
        ) from None
    if not hasattr(module, attribute):
        raise unknown("network", attribute, vars(module), f"in {module_name}")
    found: Any = getattr(module, attribute)
    try:
        built: Any = found() if inspect.isclass(found) else found
        adapted = Adapted(built, reference).to(device).eval()
        with torch.no_grad():
            logits = adapted(torch.zeros(2, 1, 28, 28, device=device))
    except BlindspotsError:
        raise
    except Exception as error:
        raise BlindspotsError(
            f"'{reference}' does not take images (N, 1, 28, 28) ({type(error).__name__}: {error})."
        ) from None
    if tuple(logits.shape) != (2, 10):
        raise BlindspotsError(
            f"'{reference}' answers 2 images with shape {tuple(logits.shape)}; give logits (2, 10) "
            "or (time, 2, 10)."
        )
    return adapted


def fingerprint(reference: str, bench: Bench) -> str:
    """SHA-256 of what the network answers to 100 images and of the file that defines it."""
    adapted, images = imported(reference, bench.device), scored(bench, 100).images
    with torch.no_grad():
        digest = hashlib.sha256(adapted(images).cpu().contiguous().numpy().tobytes())
    source = inspect.getsourcefile(import_module(reference.partition(":")[0]))
    if source:
        digest.update(Path(source).read_bytes())
    return digest.hexdigest()


def size_of(reference: str) -> int:
    """Number of parameters, or -1 where the callable has none to count."""
    return sum(p.numel() for p in imported(reference).parameters()) or -1
