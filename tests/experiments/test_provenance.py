"""What names the software that numbers depend on."""

import pytest

from experiments.provenance import software
from sim.engine import ENVIRONMENT


def test_results_of_the_compiled_engine_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    plain = software()
    monkeypatch.setenv(ENVIRONMENT, "plain")
    assert software() == plain
    monkeypatch.setenv(ENVIRONMENT, "compiled")
    assert software() == f"{plain} engine compiled"
