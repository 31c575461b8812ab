"""Units are worked on once, in the order of their needs, and failures stay with their unit."""

import ast
import multiprocessing as mp
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import experiments
from experiments import processes
from experiments.bench import Bench, scored
from experiments.individuals import Train
from experiments.inputs import Craft
from experiments.recipe import Recipe
from experiments.scoring import Score, predictions
from experiments.training import train
from experiments.units import is_complete, product
from experiments.work import STAGES, Event, complete
from networks import BlindspotsError, wiring_named

FC10 = wiring_named("FC10")
LEARNS = Recipe(epochs=40, batch=100, rate=5e-3)  # as long as it takes to be killed midway
DIVERGES = Recipe(epochs=6, batch=100, rate=1e38)


class Story:
    """A training that is killed once and ends well, one that diverges, and all that hangs on them.

    Worked on by one worker process at a time, since a start takes seconds, with one process beside
    it that is none of its pool.
    """

    def __init__(self, bench: Bench):
        self.good, self.bad = (Train(FC10, r, 1, bench) for r in (LEARNS, DIVERGES))
        self.craft, self.never_crafted = (
            Craft(victim, "fgsm", (0.05, 0.2), 20, 5, bench) for victim in (self.good, self.bad)
        )
        self.clean = Score(self.good, None, 20, bench)
        self.fooled = Score(self.good, self.craft, 20, bench)
        self.never_scored = [
            Score(self.bad, None, 20, bench),
            Score(self.bad, self.craft, 20, bench),
            Score(self.good, self.never_crafted, 20, bench),
        ]
        self.killed = self.kill()
        self.good_survived = is_complete(self.good)
        self.events: list[Event] = []
        self.asked = [self.clean, *self.never_scored, self.fooled, self.fooled, self.good]
        bystander = mp.get_context("spawn").Process(target=time.sleep, args=(300,))
        bystander.start()
        self.failures = complete(self.asked, 1, self.events.append)
        self.left = mp.active_children()
        bystander.join(0.5)
        self.bystander_lives = bystander.is_alive()
        self.left.remove(bystander)
        bystander.kill()
        for child in self.left:
            child.join(30)

    def kill(self) -> str:
        """Kill the worker after an epoch of the good training; what is said of it."""

        def kill(event: Event) -> None:
            if event["what"] == "progress" and event["done"] > 0:
                for child in mp.active_children():
                    os.kill(child.pid or 0, signal.SIGKILL)

        with pytest.raises(BlindspotsError) as error:
            complete([self.good], 1, kill)
        return str(error.value)

    def when(self, what: str, unit: Train | Craft | Score) -> list[int]:
        """Places in the order of events."""
        return [i for i, e in enumerate(self.events) if (e["what"], e["unit"]) == (what, unit)]


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("work-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLINDSPOTS_CACHE", str(path))
        yield path


@pytest.fixture(scope="module")
def story(own_cache: Path, bench: Bench) -> Story:
    return Story(bench)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a worker, so that sums have the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_what_can_be_done_is_done_and_nothing_else(story: Story) -> None:
    done = [story.good, story.craft, story.clean, story.fooled]
    assert all(is_complete(unit) for unit in done)
    assert not any(is_complete(u) for u in (story.bad, story.never_crafted, *story.never_scored))


def test_each_unit_is_worked_on_once(story: Story) -> None:
    for unit in (story.good, story.craft, story.clean, story.fooled):
        assert len(story.when("planned", unit)) == 1
        assert len(story.when("started", unit)) == 1
        assert len(story.when("done", unit)) == 1


def test_needs_come_first(story: Story) -> None:
    for unit, need in [
        (story.craft, story.good),
        (story.clean, story.good),
        (story.fooled, story.craft),
    ]:
        assert story.when("done", need) < story.when("started", unit)


def test_a_failure_is_reported_once_and_its_dependants_are_not_tried(story: Story) -> None:
    assert set(story.failures) == {story.bad.key}
    sentence = story.failures[story.bad.key]
    assert sentence.startswith("Training FC10 (seed 1) met a loss of ")
    [failed] = story.when("failed", story.bad)
    assert story.events[failed]["why"] == sentence
    for unit in (story.never_crafted, *story.never_scored):
        assert story.when("planned", unit)
        assert not story.when("started", unit)


def test_what_nobody_waits_for_any_more_is_told(story: Story) -> None:
    """The good craft is still wanted by a score that will never come."""
    assert not story.when("spent", story.craft)
    assert not story.when("spent", story.bad)


def test_workers_end_and_other_processes_do_not(story: Story) -> None:
    assert story.bystander_lives
    assert not any(child.is_alive() for child in story.left)


def test_workers_report_how_far_they_are(story: Story) -> None:
    told = [e for e in story.events if e["what"] == "progress" and e["unit"] == story.good]
    assert told
    assert [e["done"] for e in told] == sorted(e["done"] for e in told)
    assert all(0 <= e["accuracy"] <= 1 for e in told)


def test_a_second_call_starts_no_worker(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a pool of workers was made")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", never)
    events: list[Event] = []
    assert complete([story.clean, story.fooled], 2, events.append) == {}
    assert events == []


