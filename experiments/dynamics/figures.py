"""Figures of the command ``dynamics``: of one individual, and of the population."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xarray as xr

from experiments.dynamics.conditions import ADVERSARIAL
from experiments.dynamics.measures.parts import CLEAN, areas_of
from experiments.dynamics.recorded import looked_at, told_apart
from experiments.dynamics.subject import Subject
from experiments.store import unwritable
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "decision": "Image, perturbation and perturbed image; below, the potentials of all classes and "
    "the margin of the label through time. Steps that the answer is averaged over are shaded.",
    "raster": "Spikes when clean and under attack, area by area, with the rates beside and below.",
    "traces": "Single units when clean (lines) and under attack (dashed), with the threshold of "
    "those that spike.",
    "divergence": "How far each area is from its clean course, under attack and under noise of the "
    "same norm, by the RMS of its clean output, and the share of right answers so far.",
    "state-space": "Paths in the plane of the first two principal components of the clean "
    "activity of all images; digits are their labels, where they are at their last step.",
    "phase": "Two areas' mean outputs: a field estimated from all recorded runs, its nullclines "
    "(where the runs never turn there are none in this range, as the legend says), the paths of "
    "one image, and fixed points under it where they were sought and found.",
    "drives": "Drive of each area by kind of projection, clean beside perturbed.",
    "weights": "Weights in blocks of target and source area.",
    "kinds": "One image under one perturbation in every network: the answer at each step (grey "
    "where it is not read), the "
    "margin of the label, how far each area is from its clean course, and its mean output (of "
    "spiking ones: spikes per cell and step). Unless --image names one, it is the recorded image "
    "that most networks take rightly when clean and under noise, and then most wrongly when "
    "attacked.",
    "early-late": "Share of right answers where a perturbation is crafted for some frames alone "
    "(rows) and the answer is read at one step (columns).",
    "sensitivity": "Finite-time Lyapunov exponent along the adversarial direction against the "
    "smallest change that fools, image by image.",
}


class Drawn(NamedTuple):
    """Figures that were drawn, caption and file by name, and why others were not."""

    figures: dict[str, tuple[str, Path]]
    missing: list[str]


def draw_individual(
    subject: Subject,
    recordings: xr.Dataset,
    result: xr.Dataset,
    points: xr.Dataset | None,
    folder: Path,
) -> Drawn:
    """The figures of one individual, of the image to look at (see :func:`looked_at`)."""
    from figures.decision import decision
    from figures.divergence import divergence
    from figures.drive import drives
    from figures.phase import phase
    from figures.raster_rates import raster_with_rates
    from figures.state_space import state_space
    from figures.traces import traces

    clean, attacked = (recordings.sel(condition=c) for c in (CLEAN, ADVERSARIAL))
    at = looked_at(recordings)
    hidden = [a for a in areas_of(recordings, "potential") if a != recordings.attrs["output"]]
    spiking = any(recordings[f"{a}.output"].attrs.get("unit_model") == "lif" for a in hidden)
    here = result.sel(individual=[subject.individual])
    figures: dict[str, Callable[[], Figure]] = {"decision": lambda: decision(recordings, image=at)}
    if spiking:
        figures["raster"] = lambda: raster_with_rates(recordings, image=at)
    figures["traces"] = lambda: traces(clean, attacked, image=at)
    figures["divergence"] = lambda: divergence(here, subject.network)
    figures["state-space"] = lambda: state_space(recordings, image=at)
    if len(hidden) > 1:
        fixed = None if points is None else points_of(points, clean, at)
        pair = hidden[0], hidden[-1]
        figures["phase"] = lambda: phase(recordings, pair, image=at, fixed=fixed)
    if f"{hidden[0]}.drive_by_kind" in recordings:
        figures["drives"] = lambda: drives(recordings, image=at)
    if not subject.in_cells:
        figures["weights"] = lambda: weights_of(subject, recordings)
    drawn = draw(figures, folder)
    if not subject.in_cells:
        film(recordings, at, folder, drawn)
    return drawn


def points_of(points: xr.Dataset, clean: xr.Dataset, at: int) -> xr.Dataset | None:
    """The fixed points under one adversarial image, if it is one of those that were looked at.

    There may be none.
    """
    image = int(clean["image"][at])
    looked = ((points["image"] == image) & (points["condition"] == ADVERSARIAL)).to_numpy()
    return points.isel(point=looked & points["fixed"].to_numpy()) if looked.any() else None


def weights_of(subject: Subject, recordings: xr.Dataset) -> "Figure":
    """The figure of the weights that act."""
    from figures.weights import weights
    from sim import Network
    from sim.weights import labelled_weights

    network = subject.model()
    assert isinstance(network, Network)
    said = {name: recordings.attrs[name] for name in ("weights", "data")}
    return weights(labelled_weights(network).assign_attrs(said))


def film(recordings: xr.Dataset, at: int, folder: Path, drawn: Drawn) -> None:
    """``film.gif`` beside the figures: activity maps of one image under attack."""
    from figures.animation import animate

    try:
        animate(recordings, folder / "film.gif", image=at)
    except BlindspotsError as reason:
        drawn.missing.append(f"film: {reason}")
    except OSError as error:
        raise unwritable(folder, error) from None


def draw_population(
    result: xr.Dataset, summary: xr.Dataset, alike: Sequence[xr.Dataset], folder: Path
) -> Drawn:
    """The figures of all networks; ``alike`` are recordings of some on the same inputs, if any."""
    from figures.early_late import early_late
    from figures.kinds import kinds
    from figures.sensitivity import sensitivity

    figures: dict[str, Callable[[], Any]] = {}
    if len(alike) > 1:
        figures["kinds"] = lambda: kinds(result, alike, image=told_apart(alike))
    if "rank_correlation" in summary:
        figures["sensitivity"] = lambda: sensitivity(result, summary)
    if "early_late_right" in result:
        figures["early-late"] = lambda: early_late(result)
    return draw(figures, folder)


def draw(figures: "Mapping[str, Callable[[], Figure]]", folder: Path) -> Drawn:
    """Each figure into ``folder``; one that cannot be drawn leaves its reason."""
    from figures.save import save

    drawn = Drawn({}, [])
    for name, make in figures.items():
        try:
            drawn.figures[name] = CAPTIONS[name], save(make(), folder, name)[0]
        except BlindspotsError as reason:
            drawn.missing.append(f"{name}: {reason}")
        except OSError as error:
            raise unwritable(folder, error) from None
    return drawn
