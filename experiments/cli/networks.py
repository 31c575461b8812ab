"""Commands on one network: list, train, score, export."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from experiments.cli.options import Data, Device, InRun, Which
from networks.errors import BlindspotsError

commands = typer.Typer()


@commands.command("networks")
def list_networks(
    name: Annotated[str | None, typer.Argument(help="Show this network alone, in full.")] = None,
    diagram: Annotated[
        Path | None, typer.Option(help="Draw NAME's wiring into this .png, .pdf or .svg file.")
    ] = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print NAME's wiring as TOML.")] = False,
) -> None:
    """List the catalogue: areas, projections, parameters, multiply-accumulates per image."""
    from experiments.listing import catalogue_table, draw, network_table, resolve

    console = Console()
    if name is None:
        if diagram or toml:
            raise BlindspotsError("Name the network: blindspots networks NAME --diagram FILE.")
        console.print(catalogue_table())
        return
    wiring = resolve(name)
    if toml:
        print(wiring.to_toml(), end="")
    else:
        console.print(network_table(wiring))
    if diagram:
        draw(wiring, diagram)
        console.print(f"Drawn into {diagram}", highlight=False, markup=False)


@commands.command()
def train(
    network: Annotated[str, typer.Argument(help="A name of the catalogue, or a wiring file.")],
    out: Annotated[Path, typer.Option(help="Directory for weights, wiring and history.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the individual.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    objective: Annotated[
        str, typer.Option(help="standard, noise or adversarial (with --epsilon).")
    ] = "standard",
    epsilon: Annotated[float, typer.Option(help="Budget of the noise or the attack.")] = 0.0,
    data: Data = None,
    device: Device = None,
) -> None:
    """Train one individual, and print its accuracies. Interrupted, it goes on where it stopped."""
    from experiments.single import train_one

    changes: dict[str, Any] = {"objective": objective, "epsilon": epsilon}
    if epochs:
        changes["epochs"] = epochs
    train_one(network, out, seed, changes, data=data, device=device, console=Console())


@commands.command()
def score(
    inputs: Annotated[Path, typer.Option(help="A set of a run: runs/quick/inputs/<set>.")],
    network: Annotated[
        str, typer.Argument(help="Name in --run, a directory, or module:attribute.")
    ],
    run: InRun = None,
    individual: Which = 0,
) -> None:
    """Score any network on saved adversarial inputs, after checking their SHA-256."""
    from experiments.single import score_saved

    score_saved(inputs, network, run, individual, Console())


@commands.command("export")
def export_network(
    network: Annotated[
        str,
        typer.Argument(
            help="Name in --run, a directory; untrained: a catalogue name, a wiring file."
        ),
    ],
    to: Annotated[
        Path, typer.Option(help="FILE.nir: the network. FILE.nwb, FILE.mat (Neo): its activity.")
    ],
    images: Annotated[int, typer.Option(min=1, help="Test images to record (.nwb, .mat).")] = 10,
    dt: Annotated[float, typer.Option(help="Length of a step in milliseconds.")] = 1.0,
    run: InRun = None,
    individual: Annotated[
        int, typer.Option(min=0, help="Which individual of --run; the seed of an untrained one.")
    ] = 0,
    data: Data = None,
) -> None:
    """Write a network to NIR, or its spikes and membranes on test images to NWB or Neo."""
    from experiments.export import export

    export(
        network,
        to,
        images=images,
        dt_ms=dt,
        run_directory=run,
        individual=individual,
        data=data,
        console=Console(),
    )
