"""Brian2 itself: imported late, with its preferences set for a run and put back after it."""

import gc
import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from networks.errors import BlindspotsError

PREFERENCES = {
    "codegen.target": "numpy",  # needs no compiler
    "codegen.loop_invariant_optimisations": False,  # sums keep the order they are written in
    "core.default_float_dtype": np.float64,
}


def load() -> Any:
    """The module ``brian2``; BlindspotsError says how to mend what keeps it from being imported.

    Brian2 takes over ``sys.excepthook`` and the showing of warnings when imported; both are given
    back.
    """
    hook, show = sys.excepthook, warnings.showwarning
    try:
        return importlib.import_module("brian2")
    except Exception as error:
        raise _cannot_import(error) from None
    finally:
        sys.excepthook = hook
        if warnings.showwarning is not show:
            logging.captureWarnings(False)


def _cannot_import(error: Exception) -> BlindspotsError:
    try:
        installed = version("brian2")
    except PackageNotFoundError:
        return BlindspotsError("Brian2 is not installed; install it with  pip install brian2.")
    why = f"{type(error).__name__}: {error}".splitlines()[0]
    return BlindspotsError(
        f"Brian2 {installed} cannot be imported with numpy {version('numpy')} ({why}); install a "
        "pair that works, with Python 3.11  pip install 'brian2==2.9.*' 'numpy>=2.1,<2.4'."
    )


@contextmanager
def running() -> Iterator[Any]:
    """``brian2`` on its runtime device with our preferences; the user's come back at the end."""
    brian2 = load()
    before = {name: brian2.prefs[name] for name in PREFERENCES}
    brian2.set_device("runtime")
    try:
        for name, value in PREFERENCES.items():
            brian2.prefs[name] = value
        with warnings.catch_warnings(), _little_to_collect():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pyparsing, as Brian2 calls it
            yield brian2
    finally:
        for name, value in before.items():
            brian2.prefs[name] = value
        importlib.import_module("brian2.devices.device").reset_device()


@contextmanager
def _little_to_collect() -> Iterator[None]:
    """Spare the collector what was there before: Brian2 collects all garbage before every run.

    With torch, xarray and sympy loaded that takes most of a small run. What the run itself leaves
    behind, in cycles, is collected at the end.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
