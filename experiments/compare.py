"""The comparison: train, craft, score everyone on the same inputs, and write a run directory."""

import json
import time
from pathlib import Path
from typing import get_type_hints

import numpy as np
import xarray as xr
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape

from experiments.attacks.names import attack_named
from experiments.bench import bench_for, scored
from experiments.command import attempted, check_unclaimed, claim, require_some
from experiments.holds import holding
from experiments.individuals import Embody, Train
from experiments.inputs import Craft
from experiments.plan import Entry, Plan, entries_of, plan
from experiments.provenance import provenance
from experiments.result import (
    individual_directory,
    inputs_hashes,
    set_name,
    weights_hashes,
)
from experiments.spec import Spec
from experiments.store import link, unit_path, write_dataset, write_text, writing
from experiments.units import Unit, is_complete
from experiments.work import Event
from experiments.workers import Workers
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
    workers: Workers | None = None,
    console: Console | None = None,
) -> xr.Dataset:
    """Run the comparison of ``spec`` and leave everything in the directory ``out``.

    Where ``out`` holds the same comparison, interrupted or ended, it goes on from there; where it
    holds another one, BlindspotsError. ``data`` is a directory with MNIST's IDX files; ``device``
    is "cpu" or "cuda", by default a GPU where there is one; ``workers`` is the number of
    processes, or a cluster.
    """
    began, console = time.monotonic(), console or Console(stderr=True)
    check_unclaimed(out, spec.to_toml())
    console.print(announced(spec, entries_of(spec), out), highlight=False)
    check_options(spec)
    bench = bench_for(data, device)
    scored(bench, spec.images)
    planned = plan(spec, bench)
    claim(out, spec.to_toml())
    passing = passing_sets(planned, spec)
    with holding(planned.asked) as held:

        def make_room(event: Event) -> None:
            if event["what"] == "spent" and event["unit"].key in passing:
                held.let_go(event["unit"])

        units: list[Unit] = [*lacking_sets(out, planned, spec), *planned.asked]
        failures = attempted(units, out, console, workers=workers, also=make_room)
        require_some(planned.asked, failures)
        keep(out, planned, spec)
        from experiments.assemble import assemble

        result = assemble(spec, planned, bench)  # which shows some of the inputs
        if not failures:  # which are to be tried again
            for craft in filter(is_complete, passing.values()):
                held.let_go(craft)
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
    write_dataset(result, out / "result.nc")
    finish(out, result, console)
    return result


def announced(spec: Spec, entries: tuple[Entry, ...], out: Path) -> str:
    """What is about to be done, said before PyTorch and the data are there, which takes seconds."""
    return (
        f"{escape(spec.title or 'comparison')}: {spec.individuals} of each of {len(entries)} "
        f"networks ({', '.join(escape(entry.name) for entry in entries)}), {len(spec.attacks)} "
        f"attacks on {spec.images} images, into {escape(str(out))}"
    )


def finish(out: Path, result: xr.Dataset, console: Console) -> None:
    """Statistics, figures, report and terminal table from a saved result."""
    from experiments.report import write_report
    from figures import draw_all

    summary = summarised(result)
    with console.status("drawing figures"), writing(out / "figures"):
        paths = draw_all(result, summary, out / "figures")
    write_report(out, result, summary, paths, console)


def summarised(result: xr.Dataset) -> xr.Dataset:
    """The summary with the catalogue's contrasts, from a generator of its own."""
    from experiments.statistics import summarise

    names = [str(name) for name in result["network"].to_numpy()]
    return summarise(result, contrasts(names), generator=np.random.default_rng(0))


def check_options(spec: Spec) -> None:
    """Raise BlindspotsError where an attack has no such option, or it takes no such value."""
    for name, options in spec.options.items():
        types = get_type_hints(attack_named(name).function)
        known = [option for option in types if option not in GIVEN]
        for option, value in options.items():
            if option not in known:
                raise unknown("option", option, known, f"of {name}")
            try:
                TypeAdapter(types[option]).validate_python(value)
            except ValidationError as error:
                raise BlindspotsError(f"Option {option} of {name}: {explain(error)}.") from None


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


def lacking_sets(out: Path, planned: Plan, spec: Spec) -> list[Craft]:
    """The crafted inputs that are to stay on disk and are not in the run directory yet.

    All may have answered them in a comparison that did not keep them.
    """
    return [
        craft
        for place, craft in kept_sets(planned, spec).items()
        if not (out / "inputs" / set_name(*place) / craft.product).exists()
    ]


def passing_sets(planned: Plan, spec: Spec) -> dict[str, Craft]:
    """The crafted inputs that go when all have answered them, by key."""
    kept = {craft.key for craft in kept_sets(planned, spec).values()}
    return {craft.key: craft for craft in planned.sets.values() if craft.key not in kept}


def trained(out: Path) -> dict[str, Path]:
    """The directories of trained individuals in a run, by "name/individual-i"."""
    paths = sorted((out / "networks").glob("*/individual-*"))
    return {f"{p.parent.name}/{p.name}": p for p in paths}