def test_a_worker_computes_what_this_process_does(
    story: Story, bench: Bench, tmp_path: Path, one_thread: None
) -> None:
    """Though the first worker was killed in the middle of the training."""
    network, _ = train(FC10, LEARNS, bench.load(), 1, checkpoint=tmp_path)
    for name, value in load_file(product(story.good)).items():
        assert torch.equal(network.values[name], value)
    inputs = load_file(product(story.craft))["inputs"]
    answers = torch.stack([network(each).argmax(1) for each in inputs])
    assert torch.equal(load_file(product(story.fooled))["prediction"], answers.to(torch.int8))
    clean = predictions(network, scored(bench, 20).images)
    assert torch.equal(load_file(product(story.clean))["prediction"][0], clean.to(torch.int8))


def test_units_that_are_done_with_are_told(own_cache: Path, bench: Bench, in_threads: None) -> None:
    """A training is spent after its craft and scores, a craft after its last score."""
    good = Train(FC10, Recipe(epochs=1, batch=100, rate=1e-3), 2, bench)
    craft = Craft(good, "uniform", (0.1,), 10, 5, bench)
    scores = [Score(good, None, 10, bench), Score(good, craft, 10, bench)]
    events: list[Event] = []
    assert complete(scores, 2, events.append) == {}
    order = [(e["what"], e["unit"]) for e in events if e["what"] != "progress"]
    assert order.count(("spent", craft)) == order.count(("spent", good)) == 1
    assert order.index(("spent", craft)) > order.index(("done", scores[1]))
    assert order.index(("spent", good)) > max(order.index(("done", s)) for s in scores)


def test_a_killed_worker_is_one_sentence_and_the_next_call_goes_on(story: Story) -> None:
    assert story.killed.startswith("FC10 (seed 1) was given up after its worker died at it, most ")
    assert "\n" not in story.killed
    assert not story.good_survived
    told = [e["done"] for e in story.events if (e["what"], e["unit"]) == ("progress", story.good)]
    assert told[0] > 0


# Units in this process


def stages_of_units() -> Iterator[str]:
    """The stage of every class of the package that can be run, as its source says."""
    for path in Path(experiments.__path__[0]).rglob("*.py"):
        for kind in ast.walk(ast.parse(path.read_text())):
            body = kind.body if isinstance(kind, ast.ClassDef) else []
            can = {part.name for part in body if isinstance(part, ast.FunctionDef)}
            for part in body if "run" in can else []:
                if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == "stage":
                    stage = ast.literal_eval(part.value)  # type: ignore[arg-type]
                    yield from (stage, f"{stage}-together") if "run_all" in can else (stage,)


def test_every_kind_of_unit_has_its_place_in_the_order_of_work() -> None:
    assert set(stages_of_units()) == set(STAGES)


def test_damaged_inputs_are_one_sentence(empty_cache: Path, bench: Bench) -> None:
    good = Train(FC10, Recipe(epochs=1, batch=200, rate=1e-3), 0, bench)
    craft = Craft(good, "gaussian", (0.1,), 10, 5, bench)
    for unit in (good, craft):
        unit.run(lambda done, score: None)
    path = product(craft)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BlindspotsError, match=r"inputs.safetensors' cannot be read .*remove"):
        Score(good, craft, 10, bench).run(lambda done, score: None)


def test_keys_tell_apart_what_differs_in_its_outcome(bench: Bench) -> None:
    train_units = [
        Train(FC10, LEARNS, 0, bench),
        Train(FC10, LEARNS, 1, bench),
        Train(FC10, DIVERGES, 0, bench),
        Train(wiring_named("fc-b"), LEARNS, 0, bench),
        Train(FC10, LEARNS, 0, Bench("", None, "other data", "cpu", "tests")),
        Train(FC10, LEARNS, 0, Bench("", None, bench.sha256, "cuda", "tests")),
        Train(FC10, LEARNS, 0, Bench("", None, bench.sha256, "cpu", "another torch")),
    ]
    crafts = [
        Craft(train_units[0], "fgsm", (0.1,), 10, 0, bench),
        Craft(train_units[1], "fgsm", (0.1,), 10, 0, bench),
        Craft(train_units[0], "pgd-l2", (0.1,), 10, 0, bench),
        Craft(train_units[0], "fgsm", (0.2,), 10, 0, bench),
        Craft(train_units[0], "fgsm", (0.1,), 11, 0, bench),
        Craft(train_units[0], "fgsm", (0.1,), 10, 1, bench),
        Craft(train_units[0], "fgsm", (0.1,), 10, 0, bench, (("steps", 3),)),
    ]
    scores = [Score(train_units[0], on, 10, bench) for on in (None, *crafts)]
    scores.append(Score(train_units[1], None, 10, bench))
    scores.append(Score(train_units[0], None, 11, bench))
    keys = [unit.key for unit in (*train_units, *crafts, *scores)]
    assert len(set(keys)) == len(keys)


def test_a_name_is_part_of_the_key(bench: Bench) -> None:
    """Networks of other names draw other first weights, so that none is another's twin."""
    renamed = FC10.replace(name="mine")
    assert Train(renamed, LEARNS, 0, bench).key != Train(FC10, LEARNS, 0, bench).key
