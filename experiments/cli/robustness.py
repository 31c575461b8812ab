"""Commands that attack a finished comparison further: who else is fooled, and for what reason."""

from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import (
    Attack,
    Data,
    Device,
    Epsilon,
    Individual,
    Run,
    Workers,
    its_images,
    its_networks,
    whole_numbers,
)

commands = typer.Typer()


@commands.command()
def transfer(
    run: Run,
    attack: Attack = None,
    epsilon: Epsilon = None,
    parts: Annotated[
        int,
        typer.Option(
            min=1, help="Train its networks anew on so many disjoint parts of the training images."
        ),
    ] = 1,
    universal: Annotated[
        bool,
        typer.Option(
            "--universal",
            help="Craft one change for all images, on each network and on all at once, too.",
        ),
    ] = False,
    data: Data = None,
    device: Device = None,
    workers: Workers = None,
) -> None:
    """Show what was crafted on every individual to every other: who is fooled by whose inputs.

    Transfer rates between networks and kinds of networks with intervals, images that fool many at
    once beside chance, and, with --parts 2, what sharing the training images has to do with it.
    With --universal, which networks one and the same change of all images misleads, beside random
    signs. Goes to RUN/transfer. The comparison must have kept its inputs.
    """
    from experiments.transfer.command import transfer as run_transfer

    run_transfer(
        run,
        attack=attack,
        epsilon=epsilon,
        parts=parts,
        universal=universal,
        data=data,
        device=device,
        workers=workers,
        console=Console(),
    )


@commands.command()
def attack(
    run: Run,
    networks: Annotated[list[str] | None, its_networks("that it trained")] = None,
    individual: Individual = 0,
    images: Annotated[int | None, its_images(1000)] = None,
    norm: Annotated[str, typer.Option(help="linf or l2.")] = "linf",
    epsilon: Epsilon = None,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Attack networks of a run by the whole ensemble, and say what each attack leaves standing.

    Parameter-free: PGD, targeted APGD, margin restarts, other surrogates, paths and moments of
    time, and queries without gradients, each on what withstood all before. Goes to RUN/attack.
    """
    from typing import get_args

    from experiments.attacks.names import Norm
    from experiments.ensemble import attack as run_ensemble
    from networks.errors import unknown

    norms = {str(each): each for each in get_args(Norm) if each != "l1"}
    if norm not in norms:
        raise unknown("norm", norm, norms)
    run_ensemble(
        run,
        networks or [],
        individual=individual,
        images=images,
        norm=norms[norm],
        epsilon=epsilon,
        data=data,
        workers=workers,
        console=Console(),
    )


@commands.command("spike-trains")
def spike_trains(
    run: Run,
    networks: Annotated[list[str] | None, its_networks("that are shown spikes")] = None,
    individual: Individual = 0,
    images: Annotated[int | None, its_images(100)] = None,
    budgets: Annotated[
        str, typer.Option(help="Comma-separated numbers of spikes that may be moved.")
    ] = "1,3,10,30,100",
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Insert, delete or shift a few spikes of the input of networks that are shown spikes.

    Accuracy by the number of moves, aimed along several gradients and at random. Goes to
    RUN/spike-trains.
    """
    from experiments.spike_moves import spike_trains as run_moves

    run_moves(
        run,
        networks or [],
        individual=individual,
        images=images,
        budgets=whole_numbers("budgets", budgets),
        data=data,
        workers=workers,
        console=Console(),
    )


@commands.command()
def controls(
    run: Run,
    networks: Annotated[list[str] | None, its_networks("that have feedback")] = None,
    individual: Individual = 0,
    images: Annotated[int | None, its_images(200)] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Largest change of a pixel. Default: the run's reference."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of projected gradient ascent.")] = 40,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Ask whether a network's robustness lies in its feedback, in time, or in its weights.

    Perturbations that move, in the early and in the late half of time; gradients along feedforward
    paths or feedback alone; feedback weaker and stronger at the test; a feedforward student
    distilled from the network. Goes to RUN/controls.
    """
    from experiments.feedback.command import control

    control(
        run,
        networks or [],
        individual=individual,
        images=images,
        epsilon=epsilon,
        steps=steps,
        data=data,
        workers=workers,
        console=Console(),
    )
