"""Commands that share a store delete no crafted inputs that another one is still to read."""

import errno
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from experiments.bench import Bench, bench_for
from experiments.compare import compare
from experiments.holds import holding
from experiments.inputs import Craft
from experiments.plan import plan
from experiments.spec import Spec, spec_from
from experiments.store import fresh_unit
from experiments.units import is_complete, product
from networks import BlindspotsError

OTHER = """
import importlib.util, sys

spec = importlib.util.spec_from_file_location("here", sys.argv[1])
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
with here.holding([here.needs(here.craft(0))]) as hold:
    for word in iter(input, "end"):
        if word == "let go":
            hold.let_go(here.craft(0))
        print(word, flush=True)
"""
Told = Callable[[str], None]


def craft(seed: int) -> Craft:
    """Inputs of which nobody looks who they were crafted on."""
    victim: Any = SimpleNamespace(key="victim", before=(), is_random=False)
    return Craft(victim, "fgsm", (0.1,), 10, seed, Bench("digits", None, "", "cpu", "tests"))


def needs(unit: Craft) -> Any:
    return SimpleNamespace(key="score", needs=(unit,))


@pytest.fixture
def crafted(empty_cache: Path) -> Craft:
    unit = craft(0)
    with fresh_unit(unit.stage, unit.key) as draft:
        for name in (unit.product, "distances.safetensors"):
            (draft / name).write_text("")
    return unit


@contextmanager
def other_command() -> Iterator[tuple[Told, "subprocess.Popen[str]"]]:
    """Another process that holds what this one has crafted, and what has it do something."""
    command = [sys.executable, "-c", OTHER, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def tell(word: str) -> None:
            print(word, file=process.stdin, flush=True)
            assert process.stdout
            assert process.stdout.readline().strip() == word

        tell("hold")
        yield tell, process
        process.kill()


def test_who_lets_go_last_deletes(crafted: Craft) -> None:
    with holding([needs(crafted)]) as hold, other_command() as (tell, _):
        tell("let go")
        assert is_complete(crafted)
        hold.let_go(crafted)
        assert not is_complete(crafted)
    assert [path.name for path in product(crafted).parent.iterdir()] == ["distances.safetensors"]


def test_another_command_holds_what_it_needs_until_it_is_killed(crafted: Craft) -> None:
    with other_command() as (_, process):
        with holding([crafted]) as hold, holding([needs(craft(1))]):
            hold.let_go(crafted)
        assert is_complete(crafted)
        process.kill()
        process.wait()
        with holding([crafted]) as hold:
            hold.let_go(crafted)
        assert not is_complete(crafted)
    assert [path.name for path in hold.path.parent.iterdir()] == ["turn"]


def test_a_full_disk_is_one_sentence(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileLock, "acquire", full)
    told = r"holds' cannot be written \(No space left on device\); free space there"
    with pytest.raises(BlindspotsError, match=told), holding([craft(0)]):
        pass


@pytest.mark.parametrize("during", ["compare.attempted", "assemble.assemble"])
def test_a_comparison_holds_all_that_it_is_to_show(
    during: str,
    small_spec: Spec,
    empty_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[str] = []

    def look(*given: object, **named: object) -> None:
        [path] = (empty_cache / "holds").glob("*.keys")
        held.extend(path.read_text().split())
        raise BlindspotsError("That is enough.")

    monkeypatch.setattr("experiments.compare.attempted", lambda *given, **named: {})
    monkeypatch.setattr("experiments.compare.require_some", lambda *given: None)
    monkeypatch.setattr(f"experiments.{during}", look)
    with pytest.raises(BlindspotsError, match="That is enough"):
        compare(small_spec, tmp_path / "run", device="cpu", console=Console(quiet=True))
    planned = plan(small_spec, bench_for(None, "cpu"))
    assert sorted(held) == sorted({unit.key for unit in planned.sets.values()})


@pytest.fixture
def frugal(in_threads: None) -> Spec:
    """A comparison that keeps what is crafted on its independent source alone."""
    return spec_from(
        {
            "networks": ["FC10"],
            "sources": ["FC10"],
            "individuals": 1,
            "images": 10,
            "attacks": ["fgsm"],
            "epsilons": [0.1],
            "reference_attack": "fgsm",
            "reference_epsilon": 0.1,
            "training": {"epochs": 1, "batch": 200, "rate": 5e-3},
            "keep": "independent",
        }
    )


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Compares into a directory of that name, without figures."""
    monkeypatch.setattr("experiments.compare.finish", lambda *given: None)

    def compared(spec: Spec, name: str) -> Path:
        compare(spec, tmp_path / name, device="cpu", workers=1, console=Console(quiet=True))
        return tmp_path / name

    return compared


def test_what_was_spared_goes_with_the_last_comparison_that_does_not_keep_it(
    frugal: Spec, empty_cache: Path, compared: Callable[..., Path]
) -> None:
    planned = plan(frugal, bench_for(None, "cpu"))
    with holding(planned.asked):
        run = compared(frugal, "first")
        assert all(is_complete(unit) for unit in planned.sets.values())
    compared(frugal, "second")  # where all is known, so that nothing is spent
    left = {source for (source, _, _), unit in planned.sets.items() if is_complete(unit)}
    assert left == {"independent-FC10"}
    assert [path.name for path in (run / "inputs").iterdir()] == ["independent-FC10-0-fgsm"]


def test_what_is_to_be_kept_is_crafted_again_where_it_was_discarded(
    frugal: Spec, empty_cache: Path, compared: Callable[..., Path]
) -> None:
    compared(frugal, "frugal")
    run = compared(frugal.model_copy(update={"keep": "all"}), "run")
    kept = {path.parent.name for path in run.glob("inputs/*/inputs.safetensors")}
    assert kept == {"independent-FC10-0-fgsm", "FC10-0-fgsm"}
