"""Commands that ask what the parts of trained networks mean."""

from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import Data, Run, Workers, its_networks

commands = typer.Typer()


@commands.command()
def semantics(
    run: Run,
    networks: Annotated[list[str] | None, its_networks("that it trained")] = None,
    images: Annotated[
        int | None, typer.Option(min=20, help="Test images to show. Default: 1000, or all.")
    ] = None,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Ask what units, random and principal directions, and modules say of the class.

    Selectivity, information and top images beside shuffled labels; lesions, clean and under attack;
    modularity of weights and activity; does selectivity go with robustness? Goes to RUN/semantics.
    """
    from experiments.semantics.command import interpret

    interpret(run, networks or [], images=images, data=data, workers=workers, console=Console())
