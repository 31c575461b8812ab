"""MNIST's files: in a named directory, in the cache, downloaded into it, or replaced loudly."""

import gzip
import hashlib
import os
import struct
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from experiments.data.cache import cache_dir
from experiments.data.dataset import DIGITS, load_again, load_data
from experiments.data.download import Patience
from experiments.data.mnist import Archive, find, read_directory
from networks.errors import BlindspotsError

HERE_OR_NOWHERE = Patience(timeout=10, tries=1, pause=0)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array: NDArray[np.uint8]) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ARRAYS = {
    IMAGES: np.arange(6 * 28 * 28, dtype=np.uint8).reshape(6, 28, 28),
    LABELS: np.arange(6, dtype=np.uint8),
}
PLAIN = {name: idx(array) for name, array in ARRAYS.items()}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in PLAIN.items()}
SMALL = [
    Archive(name, sha256(PACKED[name]), sha256(PLAIN[name]), ARRAYS[name].shape) for name in ARRAYS
]


def put(directory: Path, *, packed: bool = True, dotted: bool = False) -> Path:
    """The two small files in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ARRAYS:
        shown = name.replace("-idx", ".idx") if dotted else name
        if packed:
            (directory / f"{shown}.gz").write_bytes(PACKED[name])
        else:
            (directory / shown).write_bytes(PLAIN[name])
    return directory


def is_small(arrays: list[NDArray[np.uint8]]) -> bool:
    return all(map(np.array_equal, arrays, ARRAYS.values())) and len(arrays) == len(ARRAYS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no directory named."""
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "own"))
    monkeypatch.delenv("BLINDSPOTS_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "own" / "mnist"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that has the two archives, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            asked.append(self.path)

        def log_message(self, *_: object) -> None:
            pass

    served = put(tmp_path / "served")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(served)))
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


# Files in a directory


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
def test_every_usual_form_of_the_files_is_read(tmp_path: Path, packed: bool, dotted: bool) -> None:
    directory = put(tmp_path / "named", packed=packed, dotted=dotted)
    assert is_small(read_directory(directory, SMALL))


def test_any_packing_of_the_right_bytes_will_do(tmp_path: Path) -> None:
    directory = put(tmp_path / "named")
    (directory / f"{IMAGES}.gz").write_bytes(gzip.compress(PLAIN[IMAGES], 1, mtime=9))
    assert is_small(read_directory(directory, SMALL))


