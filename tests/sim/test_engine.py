"""How an engine is chosen, and the compiled one built."""

from pathlib import Path

import pytest

from networks import BlindspotsError
from sim import native
from sim.engine import ENVIRONMENT, engine
from sim.whole.build import SOURCE


def test_a_build_that_fails_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for compiler in ("false", "no-such-compiler"):
        monkeypatch.setenv("CXX", compiler)
        with pytest.raises(BlindspotsError, match=r"could not be built: .*CXX names another"):
            native.built([str(SOURCE)], tmp_path / "loop.so")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_build_left_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for a compiler is killed half way, and the next one finishes."""
    compiler = tmp_path / "compiler"
    write = '#!/bin/sh\nfor last; do :; done\necho half > "$last"\n'
    monkeypatch.setenv("CXX", str(compiler))
    library = tmp_path / "cache" / "loop.so"
    compiler.write_text(f"{write}kill -9 $$\n")
    compiler.chmod(0o755)
    with pytest.raises(BlindspotsError, match="could not be built"):
        native.built([str(SOURCE)], library)
    assert not library.exists()
    compiler.write_text(f'{write}echo whole > "$last"\n')
    assert native.built([str(SOURCE)], library).read_text() == "whole\n"


def test_a_library_that_cannot_be_loaded_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "loop.so"
    damaged.write_text("half of it")
    monkeypatch.setattr(native, "built", lambda what, path: damaged)
    with pytest.raises(BlindspotsError, match=r"cannot be loaded .*; remove '.*loop.so'"):
        native.native(SOURCE)


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "swift")
    with pytest.raises(BlindspotsError, match="swift names no engine; give one of plain, compiled"):
        engine()
