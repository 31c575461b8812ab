"""A scene as columns that a page can carry: one row for every set of cut pathways and epsilon."""

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.explorer.scene import Scene


Columns = dict[str, list[Any]]


def frames(scene: "Scene") -> "dict[str, NDArray[np.float32]]":
    """What is drawn, by row: cuts outermost, then epsilons from 0 on.

    Each is one array, its rows along the first axis, since every array is a message to the browser
    of its own. `input` and `change` (row, column), the topmost row first; `running_margin`,
    `running_answer` (time), `evidence` (time, class), `path` (time, 2); by area, `output AREA`
    (unit, time) as a share of its scale (see `facts`), and `drive AREA` (time, kind).
    """
    rows = list(product(range(len(scene.cuts)), range(len(scene.epsilons))))
    columns: Columns = {
        "input": [scene.inputs[e] for _, e in rows],
        "change": [scene.inputs[e] - scene.inputs[0] for _, e in rows],
        "running_margin": [scene.running_margin[row] for row in rows],
        "running_answer": [scene.running_answer[row] for row in rows],
        "evidence": [scene.evidence[row] for row in rows],
        "path": [scene.path[row] for row in rows],
    }
    for area, outputs in scene.outputs.items():
        shares = outputs / scale(scene, area)
        columns[f"output {area}"] = [shares[row].T for row in rows]
    for area, drive in scene.drive.items():
        columns[f"drive {area}"] = [drive[row] for row in rows]
    return {name: np.stack(column).astype(np.float32) for name, column in columns.items()}


def facts(scene: "Scene") -> Columns:
    """What is the same in all rows, in a single row of its own."""
    shapes = [scene.wiring.area(area).shape for area in scene.areas]
    said = {
        "epsilons": list(scene.epsilons),
        "cuts": [sorted(cut) for cut in scene.cuts],
        "steps": scene.wiring.steps,
        "label": scene.label,
        "areas": list(scene.areas),
        "shapes": [list(shape) for shape in shapes],
        "kinds": list(scene.kinds),
        "driven": list(scene.drive),
    }
    return {name: [each] for name, each in said.items()}


def scale(scene: "Scene", area: str) -> float:
    """The largest output of an area in the whole scene, by its absolute value; 1 if it is silent.

    All rows share it, so that colours can be compared.
    """
    return float(np.abs(scene.outputs[area]).max()) or 1.0
