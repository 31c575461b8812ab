"""Trials as behavioural data in the Brain Imaging Data Structure (BIDS 1.10): one subject each.

Every individual is a subject, every condition a run. Onsets are in seconds from the start of the
run, in which each trial takes as long as its stream and ``PAUSE_S`` more, when the reports are
given.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.blink.reports import Reports
from experiments.blink.streams import Kind, Streams
from experiments.blink.table import NAMES, Observer, known
from experiments.store import unwritable, write_text
from networks.errors import BlindspotsError

PAUSE_S = 1.0
VERSION = "1.10.0"
COLUMNS: dict[str, dict[str, object]] = {
    "onset": {"Description": "start of the event, from the start of the run", "Units": "s"},
    "duration": {"Description": "how long it lasts; 0 for a report", "Units": "s"},
    "trial_type": {
        "Description": "what the event is",
        "Levels": {
            "distractor": "an item that is no target",
            "T1": "the first target",
            "T2": "the second target",
            "T3": "the third target",
            "blank": "nothing is shown",
            "response": "a digit is reported, after the stream",
        },
    },
    "trial": {"Description": "number of the trial in the run, from 0"},
    "position": {"Description": "of the item in the stream, or of the report, from 0"},
    "digit": {"Description": "the digit shown or reported; n/a where it is none"},
    "lag": {"Description": "items from the first to the last target of the trial"},
    "condition": {"Description": "condition of the experiment"},
    "memory_entry": {
        "Description": "when the reported digit entered memory, from the start of the run",
        "Units": "s",
    },
}


def events(streams: Streams, reports: Reports, condition: str) -> pd.DataFrame:
    """One row per item and per report, in the order of their onsets, with ``COLUMNS``."""
    soa, (n, items) = streams.task.soa_ms / 1000, streams.kind.shape
    start = np.arange(n)[:, None] * (items * soa + PAUSE_S)
    kind = np.where(streams.kind == Kind.BLANK, "blank", "distractor").astype("<U10")
    trials = np.arange(n)
    for name, place in zip(NAMES, streams.places.T, strict=True):
        kind[trials[place >= 0], place[place >= 0]] = name.upper()
    position = np.broadcast_to(np.arange(items), (n, items))
    trial = np.broadcast_to(trials[:, None], (n, items))
    shown = pd.DataFrame(
        {
            "onset": (start + position * soa).ravel(),
            "duration": soa,
            "trial_type": kind.ravel(),
            "trial": trial.ravel(),
            "position": position.ravel(),
            "digit": known(streams.label.ravel(), streams.label.ravel() >= 0),
            "memory_entry": np.nan,
        }
    )
    trial_of, slot = np.nonzero(reports.identity >= 0)
    said = pd.DataFrame(
        {
            "onset": start[trial_of, 0] + items * soa,
            "duration": 0.0,
            "trial_type": "response",
            "trial": trial_of,
            "position": slot,
            "digit": known(reports.identity[trial_of, slot], True),
            "memory_entry": start[trial_of, 0] + reports.when_ms[trial_of, slot] / 1000,
        }
    )
    table = pd.concat([shown, said], ignore_index=True) if len(said) else shown
    table["lag"] = streams.lag[table["trial"]]
    table["condition"] = condition
    return table.sort_values(["onset", "position"], kind="stable")[list(COLUMNS)]


def subject(observer: Observer) -> str:
    """The observer's label, of letters and digits alone as BIDS wants it."""
    return f"{re.sub('[^A-Za-z0-9]', '', observer.network)}{observer.individual:02d}"


def write_events(root: Path, observer: Observer, run: int, table: pd.DataFrame) -> Path:
    """Write one run of :func:`events` and its sidecar under ``root``; the path of the table.

    ``run`` counts from 1.
    """
    folder = root / f"sub-{subject(observer)}" / "beh"
    path = folder / f"sub-{subject(observer)}_task-rsvp_run-{run:02d}_events.tsv"
    make(folder)
    write_text(path, tsv(table))
    write_text(path.with_suffix(".json"), json.dumps(COLUMNS, indent=2) + "\n")
    return path


def write_participants(
    root: Path, observers: Sequence[Observer], parameters: Sequence[Mapping[str, float]]
) -> None:
    """Write ``participants.tsv``, one row per observer with its parameters, and what goes with it.

    Raises:
        BlindspotsError: two observers have one label.
    """
    labels = [subject(each) for each in observers]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise BlindspotsError(
            f"Two observers would be called 'sub-{twice[0]}'; rename one of their networks."
        )
    rows = [
        {
            "participant_id": f"sub-{label}",
            "network": each.network,
            "individual": each.individual,
            "seed": each.seed,
            "family": each.family,
            "neuron_type": each.neuron_type,
            **values,
        }
        for label, each, values in zip(labels, observers, parameters, strict=True)
    ]
    make(root)
    write_text(root / "participants.tsv", tsv(pd.DataFrame(rows)))
    description = {"Name": "Attentional blink of networks", "BIDSVersion": VERSION}
    write_text(root / "dataset_description.json", json.dumps(description, indent=2) + "\n")


def tsv(table: pd.DataFrame) -> str:
    """The table as BIDS has it: tabs, and n/a for what is missing."""
    return table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g")


def make(folder: Path) -> None:
    """Make the folder; BlindspotsError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
