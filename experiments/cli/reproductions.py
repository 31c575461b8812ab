"""Commands that make published tables once more."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import Data, Device, Workers

commands = typer.Typer(no_args_is_help=True)


@commands.callback()
def _reproduce() -> None:
    """Published tables once more, beside ours."""


@commands.command()
def szegedy(
    out: Annotated[Path, typer.Option(help="Run directory.")] = Path("runs/szegedy"),
    images: Annotated[int, typer.Option(min=2, help="Images to distort for each network.")] = 300,
    effort: Annotated[float, typer.Option(help="Scales every recipe's epochs.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    data: Data = None,
    device: Device = None,
    workers: Workers = None,
) -> None:
    """Tables 1 to 4 of Szegedy et al. (2014), with recurrent, modular and spiking networks.

    Minimal distortions, and the errors that examples made for one network cause in the others.
    Interrupted, the same command goes on where it stopped.
    """
    from experiments.reproduce.command import reproduce
    from experiments.reproduce.plan import settings_from

    settings = settings_from(images=images, effort=effort, seed=seed)
    reproduce(settings, out, data=data, device=device, workers=workers, console=Console())
