"""Units on disk are complete or absent, whatever comes between."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from safetensors import SafetensorError

from experiments.bench import Bench
from experiments.individuals import Train
from experiments.progress import Monitor
from experiments.recipe import Recipe
from experiments.store import (
    fresh_unit,
    key_of,
    link,
    read_dataset,
    unit_path,
    write_dataset,
    write_text,
)
from networks import BlindspotsError, wiring_named

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def everything_below(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def test_a_unit_appears_all_at_once(empty_cache: Path) -> None:
    with fresh_unit("kind", "key") as draft:
        (draft / "one").write_text("1")
        assert not unit_path("kind", "key").exists()
        (draft / "two").write_text("2")
    assert everything_below(empty_cache) == ["units/kind/key/one", "units/kind/key/two"]


def broken_off(error: BaseException) -> None:
    """Half of a unit, and then ``error``."""
    with fresh_unit("kind", "key") as draft:
        (draft / "half").write_text("1")
        raise error


@pytest.mark.parametrize("what", [ValueError, KeyboardInterrupt, SystemExit, BlindspotsError])
def test_nothing_is_left_of_what_was_broken_off(
    what: type[BaseException], empty_cache: Path
) -> None:
    with pytest.raises(what):
        broken_off(what())
    assert everything_below(empty_cache) == []
    assert list(unit_path("kind", "key").parent.iterdir()) == []


def test_a_unit_is_replaced_as_a_whole(empty_cache: Path) -> None:
    for name in ("old", "new"):
        with fresh_unit("kind", "key") as draft:
            (draft / name).write_text(name)
    assert everything_below(empty_cache) == ["units/kind/key/new"]


FINISHER = """
import sys, time
from pathlib import Path
from experiments.store import fresh_unit

me, other, here = sys.argv[1], sys.argv[2], Path(sys.argv[3])
end = time.monotonic() + 60
for n in range(200):
    with fresh_unit("kind", f"key{n}") as draft:
        (draft / "one").write_text(me)
        (draft / "two").write_text(me)
        (here / f"{me}{n}").touch()
        while not (here / f"{other}{n}").exists() and time.monotonic() < end:
            pass
