"""Look at a finished run's networks, images and perturbations: the command `explore`."""

import webbrowser
from pathlib import Path

import numpy as np
from rich.console import Console

from experiments.explorer.offer import Choice, Offer, choose, offered
from experiments.store import write_text
from networks.errors import BlindspotsError, unknown_number


def explore(
    run: Path,
    *,
    network: str | None,
    individual: int,
    image: int | None,
    attack: str | None,
    source: str | None,
    epsilon: float | None,
    export: Path | None,
    port: int,
    browser: bool,
    data: Path | None,
    console: Console,
) -> None:
    """Serve the page until it is interrupted, or write it into the file `export`.

    What is not asked for is the run's attack with the most budgets, and an image that it fooled.
    """
    check_installed()
    if export and export.suffix != ".html":
        raise BlindspotsError(
            f"'{export}' does not end in .html, and the page is HTML; name an .html file."
        )
    offer = offered(run, data)
    choice = choose(
        *(offer,),
        network=network,
        individual=individual,
        image=image,
        attack=attack,
        source=source,
    )
    at = epsilon_of(offer, choice, epsilon)
    if export:
        write(offer, choice, at, export, console)
    else:
        serve(offer, choice, at, port, browser, console)


def check_installed() -> None:
    """Raise BlindspotsError where the library of the page is missing."""
    try:
        import bokeh  # noqa: F401
    except ImportError:
        raise BlindspotsError(
            "The explorer needs Bokeh, which is not installed; install blindspots[explore]."
        ) from None


def epsilon_of(offer: Offer, choice: Choice, epsilon: float | None) -> float:
    """The epsilon that is shown first: as asked for, else the run's reference, or the largest.

    Raises BlindspotsError where nothing was crafted at what is asked for.
    """
    there, _ = offer.crafted(choice)
    wanted = offer.compared.attrs["reference_epsilon"] if epsilon is None else epsilon
    near = [each for each in there if np.isclose(each, wanted, rtol=1e-6, atol=0)]
    if near:
        return near[0]
    if epsilon is not None:
        raise unknown_number("epsilon", epsilon, there, f"of {choice.attack}")
    return max(there)


def write(offer: Offer, choice: Choice, epsilon: float, path: Path, console: Console) -> None:
    """The page of one choice as a file."""
    from experiments.explorer.page import exported
    from experiments.explorer.scene import scene

    write_text(path, exported(scene(offer, choice), epsilon))
    console.print(f"Exported: {path}", highlight=False, markup=False, soft_wrap=True)


def serve(
    offer: Offer, choice: Choice, epsilon: float, port: int, browser: bool, console: Console
) -> None:
    """Answer until Ctrl-C."""
    from experiments.explorer.server import HOST, server

    serving, port = server(offer, choice, epsilon, port)
    address = f"http://{HOST}:{port}/"
    console.print(f"Exploring {offer.run} at {address} (Ctrl-C ends it)", highlight=False)
    if browser and not webbrowser.open(address):
        console.print("No browser could be opened here; open that address in one.")
    serving.start()
    try:
        serving.io_loop.start()
    except KeyboardInterrupt:
        console.print("Ended.")
    finally:
        serving.stop()
