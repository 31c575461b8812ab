"""The comparison: train, craft, score everyone on the same inputs, and write a run directory."""

import json
import os
import time
from pathlib import Path
from typing import Protocol, get_type_hints

import numpy as np
import xarray as xr
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from experiments.attacks.names import attack_named
from experiments.bench import Bench, scored
from experiments.individuals import Embody, Train
from experiments.inputs import Craft
from experiments.plan import Plan, entries_of, plan
from experiments.progress import Monitor
from experiments.provenance import provenance, software
from experiments.report import write_report
from experiments.result import (
    assemble,
    individual_directory,
    inputs_hashes,
    save_result,
    set_name,
    weights_hashes,
)
from experiments.spec import Spec
from experiments.statistics import summarise
from experiments.store import link, unit_path, unwritable, write_text
from experiments.units import Unit, is_complete, product
from experiments.work import Event, complete, workers_for
from networks import contrasts
from networks.errors import BlindspotsError, unknown
from networks.wiring import explain

GIVEN = (  # to every attack by the comparison itself, or decided by it
    *("model", "inputs", "labels", "epsilons", "generator", "keep_going", "targeted", "guide"),
    *("window", "return"),
)


def compare(
    spec: Spec,
    out: Path,
    *,
    data: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    console: Console | None = None,
) -> xr.Dataset:
    """Run the comparison of ``spec`` and leave everything in the directory ``out``.

    Where ``out`` holds the same comparison, interrupted or ended, it goes on from there; where it
    holds another one, BlindspotsError. ``data`` is a directory with MNIST's IDX files; ``device``
    is "cpu" or "cuda", by default a GPU where there is one; ``workers`` is the number of
    processes.
    """
    began, console = time.monotonic(), console or Console(stderr=True)
    check_options(spec)
    entries_of(spec)
    check_unclaimed(out, spec)
    bench = bench_for(data, device)
    scored(bench, spec.images)
    planned = plan(spec, bench)
    claim(out, spec)
    kept = {craft.key for craft in kept_sets(planned, spec).values()}
    with Monitor(console, out / "log.jsonl") as monitor:
        count = workers or workers_for(bench.device)

        def tell(event: Event) -> None:
            monitor.tell(event)
            if event["what"] == "spent" and event["unit"].key not in kept:
                discard(event["unit"])

        failures = complete(planned.asked, count, tell)
    if not any(is_complete(unit) for unit in planned.asked):
        raise BlindspotsError(
            f"Nothing could be measured: {next(iter(failures.values()), 'no unit ended well')}"
        )
    result = assemble(spec, planned, bench)
    keep(out, planned, spec)
    facts = provenance(bench.device) | {
        "data": {"name": bench.data, "sha256": bench.sha256},
        "seconds": round(time.monotonic() - began, 1),
        "inputs_sha256": inputs_hashes(planned),
        "weights_sha256": weights_hashes(trained(out)),
        "failures": sorted(failures.values()),
    }
    write_text(out / "provenance.json", json.dumps(facts, indent=1))
    result.attrs["failures"] = sorted(failures.values())
    result.attrs["commit"] = facts["commit"] or ""
    save_result(result, out / "result.nc")
    finish(out, result, console)
    return result


def finish(out: Path, result: xr.Dataset, console: Console) -> None:
    """Statistics, figures, report and terminal table from a saved result."""
    from figures import draw_all

    summary = summarised(result)
    with console.status("drawing figures"):
        try:
            paths = draw_all(result, summary, out / "figures")
        except OSError as error:
            raise unwritable(out / "figures", error) from None
    write_report(out, result, summary, paths, console)


def summarised(result: xr.Dataset) -> xr.Dataset:
    """The summary with the catalogue's contrasts, from a generator of its own."""
    names = [str(name) for name in result["network"].to_numpy()]
    return summarise(result, contrasts(names), generator=np.random.default_rng(0))


def check_options(spec: Spec) -> None:
    """Raise BlindspotsError where an attack has no such option, or it takes no such value."""
    for name, options in spec.options.items():
        types = get_type_hints(attack_named(name).function)
        known = [option for option in types if option not in GIVEN]
        for option, value in options.items():
            if option not in known:
                raise unknown(f"option of {name}", option, known)
            try:
                TypeAdapter(types[option]).validate_python(value)
            except ValidationError as error:
                raise BlindspotsError(f"Option {option} of {name}: {explain(error)}.") from None


class Stated(Protocol):
    """Settings that can be written down."""

    def to_toml(self) -> str:
        """Text that reads back to equal settings."""


def check_unclaimed(out: Path, spec: Stated) -> None:
    """Raise BlindspotsError where ``out`` holds anything but this comparison."""
    path = out / "spec.toml"
    if path.exists() and path.read_text() != spec.to_toml():
        raise BlindspotsError(
            f"'{out}' holds another comparison; choose another directory with --out, or remove it."
        )
    if not path.exists() and out.is_dir() and any(out.iterdir()):
        raise BlindspotsError(
            f"'{out}' holds files that are no comparison's; choose another directory with --out."
        )


def claim(out: Path, spec: Stated) -> None:
    """Make ``out`` this comparison's directory."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "spec.toml", spec.to_toml())
    except OSError as error:
        raise unwritable(out, error) from None


def bench_for(data: Path | None, device: str | None) -> Bench:
    """The data set, found or fetched once here, and the device."""
    import torch

    from experiments.data.dataset import load_data

    if device == "cuda" and not torch.cuda.is_available():
        raise BlindspotsError("No CUDA device is available to PyTorch; leave out --device.")
    directory = data or os.environ.get("BLINDSPOTS_DATA") or None
    directory = Path(directory).resolve() if directory else None
    loaded = load_data(directory)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Bench(loaded.name, directory, loaded.sha256, device, software())


def keep(out: Path, planned: Plan, spec: Spec) -> None:
    """Trained individuals, crafted and corrupted inputs into the run directory, by name."""
    for (name, i), model in (planned.sources | planned.individuals).items():
        if isinstance(model, Train | Embody) and is_complete(model):
            link(unit_path(model.stage, model.key), individual_directory(out, name, i))
    for place, craft in kept_sets(planned, spec).items():
        if is_complete(craft):
            link(unit_path(craft.stage, craft.key), out / "inputs" / set_name(*place))
    for name, corrupted in planned.corrupted.items():
        if is_complete(corrupted):
            link(unit_path(corrupted.stage, corrupted.key), out / "corrupted" / name)


def kept_sets(planned: Plan, spec: Spec) -> dict[tuple[str, int, str], Craft]:
    """The crafted inputs that stay on disk, by source, individual and attack."""
    scored = {e.name for e in planned.entries}
    return {k: v for k, v in planned.sets.items() if spec.keep == "all" or k[0] not in scored}


def discard(unit: Unit) -> None:
    """Delete crafted inputs; how far they were from the clean images stays."""
    if isinstance(unit, Craft):
        product(unit).unlink(missing_ok=True)


def trained(out: Path) -> dict[str, Path]:
    """The directories of trained individuals in a run, by "name/individual-i"."""
    paths = sorted((out / "networks").glob("*/individual-*"))
    return {f"{p.parent.name}/{p.name}": p for p in paths}
