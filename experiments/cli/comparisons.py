"""Commands that make a comparison, and its report."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.attacks.names import ATTACKS
from experiments.cli.options import Data, Device, Run, Workers, epsilons_in, words
from networks.errors import BlindspotsError

commands = typer.Typer()


@commands.command(epilog=f"Attacks: {', '.join(ATTACKS)}.")
def compare(
    preset: Annotated[
        str | None,
        typer.Option(
            help="quick (minutes), standard (much longer), full (GPU), adversarial (training at "
            "0.3, within an hour) or adversarial-full (GPU)."
        ),
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(help="TOML file with the settings, instead of a preset.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory. Default: runs/<title>.")] = None,
    networks: Annotated[
        str | None,
        typer.Option(help="Comma-separated: catalogue names, wiring files, module:attribute."),
    ] = None,
    individuals: Annotated[int | None, typer.Option(help="Individuals per network.")] = None,
    images: Annotated[int | None, typer.Option(help="Test images to attack and score.")] = None,
    attacks: Annotated[str | None, typer.Option(help="Comma-separated attacks.")] = None,
    epsilons: Annotated[
        str | None, typer.Option(help="Comma-separated budgets in (0, 1], intensity.")
    ] = None,
    corruptions: Annotated[
        str | None,
        typer.Option(help="Comma-separated: mnist-c (all 15), sweeps, or names; '' for none."),
    ] = None,
    mnist_c: Annotated[
        Path | None,
        typer.Option("--mnist-c", help="Directory with MNIST-C's files: read, not re-implemented."),
    ] = None,
    effort: Annotated[float | None, typer.Option(help="Scales every recipe's epochs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="torch, or detailed: spiking networks run as Brian2 cells besides."),
    ] = None,
    physiology: Annotated[
        Path | None, typer.Option(help="TOML file with parameters of the cells.")
    ] = None,
    data: Data = None,
    device: Device = None,
    workers: Workers = None,
) -> None:
    """Train, craft, score everyone on the same inputs, and write a report.

    Interrupted, the same command goes on where it stopped. Options override the preset or file.
    """
    from experiments.spec import preset as settings_of
    from experiments.spec import read_settings, spec_from
    from networks import physiology_from

    if spec and preset:
        raise BlindspotsError("Give either --preset or --spec, not both.")
    settings = read_settings(spec) if spec else settings_of(preset or "quick")
    cells = physiology_from(read_settings(physiology)) if physiology else None
    resolved = spec_from(
        settings,
        networks=words(networks),
        individuals=individuals,
        images=images,
        attacks=words(attacks),
        epsilons=epsilons_in(epsilons),
        corruptions=words(corruptions),
        mnist_c=str(mnist_c) if mnist_c else None,
        effort=effort,
        seed=seed,
        engine=engine,
        physiology=cells.model_dump() if cells else None,
    )
    from experiments.compare import compare as run_comparison

    out = out or Path("runs") / (resolved.title or "comparison")
    run_comparison(resolved, out, data=data, device=device, workers=workers, console=Console())


@commands.command()
def report(run: Run) -> None:
    """Make statistics, figures and report.html anew from a run's result.nc."""
    from experiments.compare import finish
    from experiments.result import load_result

    finish(run, load_result(run), Console())
