"""Who works on units: so many processes of this machine, or the workers of a dask cluster."""

import re
from dataclasses import dataclass
from typing import Literal

from networks.errors import BlindspotsError


@dataclass(frozen=True)
class Cluster:
    """``count`` workers on this machine or jobs of Slurm, or those of a running scheduler.

    Without a count it is one worker per core of this machine, or one job.
    """

    kind: Literal["local", "slurm", "running"]
    count: int | None = None
    address: str = ""


Workers = int | Cluster


def workers_named(text: str) -> Workers:
    """Who is meant by ``--workers`` or ``--cluster``; BlindspotsError where nobody is.

    >>> workers_named("4")
    4
    >>> workers_named("local:2")
    Cluster(kind='local', count=2, address='')
    >>> workers_named("tcp://node7:8786").address
    'tcp://node7:8786'
    """
    if re.fullmatch(r"[1-9]\d*", text):
        return int(text)
    match text.partition(":"):
        case ["local" | "slurm" as kind, _, count] if re.fullmatch(r"([1-9]\d*)?", count):
            return Cluster(kind, int(count) if count else None)
        case [host, ":", _] if host not in ("local", "slurm") and re.search(r":\d+$", text):
            return Cluster("running", address=text)
    raise BlindspotsError(
        f"Nobody is called '{text}'; write a number of processes from 1 on, or one of the clusters "
        "local, local:4 (workers), slurm, slurm:4 (jobs), and the address of a dask scheduler, "
        "such as tcp://node7:8786."
    )
