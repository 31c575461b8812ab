"""Commands that look into the networks of a finished comparison."""

from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import (
    Attack,
    Data,
    Epsilon,
    Run,
    Workers,
    its_image,
    its_images,
    its_networks,
    whole_numbers,
    words,
)

commands = typer.Typer()


@commands.command()
def dynamics(
    run: Run,
    networks: Annotated[
        list[str] | None, its_networks("that it trained; NAME@cells runs in cells")
    ] = None,
    individual: Annotated[
        int | None, typer.Option(min=0, help="Which individual. Default: all.")
    ] = None,
    image: Annotated[
        str | None,
        its_image("Comma-separated, to keep and draw (default: ten, one that is fooled)"),
    ] = None,
    images: Annotated[int | None, its_images(200)] = None,
    attack: Attack = None,
    epsilon: Epsilon = None,
    crafted_on: Annotated[
        str | None,
        typer.Option(
            help="Show everyone what was crafted on this network, such as independent-fc-b. "
            "Default: on each itself."
        ),
    ] = None,
    interventions: Annotated[
        bool, typer.Option("--interventions", help="Cut, scale and freeze feedback, too.")
    ] = False,
    pathways: Annotated[
        str | None,
        typer.Option(help="Comma-separated, lateral and top-down: intervene on networks with it."),
    ] = None,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """See how networks are led astray, or recover: clean, adversarial and noisy images in time.

    Divergence, decisions, drive by kind of projection, dimension and alikeness of activity,
    Lyapunov exponents beside the smallest change that fools; recordings and figures of a few
    images. Inputs that the run has not are crafted first. Goes to RUN/dynamics.
    """
    from experiments.dynamics.command import dynamics as run_dynamics

    run_dynamics(
        run,
        networks or [],
        individual=individual,
        shown=whole_numbers("image", image or ""),
        images=images,
        attack=attack,
        epsilon=epsilon,
        crafted_on=crafted_on,
        intervene=interventions,
        pathways=words(pathways) or [],
        data=data,
        workers=workers,
        console=Console(),
    )
