"""A unit of work: one individual's cells under several conditions, measured against torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.bench import Bench, scored
from experiments.cells import embodied
from experiments.individuals import CALIBRATED_ON
from experiments.statistics.spike_trains import (
    cliffs_delta,
    coefficients_of_variation,
    divergence,
    in_steps,
    interspike_intervals,
    rate_correlation,
    rates_hz,
)
from experiments.store import fresh_unit, key_of, write_dataset
from experiments.units import FORMAT, Report, Unit
from networks import Physiology

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

MEASURES = {
    "rate_correlation": "Pearson's r with torch of spike counts, over cells and images",
    "divergence_from_torch": "van Rossum distance per spike (5 ms) from torch on the same input",
    "divergence_from_clean": "the same from the clean images, within the variant",
    "isi_median": "median interval between spikes, ms",
    "isi_delta": "Cliff's delta of the intervals against torch, both in whole steps",
    "cv_median": "median coefficient of variation of the intervals of a train",
    "cv_delta": "Cliff's delta of those against torch, both in whole steps",
    "conductance": "mean synaptic conductance of a cell, in units of its leak",
}
MEASURED = 4  # raise it when other measures are taken
CVS = np.linspace(0, 1.5, 61)


@dataclass(frozen=True)
class Condition:
    """Images that are shown: ``name`` for people; a crafted set at an epsilon, or clean images."""

    name: str
    inputs: Path | None = None
    epsilon: float = 0.0
    sha256: str = ""


@dataclass(frozen=True)
class Examine:
    """The individual in ``directory`` under all ``conditions``, on torch or in cells.

    ``variant`` is what it is called; on torch, ``physiology`` gives ms and mV their meaning alone.
    The first condition is what the others are told apart from.
    """

    stage: ClassVar[str] = "examine"
    product: ClassVar[str] = "activity.nc"
    variant: str
    engine: Literal["torch", "detailed"]
    directory: Path
    network_sha256: str
    physiology: Physiology
    conditions: tuple[Condition, ...]
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.directory.parent.name}, {self.variant}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the measures."""
        return key_of(
            format=(FORMAT, MEASURED),
            variant=self.variant,
            engine=self.engine,
            network=self.network_sha256,
            physiology=self.physiology.model_dump(mode="json"),
            conditions=[(c.name, c.epsilon, c.sha256) for c in self.conditions],
            images=self.images,
            calibrated_on=CALIBRATED_ON,
            seed=self.seed,
            data=self.bench.sha256,
            software=f"{self.bench.software} brian2 {version('brian2')} numpy {version('numpy')}",
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Calibrate, show every condition, and leave the measures."""
        from experiments.training import load_individual

        network = load_individual(self.directory)
        shown = [shown_images(self.bench, each, self.images) for each in self.conditions]
        on_torch = [on_torch_in_ms(network, images, self.physiology) for images in shown]
        recordings, facts = on_torch, xr.Dataset()
        if self.engine == "detailed":
            recordings, facts = self._in_cells(shown, report)
        duration = network.wiring.steps * self.physiology.step_ms
        rows = [
            measures(recording, beside, recordings[0], duration)
            for recording, beside in zip(recordings, on_torch, strict=True)
        ]
        names = [each.name for each in self.conditions]
        result = xr.concat(rows, xr.DataArray(names, dims="condition", name="condition"))
        result = result.merge(facts).expand_dims(variant=[self.variant])
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(result, directory / self.product)

    def _in_cells(
        self, shown: "Sequence[Tensor]", report: Report
    ) -> tuple[list[xr.Dataset], xr.Dataset]:
        """The recordings, and how the cells were calibrated."""
        from sim.brian.detailed import run

        images = self.bench.load().train.images[:CALIBRATED_ON]
        detailed, calibration = embodied(
            *(self.directory, self.physiology, self.seed, images),
            lambda done, score: report(done / 2, score),
        )
        areas, recordings = list(calibration.gains), []
        for count, each in enumerate(shown, start=1):
            recordings.append(run(detailed, each, record=areas, quantities=("output",)))
            report(0.5 + count / len(shown) / 2, 0.0)
        facts = {
            "gain": ("area", list(calibration.gains.values())),
            "calibrated_rate": ("area", list(calibration.after.values())),
            "trained_rate": ("area", list(calibration.trained.values())),
        }
        return recordings, xr.Dataset(facts, coords={"area": areas})


def shown_images(bench: Bench, condition: Condition, count: int) -> "Tensor":
    """The images of a condition, (N, 1, 28, 28)."""
    from experiments.single import read_inputs

    if condition.inputs is None:
        return scored(bench, count).images
    tensors, facts = read_inputs(condition.inputs)
    return tensors["inputs"][facts["epsilons"].index(condition.epsilon), :count]


def on_torch_in_ms(network: "Network", images: "Tensor", physiology: Physiology) -> xr.Dataset:
    """The spikes of the trained units, in the time of cells."""
    from sim import run
    from sim.brian.detailed import in_cells_units

    names = list(network.wiring.spiking)
    recording = run(network, images, record=names, quantities=("output",))
    return in_cells_units(recording, network.wiring, physiology)


def measures(
    recording: xr.Dataset, torch: xr.Dataset, clean: xr.Dataset, duration_ms: float
) -> xr.Dataset:
    """``MEASURES`` by area, ``rate`` (area, image) in Hz and ``prediction`` (image).

    ``isi_at_most`` (area, isi) and ``cv_at_most`` (area, cv) are the shares of intervals and of
    coefficients of variation up to each value of their coordinates (ms; none).
    """
    areas = [str(name).removesuffix(".output") for name in recording if ".output" in str(name)]
    durations = np.arange(0, duration_ms + 0.05, 0.1).round(1)
    rows = []
    for area in areas:
        intervals = interspike_intervals(recording, area)[0]
        spread = coefficients_of_variation(recording, area)
        both = [in_steps(each, area) for each in (recording, torch)]
        rows.append(
            {
                "rate_correlation": rate_correlation(recording, torch, area),
                "divergence_from_torch": divergence(recording, torch, area),
                "divergence_from_clean": divergence(recording, clean, area),
                "isi_median": _median(intervals),
                "isi_delta": cliffs_delta(*(interspike_intervals(each, area)[0] for each in both)),
                "cv_median": _median(spread),
                "cv_delta": cliffs_delta(*(coefficients_of_variation(each, area) for each in both)),
                "conductance": float(recording.get(f"{area}.conductance", np.nan)),
                "isi_at_most": ("isi", share_up_to(durations + 0.05, intervals)),
                "cv_at_most": ("cv", share_up_to(CVS, spread)),
                "rate": ("image", rates_hz(recording, area, duration_ms)),
            }
        )
    table = xr.concat([xr.Dataset(row) for row in rows], xr.DataArray(areas, dims="area"))
    for name, meaning in MEASURES.items():
        table[name].attrs["long_name"] = meaning
    table["prediction"] = "image", recording["logits"].to_numpy().argmax(1).astype(np.int8)
    return table.assign_coords(area=areas, isi=durations, cv=CVS)


def share_up_to(values: NDArray[Any], data: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of ``data`` that is at most each of ``values``; NaN without data."""
    if not len(data):
        return np.full(len(values), np.nan)
    return np.searchsorted(np.sort(data), values, side="right") / len(data)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float("nan")
