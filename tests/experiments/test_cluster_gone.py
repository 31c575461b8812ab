"""Where all workers that could come have gone, nobody waits for them."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import cluster, remote
from experiments.bench import Bench
from experiments.crew import Refused
from networks import BlindspotsError

distributed = pytest.importorskip("distributed")


@dataclass
class Started:
    """The client of a scheduler, whose cluster was to start workers 0 and 1.

    ``there`` tells which workers are connected, and what each has besides its thread.
    """

    states: dict[int, str]
    there: dict[int | str, dict[str, float]] = field(default_factory=dict)
    attempt: Future[float] = field(default_factory=Future)

    def hands(self) -> cluster.Hands:
        nannies = {
            name: SimpleNamespace(status=distributed.Status[each])
            for name, each in self.states.items()
        }
        self.cluster = SimpleNamespace(workers=nannies, plan={0, 1})
        client = self.client(self.cluster)
        site = remote.Site(Path(), "", Path(), (), "plain", "float32", "", False)
        return cluster.Hands(client, site, SimpleQueue())

    def client(self, cluster: object) -> Any:
        workers = {f"tcp://{n}": {"name": n, "resources": has} for n, has in self.there.items()}
        pool = SimpleNamespace(submit=lambda *given: self.attempt)
        return SimpleNamespace(
            cluster=cluster,
            nthreads=lambda: dict.fromkeys(workers, 1),
            scheduler_info=lambda: {"workers": workers},
            get_executor=lambda **wanted: pool,
        )

    def hands_of_others(self) -> cluster.Hands:
        """The same workers where the command has not started them."""
        hands = self.hands()
        return cluster.Hands(self.client(None), hands.site, hands.told)


def test_a_worker_here_that_may_come_back_is_waited_for() -> None:
    assert list(Started({0: "failed", 1: "running"}).hands().heard()) == []


def test_workers_here_that_cannot_be_started_again_end_the_command() -> None:
    hands = Started({0: "failed", 1: "closed"}).hands()
    with pytest.raises(BlindspotsError, match=r"No worker is left. They .* run the same"):
        list(hands.heard())


@pytest.mark.parametrize("other", ["running", "failed"])
def test_a_worker_that_was_refused_counts_once(other: str) -> None:
    """Its nanny is closed too, which tells of one worker that went, and not of two."""
    hands = Started({0: "closed", 1: other}).hands()
    hands.told.put(Refused("a", 0, "It is not fit.", False))
    if other == "running":
        assert [each.why for each in hands.heard()] == ["It is not fit."]
    else:
        with pytest.raises(BlindspotsError, match=r"No worker is left. It is not fit."):
            list(hands.heard())


@pytest.mark.parametrize(
    "first", ["failed", "running"]
)  # a job of Slurm runs, as far as dask knows
def test_a_worker_that_dask_has_forgotten_does_not_come_back(first: str) -> None:
    """That it does to nannies, and to jobs of one worker, some time after the worker was lost."""
    started = Started({0: first, 1: "running"})
    hands = started.hands()
    assert list(hands.heard()) == []
    del started.cluster.workers[0]
    assert list(hands.heard()) == []
    started.cluster.workers[1].status = distributed.Status.failed
    with pytest.raises(BlindspotsError, match=r"No worker is left. They .* run the same"):
        list(hands.heard())


# A unit that wants a GPU, where workers without one live on

UNIT: Any = SimpleNamespace(key="a", label="a", bench=Bench("digits", None, "", "cuda", "tests"))
ON_GPU, ON_CPU = {"GPU": 1.0}, dict[str, float]()


def test_a_gpu_that_cannot_come_back_is_missed_by_units_that_want_one_alone() -> None:
    started = Started({0: "failed", 1: "running"}, {1: ON_CPU})
    hands = started.hands()
    assert list(hands.heard()) == []
    hands.start(UNIT)
    with pytest.raises(BlindspotsError, match=r"^No worker with a GPU is left. They .* run the"):
        list(hands.heard())
    started.attempt.set_result(1.0)
    assert list(hands.heard()) == []


@pytest.mark.parametrize(
    ("states", "there"),
    [
        ({0: "failed", 1: "running"}, {1: ON_GPU}),
        ({0: "running", 1: "running"}, {1: ON_CPU}),  # its nanny starts 0 again, or Slurm will
        ({0: "failed", 1: "running"}, {}),  # nobody has told whether 1 has one
    ],
)
def test_a_gpu_that_is_there_or_may_come_is_waited_for(
    states: dict[int, str], there: dict[int | str, dict[str, float]]
) -> None:
    hands = Started(states, there).hands()
    hands.gone["elsewhere"] = cluster.GIVEN_UP
    hands.start(UNIT)
    assert list(hands.heard()) == []


@pytest.mark.parametrize("has_gpu", [True, False])
def test_of_a_scheduler_of_others_a_gpu_was_refused_or_may_come(has_gpu: bool) -> None:
    """One that was lost may be started again; as may all of them, where nobody was refused."""
    hands = Started({}, {"left": ON_CPU}).hands_of_others()
    hands.start(UNIT)
    assert list(hands.heard()) == []
    hands.told.put(Refused("b", "late", "It is not fit.", has_gpu))
    if has_gpu:
        with pytest.raises(BlindspotsError, match=r"^No worker with a GPU is left. It is not fit."):
            list(hands.heard())
    else:
        assert [each.why for each in hands.heard()] == ["It is not fit."]
        assert list(hands.heard()) == []