def with_byte(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


REFUSED: dict[str, tuple[bytes, str]] = {
    "plain, cut short": (PLAIN[IMAGES][:-1], "is cut short"),
    "plain, too long": (PLAIN[IMAGES] + b"\0", "is too long"),
    "header, cut short": (PLAIN[IMAGES][:9], r"holds an array of \(6, .*where \(6, 28, 28\)"),
    "empty": (b"", "is not an IDX file of 3 dimensions"),
    "another kind of file": (b"<html>not found</html>", "is not an IDX file of 3 dimensions"),
    "of another type": (b"\0\0\x0d\3" + PLAIN[IMAGES][4:], "is not an IDX file"),
    "the labels": (PLAIN[LABELS], "is not an IDX file of 3 dimensions"),
    "another shape": (idx(ARRAYS[IMAGES][:5]), r"holds an array of \(5, 28, 28\) where \(6, 28"),
    "other content": (
        with_byte(PLAIN[IMAGES], 4000),
        "has the form .* other content .SHA-256 differs",
    ),
    "packed, cut short": (PACKED[IMAGES][:-20], "is corrupt or cut short"),
    "packed, without its end": (PACKED[IMAGES][:-4], "is corrupt or cut short"),
    "packed, header alone": (PACKED[IMAGES][:4], "is corrupt or cut short"),
    "packed, corrupt": (with_byte(PACKED[IMAGES], 40), "is corrupt or cut short"),
    "packed, no packing": (PACKED[IMAGES][:10] + b"\xff" * 30, "is corrupt or cut short"),
    "packed, other content": (
        gzip.compress(with_byte(PLAIN[IMAGES], 99)),
        "has the form .* other content .SHA-256 differs",
    ),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_unfit_file_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    directory = put(tmp_path / "named")
    (directory / f"{IMAGES}.gz").write_bytes(content)
    with pytest.raises(BlindspotsError, match=f"{IMAGES}.gz' {reason}.*; name a directory"):
        read_directory(directory, SMALL)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    directory = put(tmp_path / "named")
    (directory / f"{LABELS}.gz").unlink()
    with pytest.raises(BlindspotsError, match=f"named' holds no {LABELS}, .*--data"):
        read_directory(directory, SMALL)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlindspotsError, match=r"nowhere' is no directory"):
        read_directory(tmp_path / "nowhere", SMALL)


# The order of places


def test_the_option_comes_before_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLINDSPOTS_DATA", str(tmp_path / "nowhere"))
    assert is_small(find(put(tmp_path / "named"), [], SMALL))
    with pytest.raises(BlindspotsError, match=r"no directory '.*elsewhere'"):
        find(tmp_path / "elsewhere", [], SMALL)


def test_the_variable_comes_before_the_cache(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(own_cache)
    monkeypatch.setenv("BLINDSPOTS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(BlindspotsError, match=r"no directory '.*nowhere'"):
        find(None, [], SMALL)
    monkeypatch.setenv("BLINDSPOTS_DATA", str(put(tmp_path / "named")))
    (own_cache / f"{IMAGES}.gz").write_bytes(b"")
    assert is_small(find(None, [], SMALL))


def test_an_empty_variable_names_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(own_cache)
    monkeypatch.setenv("BLINDSPOTS_DATA", "")
    assert is_small(find(None, [], SMALL))


@pytest.mark.parametrize("packed", [True, False])
def test_the_cache_comes_before_a_download(
    own_cache: Path, mirror: tuple[str, list[str]], packed: bool
) -> None:
    put(own_cache, packed=packed)
    assert is_small(find(None, [mirror[0]], SMALL))
    assert mirror[1] == []


def test_an_empty_cache_is_filled_once(own_cache: Path, mirror: tuple[str, list[str]]) -> None:
    for _ in range(2):
        assert is_small(find(None, [mirror[0]], SMALL))
    assert mirror[1] == [f"/{IMAGES}.gz", f"/{LABELS}.gz"]
    assert sorted(path.name for path in own_cache.iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]


@pytest.mark.parametrize("name", [IMAGES, f"{IMAGES}.gz"])
@pytest.mark.parametrize("content", [PACKED[IMAGES][:-20], b"", PLAIN[LABELS]])
def test_what_is_corrupt_in_the_cache_is_downloaded_anew(
    own_cache: Path, mirror: tuple[str, list[str]], name: str, content: bytes
) -> None:
    put(own_cache)
    (own_cache / f"{IMAGES}.gz").unlink()
    (own_cache / name).write_bytes(content)
    for _ in range(2):
        assert is_small(find(None, [mirror[0]], SMALL))
    assert mirror[1] == [f"/{IMAGES}.gz"]


def test_what_is_corrupt_where_it_was_named_is_left_alone(
    tmp_path: Path, own_cache: Path, mirror: tuple[str, list[str]]
) -> None:
    directory = put(tmp_path / "named")
    (directory / f"{IMAGES}.gz").write_bytes(b"broken")
    put(own_cache)
    with pytest.raises(BlindspotsError, match=r"named.*is not an IDX file"):
        find(directory, [mirror[0]], SMALL)
    assert mirror[1] == []
    assert (directory / f"{IMAGES}.gz").read_bytes() == b"broken"


def test_a_good_archive_with_other_content_is_refused(mirror: tuple[str, list[str]]) -> None:
    wrong = [Archive(IMAGES, SMALL[0].archive_sha256, SMALL[1].content_sha256, SMALL[0].shape)]
    with pytest.raises(BlindspotsError, match="other content"):
        find(None, [mirror[0]], wrong, HERE_OR_NOWHERE)


def test_one_sentence_says_what_was_tried_and_no_further_file_is(
    own_cache: Path, mirror: tuple[str, list[str]]
) -> None:
    address, asked = mirror
    with pytest.raises(BlindspotsError) as caught:
        find(None, [f"{address}a/", f"{address}b/"], SMALL, HERE_OR_NOWHERE)
    message = str(caught.value)
    assert str(own_cache) in message
    assert f"{IMAGES}.gz could not be downloaded (127.0.0.1:" in message
    assert "HTTP 404" in message
    assert message.endswith(
        "name a directory with MNIST's four IDX files by --data or BLINDSPOTS_DATA."
    )
    assert "\n" not in message
    assert asked == [f"/a/{IMAGES}.gz", f"/b/{IMAGES}.gz"]


def test_the_cache_is_where_the_variable_says(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_dir() == own_cache.parent
    monkeypatch.setenv("BLINDSPOTS_CACHE", "")
    assert cache_dir().name == "blindspots"


# The fallback


def test_the_fallback_is_announced_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    data = load_data(mirrors=[])
    printed = capsys.readouterr()
    assert data.name == DIGITS
    assert printed.out == ""
    assert "This is not MNIST" in printed.err
    assert DIGITS in printed.err
    assert "could not be downloaded" in printed.err


def test_brackets_in_a_reason_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "[red]" / "[" / "red]"))
    assert load_data(mirrors=[]).name == DIGITS
    assert str(tmp_path / "[red]" / "[" / "red]" / "mnist") in capsys.readouterr().err


@pytest.mark.parametrize("by", ["option", "variable"])
def test_no_fallback_where_a_directory_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("BLINDSPOTS_DATA", str(tmp_path) if by == "variable" else "")
    with pytest.raises(BlindspotsError, match="holds no train-images"):
        load_data(tmp_path if by == "option" else None, mirrors=[])


def test_the_digits_come_again_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    first = load_data(mirrors=[])
    capsys.readouterr()
    again = load_again(DIGITS, None)
    assert capsys.readouterr().err == ""
    assert (again.name, again.sha256) == (first.name, first.sha256)


def test_mnist_that_has_gone_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.data.dataset.MIRRORS", ())
    with pytest.raises(BlindspotsError, match="could not be downloaded"):
        load_again("MNIST", None)


# MNIST itself; read before own_cache unsets the variable

REAL = os.environ.get("BLINDSPOTS_DATA")


@pytest.mark.skipif(not REAL, reason="BLINDSPOTS_DATA names no directory with MNIST's IDX files")
def test_mnist_itself() -> None:
    assert REAL
    data = load_data(Path(REAL), mirrors=[])
    assert data.name == "MNIST"
    sizes = [len(split.labels) for split in (data.train, data.validation, data.test)]
    assert sizes == [55_000, 5_000, 10_000]
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.cat([data.train.labels, data.validation.labels]).bincount().tolist() == [
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    ]