"""


def test_two_processes_may_finish_the_same_unit(empty_cache: Path, tmp_path: Path) -> None:
    """As two commands do that share a cache, or a worker that was given up and lives on."""
    pair = [
        subprocess.Popen([sys.executable, "-c", FINISHER, *names, tmp_path], stderr=subprocess.PIPE)
        for names in (("a", "b"), ("b", "a"))
    ]
    said = [each.communicate(timeout=120)[1] for each in pair]
    assert [each.returncode for each in pair] == [0, 0], said
    units = list(unit_path("kind", "").iterdir())
    assert sorted(unit.name for unit in units) == sorted(f"key{n}" for n in range(200))
    for unit in units:
        assert everything_below(unit) == ["one", "two"]
        assert (unit / "one").read_text() == (unit / "two").read_text()


def test_what_the_first_finisher_left_is_never_away(empty_cache: Path) -> None:
    for name in ("first", "second"):
        with fresh_unit("kind", "key") as draft:
            (draft / "one").write_text(name)
    assert (unit_path("kind", "key") / "one").read_text() == "first"
    assert everything_below(empty_cache) == ["units/kind/key/one"]


def test_a_failure_keeps_the_unit_that_was_there(empty_cache: Path) -> None:
    with fresh_unit("kind", "key") as draft:
        (draft / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        broken_off(KeyboardInterrupt())
    assert everything_below(empty_cache) == ["units/kind/key/old"]


@pytest.mark.parametrize(
    "error", [FULL, SafetensorError("I/O error: No space left on device (os error 28)")]
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    error: Exception, empty_cache: Path
) -> None:
    with pytest.raises(BlindspotsError, match=r"cannot be written .*No space left on device"):
        broken_off(error)
    assert everything_below(empty_cache) == []


def test_a_cache_that_is_a_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "file"))
    with pytest.raises(BlindspotsError, match=r"Not a directory.*BLINDSPOTS_CACHE"):
        broken_off(AssertionError("the block was entered"))


# Keys

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), values, max_size=4))
def test_the_key_is_the_hash_of_canonical_json(settings: dict[str, object]) -> None:
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    assert key_of(**settings) == hashlib.sha256(canonical.encode()).hexdigest()[:32]
    assert key_of(**dict(reversed(settings.items()))) == key_of(**settings)
    assert key_of(**settings, another=0) != key_of(**settings)


def test_the_key_is_the_same_in_every_process_and_version() -> None:
    """Hash seeds differ between processes; the constant would notice a change of the rule."""
    says = "from experiments.store import key_of; print(key_of(a=1, b=['x', 0.1], c={'d': None}))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", says],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    keys = {elsewhere, key_of(a=1, b=["x", 0.1], c={"d": None})}
    text = '{"a":1,"b":["x",0.1],"c":{"d":null}}'
    assert keys == {hashlib.sha256(text.encode()).hexdigest()[:32]}


# Files of a run directory


def test_a_text_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spec.toml"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"

    def full(self: Path, text: str) -> None:
        with self.open("w") as file:
            file.write(text[:2])
        raise FULL

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BlindspotsError, match="No space left on device"):
        write_text(path, "newest")
    assert path.read_text() == "new"
    assert everything_below(tmp_path) == ["spec.toml"]


@pytest.mark.parametrize("error", [FULL, RuntimeError("NetCDF: HDF error")])
def test_arrays_are_written_whole_or_not_at_all(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.nc"
    arrays = xr.Dataset({"right": ("image", np.arange(2000) % 2 == 0), "network": ["fc-b", "a"]})
    write_dataset(arrays, path)
    xr.testing.assert_identical(read_dataset(path), arrays)

    def full(self: xr.Dataset, path: Path, **options: object) -> None:
        path.write_text("half")
        raise error

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(BlindspotsError, match=r"cannot be written \(N.*; free space there"):
        write_dataset(arrays.isel(image=slice(3)), path)
    assert everything_below(tmp_path) == ["result.nc"]
    xr.testing.assert_identical(read_dataset(path), arrays)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "a").write_text("a")
    (tmp_path / "source" / "deep" / "b").write_text("b")
    return tmp_path / "source"


def test_files_are_linked_and_replace_what_was_there(source: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "a").write_text("an older a")
    (tmp_path / "target" / "log").write_text("stays")
    link(source, tmp_path / "target")
    assert everything_below(tmp_path / "target") == ["a", "deep/b", "log"]
    for name in ("a", "deep/b"):
        assert (tmp_path / "target" / name).samefile(source / name)


def test_where_links_are_impossible_copies_do(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_disk(*args: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", another_disk)
    link(source, tmp_path / "target")
    for name in ("a", "deep/b"):
        assert not (tmp_path / "target" / name).samefile(source / name)
        assert (tmp_path / "target" / name).read_text() == (source / name).read_text()


def test_a_disk_too_full_for_copies_is_one_sentence(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise FULL

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(BlindspotsError, match="No space left on device") as error:
        link(source, tmp_path / "target")
    assert "\n" not in str(error.value)
    assert "[(" not in str(error.value)


# The log


def logged(path: Path, bench: Bench) -> None:
    """The log of a training that starts."""
    unit = Train(wiring_named("FC10"), Recipe(epochs=1, batch=1, rate=1), 0, bench)
    with Monitor(Console(quiet=True), path) as monitor:
        monitor.tell({"what": "planned", "unit": unit})
        monitor.tell({"what": "started", "unit": unit})


def test_a_log_on_a_full_disk_is_one_sentence(bench: Bench) -> None:
    """/dev/full takes no byte."""
    with pytest.raises(BlindspotsError, match="No space left on device"):
        logged(Path("/dev/full"), bench)


def test_a_log_that_cannot_be_opened_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BlindspotsError, match="No such file or directory"):
        logged(tmp_path / "nowhere" / "log.jsonl", bench)


def test_labels_that_join_those_of_a_unit_are_saved_whole(tmp_path: Path) -> None:
    for name, pathway in (("short", "lateral"), ("long", "top-down")):
        xr.Dataset({"right": ("pathway", [1])}, {"pathway": [pathway]}).to_netcdf(
            tmp_path / name, engine="netcdf4"
        )
    parts = [read_dataset(tmp_path / name) for name in ("short", "long")]
    xr.concat(parts, "pathway").to_netcdf(tmp_path / "both", engine="netcdf4")
    assert read_dataset(tmp_path / "both")["pathway"].to_numpy().tolist() == ["lateral", "top-down"]
