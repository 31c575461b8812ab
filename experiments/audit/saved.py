"""An audit as one labelled result, saved beside the run and loaded again."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr

from experiments.audit.finding import Verdict
from experiments.store import read_dataset
from networks.errors import BlindspotsError

SAME = ("attack", "epsilon", "individual", "images", "data_sha256")


def assembled(told: Sequence[Mapping[str, Any]], attrs: Mapping[str, Any]) -> xr.Dataset:
    """The findings of several networks.

    Variables, with their dimensions: ``outcome``, ``number``, ``unit``, ``sentence``, ``seconds``
    (network, check); ``verdict`` (network); ``clean``, ``claimed``, ``withstood`` (network, image):
    1 where the image is right when clean, under the claimed attack, and under all checks too.
    """
    checks = [each["check"] for each in told[0]["findings"]]
    table = {
        key: (("network", "check"), [[each[key] for each in one["findings"]] for one in told])
        for key in ("outcome", "number", "unit", "sentence", "seconds")
    }
    claimed = np.array([one["claimed"] for one in told], np.int8)
    withstood = claimed.copy()
    for row, one in enumerate(told):
        withstood[row, one["overturned"]] = 0
    images = {
        "clean": (("network", "image"), np.array([one["clean"] for one in told], np.int8)),
        "claimed": (("network", "image"), claimed),
        "withstood": (("network", "image"), withstood),
    }
    return xr.Dataset(
        {**table, **images, "verdict": ("network", [one["verdict"] for one in told])},
        coords={"network": [one["network"] for one in told], "check": checks},
        attrs=dict(attrs),
    )


def audit_path(run: Path) -> Path:
    """Where a run's audit lies."""
    return run / "audit" / "audit.nc"


def joined(audit: xr.Dataset, run: Path) -> xr.Dataset:
    """With the networks that were audited before under the same claim, on the same images."""
    if not audit_path(run).exists():
        return audit
    before = read_dataset(audit_path(run))
    is_same = all(before.attrs.get(key) == audit.attrs[key] for key in SAME)
    if not is_same or list(before["check"].to_numpy()) != list(audit["check"].to_numpy()):
        return audit
    rest = before.isel(network=~before["network"].isin(audit["network"]).to_numpy())
    both = xr.concat([rest, audit], "network", combine_attrs="override")
    return both.drop_encoding().assign_attrs(audit.attrs)


def load_audit(run: str | os.PathLike[str]) -> xr.Dataset:
    """The audit of a run directory; see :func:`assembled` for what it holds.

    Raises BlindspotsError where there is none.
    """
    path = audit_path(Path(run))
    if not path.exists():
        raise BlindspotsError(f"'{run}' was not audited; run 'blindspots audit {run}' first.")
    return read_dataset(path)


def verdicts(
    run: str | os.PathLike[str], attack: str | None = None, epsilon: float | None = None
) -> dict[str, Verdict]:
    """The verdict on each network's claimed accuracy, by name; empty where none was audited.

    With ``attack`` and ``epsilon``, empty too where it was another claim that was audited.
    """
    if not audit_path(Path(run)).exists():
        return {}
    audit = load_audit(run)
    asked = {"attack": attack, "epsilon": epsilon}
    if any(value not in (None, audit.attrs[key]) for key, value in asked.items()):
        return {}
    found = audit["verdict"]
    return {
        str(n): cast("Verdict", str(found.sel(network=n).values)) for n in found["network"].values
    }
