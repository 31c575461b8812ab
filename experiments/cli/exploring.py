"""Commands that show a finished comparison to its user: a page to play with."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import Data, Epsilon, Individual, Run, its_image

commands = typer.Typer()


@commands.command()
def explore(
    run: Run,
    network: Annotated[
        str | None, typer.Option(help="Shown first. Default: the run's first.")
    ] = None,
    individual: Individual = 0,
    image: Annotated[int | None, its_image("Shown first (default: one that is fooled)")] = None,
    attack: Annotated[str | None, typer.Option(help="Default: that with the most budgets.")] = None,
    crafted_on: Annotated[
        str | None, typer.Option(help="The network itself (default), or another of the run's.")
    ] = None,
    epsilon: Epsilon = None,
    export: Annotated[
        Path | None, typer.Option(help="Write this page into an .html file, and end.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of this machine; 0: any that is free.")
    ] = 5006,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    data: Data = None,
) -> None:
    """Open a local page: what networks do through time, clean beside perturbed.

    Choose network, image, attack and epsilon; scrub or play time, cut lateral and top-down
    projections, and watch decision, activity, trajectory and drive. --export writes the same page
    as one file that needs no server. Needs blindspots\\[explore].
    """
    from experiments.explorer.command import explore as show

    show(
        run,
        network=network,
        individual=individual,
        image=image,
        attack=attack,
        source=crafted_on,
        epsilon=epsilon,
        export=export,
        port=port,
        browser=browser,
        data=data,
        console=Console(),
    )
