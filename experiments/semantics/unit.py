"""A unit of work: what one individual's units, directions and modules mean."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr

from experiments.bench import Bench, scored
from experiments.detailed.examine import Condition, shown_images
from experiments.finished import seed_of
from experiments.semantics import lesions, modularity
from experiments.semantics.activity import KINDS, Floats, Ints, activities, modules_of, readings
from experiments.semantics.measures import MEASURES, TOP, against_null, prepared
from experiments.store import fresh_unit, key_of, write_dataset
from experiments.units import FORMAT, Report, Unit
from networks.derive import hidden

if TYPE_CHECKING:
    from sim import Network

SEMANTICS = 2  # raise it when the same settings come to mean other numbers
CHANCE = "semantics"  # names the stream that random codes draw from
MEASURED, COUNTED = 0.4, 0.6  # shares of the work that are done then


@dataclass(frozen=True)
class Interpret:
    """The individual in ``directory``, on ``images`` test images.

    Lesions are judged on the first ``lesioned`` of them, clean and as the condition ``attacked``
    has them, where there is one. ``seed`` draws directions, groups and shuffles.
    """

    stage: ClassVar[str] = "interpret"
    product: ClassVar[str] = "semantics.nc"
    directory: Path
    network_sha256: str
    attacked: Condition | None
    images: int
    lesioned: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"meaning in {self.directory.parent.name} ({self.directory.name})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        attacked = self.attacked and (self.attacked.epsilon, self.attacked.sha256)
        return key_of(
            format=(FORMAT, SEMANTICS),
            network=self.network_sha256,
            attacked=attacked,
            images=(self.images, self.lesioned),
            seed=self.seed,
            data=self.bench.sha256,
            software=f"{self.bench.software} numpy {np.__version__}",
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Measure every area, silence its parts, and leave the labelled outcome."""
        from experiments.attacks.chance import stream
        from experiments.training import load_individual, stream_of
        from sim import Network

        network = load_individual(self.directory)
        images, labels = scored(self.bench, self.images)
        generator = np.random.default_rng(self.seed)
        activity = activities(network, images, stream(CHANCE, self.seed))
        classes = labels.numpy()
        by_area = [
            meanings(readings(activity[area.name], area, generator), classes, generator)
            for area in hidden(network.wiring)
        ]
        report(MEASURED, 0.0)
        names = xr.DataArray(list(activity), dims="area", name="area")
        result = xr.concat(by_area, names, join="outer")
        first = stream_of(network.wiring, seed_of(self.directory))
        untrained = Network.initial(network.wiring, first)
        found = modularities(network, untrained, activity, classes, generator)
        result = result.merge(found, join="outer")
        report(COUNTED, 0.0)
        silenced = self._lesions(network, result, classes, generator, report)
        result = result.merge(silenced, join="outer")
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(result, directory / self.product)

    def _lesions(
        self,
        network: "Network",
        found: xr.Dataset,
        labels: Ints,
        generator: np.random.Generator,
        report: Report,
    ) -> xr.Dataset:
        """The accuracies of the intact network, and of what is left of it, by area."""
        from experiments.attacks.chance import in_one_draw, stream
        from sim import run

        conditions = [Condition("clean"), *([self.attacked] if self.attacked else [])]
        shown = {  # in the same draw, of which intact and lesioned networks see the same spikes
            each.name: in_one_draw(
                network.wiring,
                shown_images(self.bench, each, self.lesioned),
                stream(CHANCE, self.seed),
            )
            for each in conditions
        }
        labels = labels[: self.lesioned]
        rows = {}
        for area in hidden(network.wiring):
            selectivity = found["selectivity"].sel(area=area.name, kind="unit").to_numpy()
            silenced = lesions.targets(area, selectivity[: area.channels], generator)
            answers = list(lesions.lesioned(network, area, silenced, shown))
            rows[area.name] = lesions.table(silenced, answers, labels)
            report(COUNTED + (1 - COUNTED) * len(rows) / found.sizes["area"], 0.0)
        names = xr.DataArray(list(rows), dims="area", name="area")
        intact = [
            lesions.by_class(
                run(network, images, record=[])["logits"].to_numpy().argmax(1) == labels, labels
            )
            for images in shown.values()
        ]
        table = xr.concat(list(rows.values()), names, join="outer")
        return table.assign(intact_accuracy=(("condition", "class"), np.stack(intact)))


def meanings(
    activity: dict[str, Floats], labels: Ints, generator: np.random.Generator
) -> xr.Dataset:
    """The measures of an area's readings (image, member), by (kind, member), with their nulls.

    ``top_image`` (kind, member, top) are the images of highest activity, ``silent`` (kind, member)
    is 1 where activity is the same for all images.
    """
    tables = []
    for values in activity.values():
        ready = prepared(values)
        found = against_null(ready, labels, generator)
        order = np.argsort(-values, axis=0, kind="stable")[:TOP].T
        table = xr.Dataset({name: ("member", each) for name, each in found.items()})
        table["silent"] = "member", ready.is_silent.astype(float)
        table["top_image"] = ("member", "top"), order.astype(float)
        tables.append(table.assign_coords(member=range(values.shape[1])))
    kinds = xr.DataArray(list(activity), dims="kind", name="kind")
    result = xr.concat(tables, kinds, join="outer").reindex(kind=list(KINDS))
    for name, meaning in MEASURES.items():
        result[name].attrs["long_name"] = meaning
    return result


def modularities(
    network: "Network",
    untrained: "Network",
    activity: dict[str, Floats],
    labels: Ints,
    generator: np.random.Generator,
) -> xr.Dataset:
    """``modularity`` (graph, partition), and with (null, shuffle) besides ``modularity_null``.

    ``modularity_initial`` (partition) is that of the weights before training. NaN where areas have
    no modules, and where a null has no meaning: correlations have no connections to shuffle, and
    that units of one preferred class correlate is no finding.
    """
    units = np.concatenate(list(activity.values()), axis=1)
    means = np.stack([units[labels == each].mean(0) for each in np.unique(labels)])
    areas, place = hidden(network.wiring), modularity.nodes(network.wiring)
    groups = {"preferred": means.argmax(0)}
    if all(area.modules > 1 for area in areas):
        groups["module"] = np.concatenate([modules_of(area) for area in areas])
    graphs = {
        "weights": modularity.weight_strengths(network),
        "activity": modularity.activity_strengths(units),
    }
    before = modularity.weight_strengths(untrained)
    result = modularity.unknown_yet()
    for graph, partition in product(graphs, groups):
        if (graph, partition) == ("activity", "preferred"):
            continue
        at = {"graph": graph, "partition": partition}
        strength, group = graphs[graph], groups[partition]
        result["modularity"].loc[at] = modularity.modularity(strength, group)
        for null, draws in modularity.SHUFFLED.items():
            if graph == "weights" or null == "labels":
                drawn = draws(strength, group, place, generator)
                result["modularity_null"].loc[{**at, "null": null}] = drawn
    for partition, group in groups.items():
        found = modularity.modularity(before, group)
        result["modularity_initial"].loc[{"partition": partition}] = found
    return result
