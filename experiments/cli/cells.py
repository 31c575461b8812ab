"""Commands that take spiking networks to Brian2: the same spikes, and cells."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.cli.options import (
    Attack,
    Data,
    Epsilon,
    Individual,
    InRun,
    Run,
    Which,
    Workers,
    its_images,
    its_networks,
)

commands = typer.Typer()


@commands.command()
def replica(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Directories with weights, catalogue names, wiring files. Default: every spiking "
            "network of the catalogue."
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Test images, or images per epsilon.")] = 100,
    inputs: Annotated[
        Path | None,
        typer.Option(help="A set of inputs (as in RUN/inputs, or a path), not clean test images."),
    ] = None,
    run: InRun = None,
    individual: Which = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws weights that nobody trained.")] = 0,
    way: Annotated[
        str | None, typer.Option(help="synapses or product. Default: chosen by size.")
    ] = None,
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for recordings (netCDF) and figures of the first 10 images."),
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Of --inputs, what --out draws. Default: the largest.")
    ] = None,
) -> None:
    """Run spiking networks in Brian2 too, and compare every spike with torch's (float64).

    With --out, draw both simulators over each other, and clean against crafted --inputs. Exits
    with 1 where any spike differs.
    """
    from experiments.replica import replicate

    agree = replicate(
        networks or [],
        images=images,
        inputs=inputs,
        run=run,
        individual=individual,
        seed=seed,
        way=way,
        data=data,
        out=out,
        epsilon=epsilon,
        console=Console(),
    )
    raise typer.Exit(0 if agree else 1)


@commands.command()
def detailed(
    run: Run,
    networks: Annotated[list[str] | None, its_networks("that spike")] = None,
    individual: Individual = 0,
    images: Annotated[int | None, its_images(200)] = None,
    attack: Attack = None,
    epsilon: Epsilon = None,
    physiology: Annotated[
        Path | None,
        typer.Option(help="TOML file with the cells' parameters. Default: the run's."),
    ] = None,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Run spiking networks as cells in Brian2 (millivolts, synapses, axons, noise) under attack.

    Each biophysical ingredient alone, and all together, beside the trained units: accuracy on
    clean, noisy and adversarial images, rates, intervals, spike trains. Goes to RUN/detailed.
    """
    from experiments.detailed.command import detail
    from experiments.spec import read_settings
    from networks import physiology_from

    detail(
        run,
        networks or [],
        individual=individual,
        images=images,
        attack=attack,
        epsilon=epsilon,
        physiology=physiology_from(read_settings(physiology)) if physiology else None,
        data=data,
        workers=workers,
        console=Console(),
    )
