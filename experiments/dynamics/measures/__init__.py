"""What is measured on the recordings of one individual: pure functions of labelled arrays.

Recordings hold `AREA.output`, `AREA.potential` (condition, time, image, AREA.unit), `inputs`
(condition, image, row, column), `logits` (condition, image, class) and the coordinate `label`
(image); conditions are "clean" and those that are compared with it. The attribute `answers` lists
the steps over which the answer is averaged, `output` names the area that gives it, `input`
that of the image.
"""

from experiments.dynamics.measures.decision import decisions, outcomes
from experiments.dynamics.measures.divergence import divergence
from experiments.dynamics.measures.drive import drive_measures
from experiments.dynamics.measures.geometry import geometry
from experiments.dynamics.measures.plane import planes

__all__ = ["decisions", "divergence", "drive_measures", "geometry", "outcomes", "planes"]
