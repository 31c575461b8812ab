"""The command line: ``blindspots``. Heavy imports wait until a command needs them."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from experiments.cli import (
    audits,
    blinking,
    cells,
    comparisons,
    dynamics,
    exploring,
    meanings,
    networks,
    reproductions,
    robustness,
)
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

for group in (comparisons, networks, cells, robustness, audits, dynamics, meanings, exploring):
    app.add_typer(group.commands)
app.add_typer(reproductions.commands, name="reproduce")
app.add_typer(blinking.commands, name="blink")


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
