"""What many commands ask for, written once: the types of their parameters."""

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments import workers
from networks.errors import BlindspotsError


def checked_device(name: str | None) -> str | None:
    """The device itself; raises BlindspotsError where there is none of that name."""
    if name not in (None, "cpu", "cuda"):
        raise BlindspotsError(f"There is no device '{name}'; choose cpu or cuda.")
    return name


def _workers_in(text: str) -> workers.Workers:
    if text.lstrip("-").isdigit() and int(text) < 1:
        raise typer.BadParameter(f"{text} is less than 1")
    return workers.workers_named(text)


def words(text: str | None) -> list[str] | None:
    """The parts of a comma-separated text, where one was given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def epsilons_in(text: str | None) -> list[float] | None:
    """The numbers of a comma-separated text, where one was given."""
    try:
        return None if text is None else [float(part) for part in words(text) or []]
    except ValueError:
        raise BlindspotsError(
            f"The epsilons '{text}' are not numbers; write for example --epsilons 0.05,0.1,0.2."
        ) from None


def whole_numbers(option: str, text: str) -> list[int]:
    """The whole numbers of a comma-separated text that was given for an option."""
    try:
        return [int(part) for part in words(text) or []]
    except ValueError:
        raise BlindspotsError(
            f"--{option} '{text}' is no list of whole numbers; write for example --{option} 1,3,10."
        ) from None


# --- where to compute, and on what

Data = Annotated[
    Path | None,
    typer.Option(
        help="Directory with MNIST's four IDX files. Default: $BLINDSPOTS_DATA, the cache, a "
        "download."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu or cuda. Default: a GPU where there is one.", callback=checked_device),
]
Workers = Annotated[
    Any,  # None, or experiments.workers.Workers: Typer takes no unions
    typer.Option(
        "--workers",
        "--cluster",
        parser=_workers_in,
        metavar="N|CLUSTER",
        help="So many processes, on a GPU and beside it; by default one per core, and one for the "
        "GPU. Or a dask cluster: local:N, slurm, slurm:N (jobs), or a scheduler's address.",
    ),
]

# --- a finished comparison, and what of it

Run = Annotated[Path, typer.Argument(help="Directory of a comparison.")]
Individual = Annotated[int, typer.Option(min=0, help="Which individual.")]
Attack = Annotated[str | None, typer.Option(help="Default: the run's reference.")]
Epsilon = Annotated[float | None, typer.Option(help="Default: the run's reference.")]


def its_networks(default: str) -> Any:
    """The argument for networks of a comparison; in ``default``, which, where none is named."""
    return typer.Argument(help=f"Its networks. Default: all {default}.")


def its_images(default: int) -> Any:
    """The option for how many images of a comparison; ``default`` of them, or all there are."""
    return typer.Option(min=1, help=f"How many of its images. Default: {default}, or all.")


def its_image(what: str) -> Any:
    """The option for images of a comparison, by index in the test set; ``what`` is done to them."""
    return typer.Option(help=f"{what}; by index in the test set, as figures and pages print it.")


# --- a network that lies in a run

InRun = Annotated[Path | None, typer.Option("--run", help="Run directory that holds the network.")]
Which = Annotated[int, typer.Option("--individual", min=0, help="Which individual of --run.")]
