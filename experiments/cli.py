"""The command line: ``blindspots``. Heavy imports wait until a command needs them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from experiments.attacks.names import ATTACKS
from networks.errors import BlindspotsError

app = typer.Typer(
    name="blindspots",
    help="Do recurrent, modular and spiking networks have the adversarial blind spots that "
    "feedforward networks have? Train a population, attack it, and score every network on the same "
    "inputs.\n\nStart with:  blindspots compare --preset quick --out runs/quick",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

DATA = "Directory with MNIST's four IDX files. Default: $BLINDSPOTS_DATA, the cache, a download."
DATA_OPTION = typer.Option(help=DATA)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in _names(text) or []]
    except ValueError:
        raise BlindspotsError(
            f"The epsilons '{text}' are not numbers; write for example --epsilons 0.05,0.1,0.2."
        ) from None


def _check_device(name: str | None) -> None:
    if name not in (None, "cpu", "cuda"):
        raise BlindspotsError(f"There is no device '{name}'; choose cpu or cuda.")


@app.command(epilog=f"Attacks: {', '.join(ATTACKS)}.")
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
    data: Annotated[Path | None, DATA_OPTION] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda. Default: a GPU where there is one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core, one on a GPU.")
    ] = None,
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
        networks=_names(networks),
        individuals=individuals,
        images=images,
        attacks=_names(attacks),
        epsilons=_numbers(epsilons),
        corruptions=_names(corruptions),
        mnist_c=str(mnist_c) if mnist_c else None,
        effort=effort,
        seed=seed,
        engine=engine,
        physiology=cells.model_dump() if cells else None,
    )
    _check_device(device)
    from experiments.compare import compare as run_comparison

    out = out or Path("runs") / (resolved.title or "comparison")
    run_comparison(resolved, out, data=data, device=device, workers=workers, console=Console())


@app.command("networks")
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


@app.command()
def train(
    network: Annotated[str, typer.Argument(help="A name of the catalogue, or a wiring file.")],
    out: Annotated[Path, typer.Option(help="Directory for weights, wiring and history.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the individual.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    objective: Annotated[
        str, typer.Option(help="standard, noise or adversarial (with --epsilon).")
    ] = "standard",
    epsilon: Annotated[float, typer.Option(help="Budget of the noise or the attack.")] = 0.0,
    data: Annotated[Path | None, DATA_OPTION] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
) -> None:
    """Train one individual, and print its accuracies. Interrupted, it goes on where it stopped."""
    _check_device(device)
    from experiments.single import train_one

    changes: dict[str, Any] = {"objective": objective, "epsilon": epsilon}
    if epochs:
        changes["epochs"] = epochs
    train_one(network, out, seed, changes, data=data, device=device, console=Console())


@app.command()
def score(
    inputs: Annotated[Path, typer.Option(help="A set of a run: runs/quick/inputs/<set>.")],
    network: Annotated[
        str, typer.Argument(help="Name in --run, a directory, or module:attribute.")
    ],
    run: Annotated[Path | None, typer.Option(help="Run directory that holds the network.")] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which individual of --run.")] = 0,
) -> None:
    """Score any network on saved adversarial inputs, after checking their SHA-256."""
    from experiments.single import score_saved

    score_saved(inputs, network, run, individual, Console())


@app.command("export")
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
    run: Annotated[Path | None, typer.Option(help="Run directory that holds the network.")] = None,
    individual: Annotated[
        int, typer.Option(min=0, help="Which individual of --run; the seed of an untrained one.")
    ] = 0,
    data: Annotated[Path | None, DATA_OPTION] = None,
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


@app.command()
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
    run: Annotated[Path | None, typer.Option(help="Run directory that holds the networks.")] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which individual of --run.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws weights that nobody trained.")] = 0,
    way: Annotated[
        str | None, typer.Option(help="synapses or product. Default: chosen by size.")
    ] = None,
    data: Annotated[Path | None, DATA_OPTION] = None,
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


@app.command()
def detailed(
    run: Annotated[Path, typer.Argument(help="Directory of a comparison.")],
    networks: Annotated[
        list[str] | None, typer.Argument(help="Its networks. Default: all that spike.")
    ] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which individual.")] = 0,
    images: Annotated[
        int | None, typer.Option(min=1, help="How many of its images. Default: 200, or all.")
    ] = None,
    attack: Annotated[str | None, typer.Option(help="Default: the run's reference.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Default: the run's reference.")] = None,
    physiology: Annotated[
        Path | None,
        typer.Option(help="TOML file with the cells' parameters. Default: the run's."),
    ] = None,
    data: Annotated[Path | None, DATA_OPTION] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core.")
    ] = None,
) -> None:
    """Run spiking networks as cells in Brian2 (millivolts, synapses, axons, noise) under attack.

    Each biophysical ingredient alone, and all together, beside the trained units: accuracy on
    clean, noisy and adversarial images, rates, intervals, spike trains. Goes to RUN/detailed.
    """
    from experiments.detailed import detail
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


reproductions = typer.Typer(no_args_is_help=True, help="Published tables once more, beside ours.")
app.add_typer(reproductions, name="reproduce")


@reproductions.callback()
def _reproduce() -> None:
    """Published tables once more, beside ours."""


@reproductions.command()
def szegedy(
    out: Annotated[Path, typer.Option(help="Run directory.")] = Path("runs/szegedy"),
    images: Annotated[int, typer.Option(min=2, help="Images to distort for each network.")] = 300,
    effort: Annotated[float, typer.Option(help="Scales every recipe's epochs.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    data: Annotated[Path | None, DATA_OPTION] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda. Default: a GPU where there is one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core, one on a GPU.")
    ] = None,
) -> None:
    """Tables 1 to 4 of Szegedy et al. (2014), with recurrent, modular and spiking networks.

    Minimal distortions, and the errors that examples made for one network cause in the others.
    Interrupted, the same command goes on where it stopped.
    """
    _check_device(device)
    from experiments.reproduce.command import reproduce
    from experiments.reproduce.plan import settings_from

    settings = settings_from(images=images, effort=effort, seed=seed)
    reproduce(settings, out, data=data, device=device, workers=workers, console=Console())


@app.command()
def transfer(
    run: Annotated[Path, typer.Argument(help="Directory of a comparison that kept its inputs.")],
    attack: Annotated[str | None, typer.Option(help="Default: the run's reference.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Default: the run's reference.")] = None,
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
    data: Annotated[Path | None, DATA_OPTION] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda, as the run.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core, one on a GPU.")
    ] = None,
) -> None:
    """Show what was crafted on every individual to every other: who is fooled by whose inputs.

    Transfer rates between networks and kinds of networks with intervals, images that fool many at
    once beside chance, and, with --parts 2, what sharing the training images has to do with it.
    With --universal, which networks one and the same change of all images misleads, beside random
    signs. Goes to RUN/transfer.
    """
    _check_device(device)
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


@app.command()
def attack(
    run: Annotated[Path, typer.Argument(help="Directory of a comparison.")],
    networks: Annotated[
        list[str] | None, typer.Argument(help="Its networks. Default: all that it trained.")
    ] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which individual.")] = 0,
    images: Annotated[
        int | None, typer.Option(min=1, help="How many of its images. Default: 1000, or all.")
    ] = None,
    norm: Annotated[str, typer.Option(help="linf or l2.")] = "linf",
    epsilon: Annotated[float | None, typer.Option(help="Default: the run's reference.")] = None,
    data: Annotated[Path | None, DATA_OPTION] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core.")
    ] = None,
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


@app.command()
def controls(
    run: Annotated[Path, typer.Argument(help="Directory of a comparison.")],
    networks: Annotated[
        list[str] | None, typer.Argument(help="Its networks. Default: all that have feedback.")
    ] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which individual.")] = 0,
    images: Annotated[
        int | None, typer.Option(min=1, help="How many of its images. Default: 200, or all.")
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Largest change of a pixel. Default: the run's reference."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of projected gradient ascent.")] = 40,
    data: Annotated[Path | None, DATA_OPTION] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core.")
    ] = None,
) -> None:
    """Ask whether a network's robustness lies in its feedback, in time, or in its weights.

    Perturbations that move, in the early and in the late half of time; gradients along feedforward
    paths or feedback alone; feedback weaker and stronger at the test; a feedforward student
    distilled from the network. Goes to RUN/controls.
    """
    from experiments.controls import control

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


@app.command()
def audit(
    run: Annotated[
        Path | None, typer.Argument(help="Directory of a comparison; not needed for --controls.")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Argument(help="Its networks. Default: all attacked white-box.")
    ] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which individual.")] = 0,
    images: Annotated[
        int | None, typer.Option(min=1, help="How many of its images. Default: 100, or all.")
    ] = None,
    attack: Annotated[str | None, typer.Option(help="Default: the run's reference.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Default: the run's reference.")] = None,
    controls: Annotated[
        bool,
        typer.Option("--controls", help="Audit known-broken models alone; exit code 1 if missed."),
    ] = False,
    data: Annotated[Path | None, DATA_OPTION] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one per core.")
    ] = None,
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


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Directory of a comparison.")]) -> None:
    """Make statistics, figures and report.html anew from a run's result.nc."""
    from experiments.compare import finish
    from experiments.result import load_result

    finish(run, load_result(run), Console())


def main() -> None:
    """Run the command line: one sentence and exit code 1 where something is wrong."""
    errors = Console(stderr=True)
    try:
        app(standalone_mode=True)
    except BlindspotsError as error:
        errors.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:  # typer turns the first into exit code 130
        if isinstance(end, SystemExit) and end.code != 130:
            raise
        errors.print("Interrupted; the same command goes on from here.")
        sys.exit(130)


if __name__ == "__main__":
    main()
