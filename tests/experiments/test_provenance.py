"""What names the software that numbers depend on."""

import pytest

from experiments.provenance import software
from sim.engine import ENVIRONMENT, ORDER
from sim.precision import ENVIRONMENT as PRECISION


def test_results_of_another_engine_or_precision_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.delenv(PRECISION, raising=False)
    plain = software()
    monkeypatch.setenv(ENVIRONMENT, "plain")
    monkeypatch.setenv(PRECISION, "float32")
    assert software() == plain
    monkeypatch.setenv(ENVIRONMENT, "compiled")
    assert software() == f"{plain} engine compiled {ORDER}"
    monkeypatch.setenv(PRECISION, "tf32")
    assert software() == f"{plain} engine compiled {ORDER} precision tf32"
