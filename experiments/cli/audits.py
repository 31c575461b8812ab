"""The command that audits attacks."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import (
    Attack,
    Data,
    Epsilon,
    Individual,
    Workers,
    its_images,
    its_networks,
)
from networks.errors import BlindspotsError

commands = typer.Typer()


@commands.command()
def audit(
    run: Annotated[
        Path | None, typer.Argument(help="Directory of a comparison; not needed for --controls.")
    ] = None,
    networks: Annotated[list[str] | None, its_networks("attacked white-box")] = None,
    individual: Individual = 0,
    images: Annotated[int | None, its_images(100)] = None,
    attack: Attack = None,
    epsilon: Epsilon = None,
    controls: Annotated[
        bool,
        typer.Option("--controls", help="Audit known-broken models alone; exit code 1 if missed."),
    ] = False,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Can robust accuracies be trusted? A verdict on each: trusted, suspicious or void.

    Some thirty checks of the claimed attack, image by image: masked gradients, too little effort,
    other surrogates and codes, transfer, queries, the worst case. Goes to RUN/audit.
    """
    from experiments.audit.command import audit_run, check_controls

    console = Console()
    if controls:
        told = check_controls(run, data=data, workers=workers, console=console)
        raise typer.Exit(0 if told else 1)
    if run is None:
        raise BlindspotsError(
            "Name the directory of a comparison to audit, or ask for --controls alone."
        )
    audit_run(
        run,
        networks or [],
        individual=individual,
        images=images,
        attack=attack,
        epsilon=epsilon,
        data=data,
        workers=workers,
        console=console,
    )
