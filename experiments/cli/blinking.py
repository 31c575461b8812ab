"""Commands of the attentional blink."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from experiments.cli.options import Data, Workers, epsilons_in, whole_numbers, words
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from experiments.blink.spec import BlinkSpec

commands = typer.Typer(no_args_is_help=False)


def settled(preset: str | None, spec: Path | None, usual: str, **overrides: Any) -> "BlinkSpec":
    """The specification of a preset, by default the ``usual`` one, or of a file."""
    from experiments.blink.spec import blink_preset, blink_spec_from
    from experiments.spec import read_settings

    if spec and preset:
        raise BlindspotsError("Give either --preset or --spec, not both.")
    return blink_spec_from(
        read_settings(spec) if spec else blink_preset(preset or usual), **overrides
    )


@commands.callback(invoke_without_command=True)
def blink(
    context: typer.Context,
    preset: Annotated[
        str | None, typer.Option(help="quick (minutes) or full (population, all conditions).")
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(help="TOML file with the settings, instead of a preset.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory. Default: runs/<title>.")] = None,
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions.")] = None,
    individuals: Annotated[int | None, typer.Option(help="Individuals per observer.")] = None,
    per_lag: Annotated[int | None, typer.Option(help="Trials per lag and individual.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything.")] = None,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Show streams of digits to networks with attention and memory: do they blink as people do?

    Interrupted, the same command goes on where it stopped. Options override the preset or file.
    """
    if context.invoked_subcommand:
        return
    from experiments.blink.command import blink as run_blink

    resolved = settled(
        preset,
        spec,
        usual="quick",
        conditions=words(conditions),
        individuals=individuals,
        per_lag=per_lag,
        seed=seed,
    )
    out = out or Path("runs") / resolved.title
    run_blink(resolved, out, data=data, workers=workers, console=Console())


@commands.command()
def fit(
    preset: Annotated[
        str | None, typer.Option(help="Whose observers, and where to start. Default: fit.")
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(help="TOML file with the settings, instead of a preset.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory. Default: runs/<title>.")] = None,
    generations: Annotated[
        int, typer.Option(min=0, help="Of the search; more of them go on where fewer ended.")
    ] = 16,
    per_lag: Annotated[int, typer.Option(min=1, help="Trials per lag and observer.")] = 160,
    seed: Annotated[int, typer.Option(min=0, help="Of streams and search.")] = 0,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Fit the parameters of attention to people's lag curve, on validation images.

    Leaves attention.toml, whose table a specification takes. Interrupted, the same command goes on
    after the last generation.
    """
    from experiments.blink.fit import fit_attention

    resolved = settled(preset, spec, usual="fit")
    fit_attention(
        resolved, out or Path("runs") / resolved.title, generations=generations, per_lag=per_lag,
        seed=seed, data=data, workers=workers, console=Console(),
    )  # fmt: skip


@commands.command()
def grade(
    run: Annotated[Path, typer.Argument(help="Directory of a blink experiment.")],
    observer: Annotated[str | None, typer.Option(help="Default: all but controls.")] = None,
) -> None:
    """Print every target with its interval, passed or missed; exit code 1 where one is missed."""
    from experiments.blink.command import print_grades

    if not print_grades(run, observer, Console()):
        raise typer.Exit(1)


@commands.command()
def attack(
    run: Annotated[Path, typer.Argument(help="Directory of a blink experiment.")],
    observers: Annotated[
        list[str] | None,
        typer.Argument(help="Default: those with the run's own gate, and controls."),
    ] = None,
    norms: Annotated[str, typer.Option(help="linf, l2; controls get the first one.")] = "linf,l2",
    epsilons: Annotated[
        str, typer.Option(help="Comma-separated budgets for T2's frame.")
    ] = "0.02,0.04,0.08",
    distractor_epsilons: Annotated[
        str, typer.Option(help="Comma-separated budgets for a distractor.")
    ] = "0.05,0.1,0.2",
    universal_epsilon: Annotated[
        float, typer.Option(help="Budget of the one change for all distractors.")
    ] = 0.4,
    lags: Annotated[str, typer.Option(help="Comma-separated lags in items.")] = "1,2,3,5,8",
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps.")] = 8,
    queries: Annotated[
        int, typer.Option(min=0, help="Of an attack without gradients on two of each; 0: none.")
    ] = 100,
    per_lag: Annotated[int, typer.Option(min=1, help="Trials per lag and individual.")] = 16,
    individuals: Annotated[int, typer.Option(min=1, help="How many of each.")] = 3,
    controls: Annotated[int, typer.Option(min=1, help="How many of each control.")] = 2,
    lone: Annotated[
        int, typer.Option(min=0, help="Rate individuals attacked before a lone target, too.")
    ] = 24,
    out: Annotated[
        Path | None, typer.Option(help="Default: RUN/attack, and onto the run's page.")
    ] = None,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Perturb one frame, the second target's or a distractor's: is the blink a weak moment?

    Beside noise of the same size, by lag, judged by other individuals, the other reading and the
    gate's controls. Goes to RUN/attack; half an hour on two cores for the full preset's run.
    """
    from experiments.blink.adversarial.command import attack_blink
    from experiments.blink.adversarial.plan import Effort, norms_named

    effort = Effort(
        norms=norms_named(words(norms) or []),
        target=tuple(sorted(set(epsilons_in(epsilons) or []))),
        distractor=tuple(sorted(set(epsilons_in(distractor_epsilons) or []))),
        universal=universal_epsilon,
        lags=tuple(sorted(set(whole_numbers("lags", lags)))),
        steps=steps,
        queries=queries,
        per_lag=per_lag,
        individuals=individuals,
        controls=controls,
        lone=lone,
    )
    attack_blink(
        run, observers or [], effort, out=out, data=data, workers=workers, console=Console()
    )


@commands.command()
def cells(
    run: Annotated[Path, typer.Argument(help="Directory of a blink experiment.")],
    observer: Annotated[
        str | None, typer.Argument(help="One that spikes. Default: the first.")
    ] = None,
    individual: Annotated[int, typer.Option(min=0, help="Which of its individuals.")] = 0,
    per_lag: Annotated[int, typer.Option(min=1, help="Trials at lags 2 and 7.")] = 12,
    data: Data = None,
    workers: Workers = None,
) -> None:
    """Run gate and memory in Brian2 cells beside the pools, on the same trials; some minutes.

    Rasters of both, how their traces correlate, and what each sees go to RUN/cells.
    """
    from experiments.blink.cells import blink_cells

    blink_cells(
        run,
        observer,
        individual=individual,
        per_lag=per_lag,
        data=data,
        workers=workers,
        console=Console(),
    )
