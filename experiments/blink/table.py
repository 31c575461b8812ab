"""The tidy table of trials: what was shown, what was reported, and how it is judged.

Two ways of scoring stand side by side. *In any order* a target is correct if it is reported at all.
*Strictly* it must be reported in its place: the first target that is asked for first, the second
second; where a trial has one report only, there is no order to get wrong, and it counts.
"""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.blink.reports import Reports
from experiments.blink.streams import Bools, Floats, Ints, Streams
from experiments.store import unwritable, write_text
from networks.errors import BlindspotsError

NAMES = ("t1", "t2", "t3")
OFFSETS = (1, -1, 2, -2)  # where intrusions come from, the nearest first


@dataclass(frozen=True)
class Observer:
    """Who answers: one individual of a network."""

    network: str
    individual: int
    seed: int
    family: str
    neuron_type: str

    @property
    def network_id(self) -> str:
        """Name and number of the individual."""
        return f"{self.network}-{self.individual}"


@dataclass(frozen=True)
class Attacked:
    """What was done to the pictures: the attack, its budget, and the position of the frame."""

    attack: str = "none"
    eps: float = 0.0
    frame: Ints | int = -1


def trial_table(
    streams: Streams,
    reports: Reports,
    observer: Observer,
    condition: str,
    attacked: Attacked | None = None,
) -> pd.DataFrame:
    """One row per trial.

    Columns: who (``network_id``, ``network``, ``individual``, ``seed``, ``family``,
    ``neuron_type``), the condition (``condition``, ``instruction``, ``distractor_type``,
    ``soa_ms``, ``lag`` in items, ``lag_ms``), ``trial``; for each target t1, t2, t3 its position
    ``_pos`` and digit ``_id``, whether it was reported in its place (``_correct``) or at all
    (``_correct_anyorder``), when it entered memory (``_ignite_ms``), and ``intrusion_``, the offset
    of the neighbour that was reported instead; the reports ``r1``, ``r2``, ``r3``;
    ``order_reversed`` of T1 and T2, where both are reported; ``false_alarm``, a report of what was
    not asked for; ``eps``, ``attack`` and ``attacked_frame``. What does not apply is missing:
    a target that is absent or was not asked for is neither right nor wrong.

    Raises:
        BlindspotsError: there are not as many reports as trials.
    """
    if len(streams) != len(reports):
        raise BlindspotsError(
            f"There are {len(streams)} trials and {len(reports)} reports; give one for each."
        )
    task, attacked, n = streams.task, attacked or Attacked(), len(streams)
    columns: dict[str, object] = {
        "network_id": observer.network_id,
        "network": observer.network,
        "individual": observer.individual,
        "seed": observer.seed,
        "family": observer.family,
        "neuron_type": observer.neuron_type,
        "condition": condition,
        "instruction": task.instruction,
        "distractor_type": task.distractor if task.targets == "category" else "digits",
        "soa_ms": task.soa_ms,
        "trial": np.arange(n),
        "lag": streams.lag,
        "lag_ms": streams.lag_ms,
    }
    for name, place in zip(NAMES, streams.places.T, strict=True):
        columns[f"{name}_pos"] = known(place, place >= 0)
        columns[f"{name}_id"] = known(streams.at(streams.label, place), place >= 0)
    for slot in range(3):
        given = reports.identity[:, slot] if slot < reports.identity.shape[1] else np.full(n, -1)
        columns[f"r{slot + 1}"] = known(given, given >= 0)
    columns |= judged(streams, reports)
    columns |= {
        "eps": attacked.eps,
        "attack": attacked.attack,
        "attacked_frame": known(np.broadcast_to(attacked.frame, n), attacked.attack != "none"),
    }
    return pd.DataFrame(columns)


def judged(streams: Streams, reports: Reports) -> dict[str, object]:
    """The columns that say how good the reports are."""
    places = streams.places.T
    asked = np.stack([streams.at(streams.target, place) == 1 for place in places])
    digits = np.stack([streams.at(streams.label, place) for place in places])
    slots = np.stack([reports.slot_of(digit) for digit in digits])
    rank = asked.cumsum(0) - 1
    found = slots >= 0
    in_place = found & ((slots == rank) | (reports.many == 1))
    alarm = reports.many > (found & asked).sum(0)
    if streams.task.instruction == "detect":  # anything beside T1 says that there was a T2
        found[1] = in_place[1] = reports.many > found[0]
        alarm = found[1] & ~asked[1]
    columns: dict[str, object] = {}
    for k, name in enumerate(NAMES):
        columns[f"{name}_correct"] = known(in_place[k], asked[k])
        columns[f"{name}_correct_anyorder"] = known(found[k], asked[k])
    both = asked[0] & asked[1] & (slots[0] >= 0) & (slots[1] >= 0)
    columns["order_reversed"] = known(slots[1] < slots[0], both)
    for k, name in enumerate(NAMES):
        offset = intruder(streams, reports, places[k])
        missed = asked[k] & ~found[k] & (offset != 0)
        columns[f"intrusion_{name}"] = known(offset, missed)
    columns["false_alarm"] = alarm
    for k, name in enumerate(NAMES):
        columns[f"{name}_ignite_ms"] = times(reports, slots[k])
    return columns


def intruder(streams: Streams, reports: Reports, place: Ints) -> Ints:
    """Offset (n,) of the nearest neighbour of ``place`` that is reported and no target; else 0.

    An item between two missed targets counts for both.
    """
    found = np.zeros(len(streams), np.int64)
    for offset in OFFSETS:
        there = place + offset
        there = np.where((place >= 0) & (there >= 0) & (there < streams.task.items), there, -1)
        said = reports.slot_of(streams.at(streams.label, there)) >= 0
        found = np.where(
            (found == 0) & said & (streams.at(streams.target, there) == 0), offset, found
        )
    return found


def times(reports: Reports, slot: Ints) -> Floats:
    """When what is in ``slot`` (n,) entered memory; NaN where the slot is -1."""
    when = np.take_along_axis(reports.when_ms, np.maximum(slot, 0)[:, None], 1)[:, 0]
    return np.where(slot >= 0, when, np.nan)


def known(values: Ints | Bools, there: Bools | bool) -> "pd.api.extensions.ExtensionArray":
    """``values`` as a column of integers or booleans, missing where not ``there``."""
    mask = ~np.broadcast_to(there, values.shape)
    if values.dtype == bool:
        return pd.arrays.BooleanArray(values, mask)
    return pd.arrays.IntegerArray(values.astype(np.int64), mask.copy())


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """The table as CSV, all of it or nothing; what is missing is an empty field."""
    write_text(path, table.to_csv(index=False))


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """The table as Parquet, all of it or nothing; BlindspotsError where pyarrow is missing."""
    try:
        importlib.import_module("pyarrow")
    except ImportError as error:
        raise BlindspotsError(
            f"Parquet needs 'pyarrow', which cannot be imported ({error}); install it with  pip "
            "install 'blindspots[parquet]'  or write CSV."
        ) from None
    draft = path.with_name(f".{path.name}.draft")
    try:
        table.to_parquet(draft, index=False)
        os.replace(draft, path)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    finally:
        draft.unlink(missing_ok=True)
