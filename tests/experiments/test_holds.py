"""Commands that share a store delete no crafted inputs that another one is still to read."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.bench import Bench
from experiments.holds import holding
from experiments.inputs import Craft
from experiments.store import fresh_unit
from experiments.units import is_complete, product

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
        hold.let_go(crafted)
        assert is_complete(crafted)
        tell("let go")
        assert not is_complete(crafted)
    assert [path.name for path in product(crafted).parent.iterdir()] == ["distances.safetensors"]


def test_what_this_command_is_still_to_read_stays(crafted: Craft) -> None:
    with holding([needs(crafted)]), other_command() as (tell, _):
        tell("let go")
        assert is_complete(crafted)


def test_a_command_that_was_killed_or_needs_other_inputs_holds_nothing(crafted: Craft) -> None:
    with holding([crafted]) as hold, other_command() as (_, process):
        with holding([needs(craft(1))]):
            process.kill()
            process.wait()
            hold.let_go(crafted)
        assert not is_complete(crafted)
    assert [path.name for path in hold.path.parent.iterdir()] == ["turn"]
