"""One network at a time: train it, or score it on saved inputs."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.bench import bench_for
from experiments.command import attempted, claim, require_all
from experiments.individuals import Train
from experiments.origin import subject
from experiments.plan import entry
from experiments.recipe import Recipe, recipe_for
from experiments.scoring import predictions
from experiments.store import link, unit_path
from experiments.units import sha256_of
from networks.errors import BlindspotsError
from networks.wiring import explain


def train_one(
    network: str,
    out: Path,
    seed: int,
    changes: dict[str, Any],
    *,
    data: Path | None,
    device: str | None,
    console: Console,
) -> None:
    """Train the individual of ``seed`` into ``out``; ``changes`` override its usual recipe."""
    from experiments.training import accuracy, load_individual

    wiring = entry(network).wiring
    if wiring is None:
        raise BlindspotsError(f"'{network}' is an import path; blindspots trains wirings only.")
    try:
        recipe = Recipe.model_validate({**dict(recipe_for(wiring)), **changes})
    except ValidationError as error:
        raise BlindspotsError(f"The recipe cannot be used: {explain(error)}.") from None
    bench = bench_for(data, device)
    unit = Train(wiring, recipe, seed, bench)
    claim(out)
    require_all(attempted([unit], out, console, workers=1))
    link(unit_path(unit.stage, unit.key), out)
    loaded, trained = bench.load(), load_individual(out)
    console.print(
        f"{wiring.name}, seed {seed}, {bench.data}: "
        f"validation {100 * accuracy(trained, loaded.validation):.2f} %, "
        f"test {100 * accuracy(trained, loaded.test):.2f} %; weights in {out}",
        highlight=False,
        markup=False,
    )


def score_saved(
    inputs: Path, network: str, run: Path | None, individual: int, console: Console
) -> None:
    """Print the accuracy of ``network`` on a saved set of inputs, by epsilon."""
    tensors, facts = read_inputs(in_run(inputs, run))
    model = subject(network, run, individual).network
    table = Table(
        title=escape(
            f"{network} on {facts['attack']} crafted on {facts['crafted_on']} ({facts['data']})"
        ),
        caption=f"SHA-256 of the inputs {facts['sha256'][:16]}… checked",
    )
    table.add_column(facts.get("along", "epsilon"), justify="right")
    table.add_column("accuracy (%)", justify="right")
    for epsilon, images in zip(facts["epsilons"], tensors["inputs"], strict=True):
        right = (predictions(model, images) == tensors["labels"]).double().mean()
        table.add_row(f"{epsilon:g}", f"{100 * float(right):.1f}")
    console.print(table)


def in_run(inputs: Path, run: Path | None) -> Path:
    """Where a set lies that may be named as it is called in a run."""
    there = run / "inputs" / inputs if run else inputs
    return there if there.exists() and not inputs.exists() else inputs


def read_inputs(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors ``inputs`` (epsilon, N, 1, 28, 28) and ``labels`` (N,), and what is known of them.

    ``path`` is the directory of a set, or its safetensors file. Raises BlindspotsError where the
    bytes are not those that were crafted.
    """
    from safetensors import SafetensorError, safe_open

    path = path / "inputs.safetensors" if path.is_dir() else path
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in ("inputs", "labels")}
            facts = json.loads((file.metadata() or {})["facts"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BlindspotsError(
            f"'{path}' is not a set of crafted inputs ({error}); name a directory under a run's "
            "inputs/."
        ) from None
    if sha256_of(tensors["inputs"]) != facts["sha256"]:
        raise BlindspotsError(
            f"The inputs in '{path}' are not those that were crafted (SHA-256 differs); restore "
            "the file."
        )
    return tensors, facts
