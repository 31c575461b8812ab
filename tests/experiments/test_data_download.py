"""Downloads from a server on loopback: good ones, broken ones, stalled ones, and none at all."""

import hashlib
import io
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from experiments.data.download import Patience, Undownloadable, download
from networks.errors import BlindspotsError

CONTENT = bytes(range(256)) * 400
HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "letters.gz"
PATIENT = Patience(timeout=20, tries=2, pause=0)
HASTY = Patience(timeout=0.6, tries=2, pause=0)

Behaviour = Callable[[BaseHTTPRequestHandler, Event], None]


def head(request: BaseHTTPRequestHandler, status: int, **headers: object) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()


def asked_from(request: BaseHTTPRequestHandler) -> int:
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    return int(found[1]) if found else 0


def good(request: BaseHTTPRequestHandler, _: Event) -> None:
    start = asked_from(request)
    if start >= len(CONTENT):
        head(request, 416, Content_Length=0)
    elif start:
        whole = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        head(request, 206, Content_Length=len(CONTENT) - start, Content_Range=whole)
        request.wfile.write(CONTENT[start:])
    else:
        head(request, 200, Content_Length=len(CONTENT))
        request.wfile.write(CONTENT)


def without_range(request: BaseHTTPRequestHandler, _: Event) -> None:
    head(request, 200, Content_Length=len(CONTENT))
    request.wfile.write(CONTENT)


def other_range(request: BaseHTTPRequestHandler, end: Event) -> None:
    if not asked_from(request):
        good(request, end)
    else:
        head(request, 206, Content_Length=9, Content_Range=f"bytes 0-8/{len(CONTENT)}")
        request.wfile.write(CONTENT[:9])


def corrupt(request: BaseHTTPRequestHandler, _: Event) -> None:
    head(request, 200, Content_Length=len(CONTENT))
    request.wfile.write(CONTENT[:-1] + b"?")


def half(request: BaseHTTPRequestHandler, _: Event) -> None:
    head(request, 200, Content_Length=len(CONTENT))
    request.wfile.write(CONTENT[:HALF])


def half_then_stalls(request: BaseHTTPRequestHandler, end: Event) -> None:
    half(request, end)
    end.wait(30)


def silent(request: BaseHTTPRequestHandler, end: Event) -> None:
    end.wait(30)


def dripping(request: BaseHTTPRequestHandler, end: Event) -> None:
    head(request, 200, Content_Length=len(CONTENT))
    for byte in CONTENT[:300]:
        if end.wait(0.1):
            return
        request.wfile.write(bytes([byte]))


def drops(request: BaseHTTPRequestHandler, _: Event) -> None:
    """Closes the connection without a word."""


def status(code: int) -> Behaviour:
    return lambda request, _: head(request, code, Content_Length=0)


@dataclass
class Mirror:
    """A server and what it was asked for; each behaviour answers once, the last one for ever."""

    behaviours: list[Behaviour]
    address: str = ""
    ranges: list[str | None] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    end: Event = field(default_factory=Event)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.ranges.append(request.headers.get("Range"))
        self.files.append(request.path)
        behaviour = self.behaviours[min(len(self.ranges), len(self.behaviours)) - 1]
        with suppress(ConnectionError):  # the client may have gone
            behaviour(request, self.end)


Serve = Callable[..., Mirror]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a mirror on loopback that behaves as told."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running: list[tuple[ThreadingHTTPServer, Mirror]] = []

    def start(*behaviours: Behaviour) -> Mirror:
        mirror = Mirror(list(behaviours))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        mirror.address = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append((server, mirror))
        return mirror

    yield start
    for server, mirror in running:
        mirror.end.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def nobody() -> str:
    """The address of a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def fetch(place: Path, *mirrors: Mirror | str, patience: Patience = PATIENT) -> bytes:
    addresses = [m if isinstance(m, str) else m.address for m in mirrors]
    return download(FILE, SHA256, place, addresses, patience).read_bytes()


def leftovers(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_good_file_arrives_alone_under_its_name(serve: Serve, tmp_path: Path) -> None:
    mirror = serve(good)
    place = tmp_path / "new" / "cache"
    assert fetch(place, mirror) == CONTENT
    assert leftovers(place) == [FILE]
    assert mirror.files == [f"/{FILE}"]
    assert mirror.ranges == [None]


def test_what_is_there_is_not_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    mirror = serve(good)
    fetch(tmp_path, mirror)
    fetch(tmp_path, mirror)
    assert len(mirror.files) == 1


def test_a_transfer_that_broke_off_is_resumed(serve: Serve, tmp_path: Path) -> None:
    mirror = serve(half, good)
    assert fetch(tmp_path, mirror) == CONTENT
    assert mirror.ranges == [None, f"bytes={HALF}-"]
    assert leftovers(tmp_path) == [FILE]


def test_the_next_mirror_resumes_what_the_first_one_began(serve: Serve, tmp_path: Path) -> None:
    first, second = serve(half), serve(good)
    assert fetch(tmp_path, first, second, patience=PATIENT._replace(tries=1)) == CONTENT
    assert second.ranges == [f"bytes={HALF}-"]


def test_a_later_process_resumes(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(Undownloadable, match="broke off"):
        fetch(tmp_path, serve(half), patience=PATIENT._replace(tries=1))
    assert leftovers(tmp_path) == [f"{FILE}.part"]
    mirror = serve(good)
    assert fetch(tmp_path, mirror) == CONTENT
    assert mirror.ranges == [f"bytes={HALF}-"]


def test_a_server_that_ignores_range_starts_over(serve: Serve, tmp_path: Path) -> None:
    mirror = serve(half, without_range)
    assert fetch(tmp_path, mirror) == CONTENT
    assert mirror.ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("held", [len(CONTENT), len(CONTENT) + 1], ids=["all", "more than all"])
def test_a_rest_that_does_not_exist_starts_over(serve: Serve, tmp_path: Path, held: int) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(bytes(held))
    mirror = serve(good)
    assert fetch(tmp_path, mirror, patience=PATIENT._replace(tries=1)) == CONTENT
    assert mirror.ranges == [f"bytes={held}-", None]


def test_a_rest_from_elsewhere_starts_over(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(CONTENT[:HALF])
    mirror = serve(other_range)
    assert fetch(tmp_path, mirror, patience=PATIENT._replace(tries=1)) == CONTENT
    assert mirror.ranges == [f"bytes={HALF}-", None]


def test_a_beginning_of_another_file_is_thrown_away(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(bytes(HALF))
    mirror = serve(good)
    assert fetch(tmp_path, mirror) == CONTENT
    assert mirror.ranges == [f"bytes={HALF}-", None]


def test_wrong_bytes_are_never_kept(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(Undownloadable, match=r"127\.0\.0\.1:\d+ gave other bytes .*SHA-256"):
        fetch(tmp_path, serve(corrupt))
    assert leftovers(tmp_path) == []


def test_after_wrong_bytes_the_next_mirror_is_asked(serve: Serve, tmp_path: Path) -> None:
    assert fetch(tmp_path, serve(corrupt), serve(good)) == CONTENT


def test_a_file_that_always_ends_early_is_refused(serve: Serve, tmp_path: Path) -> None:
    mirror = serve(half)
    with pytest.raises(Undownloadable, match=f"broke off after {HALF} bytes"):
        fetch(tmp_path, mirror)
    assert len(mirror.files) == PATIENT.tries
    assert not (tmp_path / FILE).exists()


def test_mirrors_are_asked_in_order(serve: Serve, tmp_path: Path) -> None:
    first, second, third = serve(status(404)), serve(good), serve(good)
    assert fetch(tmp_path, first, second, third) == CONTENT
    assert [len(m.files) for m in (first, second, third)] == [1, 1, 0]


@pytest.mark.parametrize(("code", "times"), [(404, 1), (403, 1), (503, PATIENT.tries)])
def test_a_refusal_is_repeated_only_where_it_may_pass(
    serve: Serve, tmp_path: Path, code: int, times: int
) -> None:
    mirror = serve(status(code))
    with pytest.raises(Undownloadable, match=f"answered with HTTP {code}"):
        fetch(tmp_path, mirror)
    assert len(mirror.files) == times


@pytest.mark.parametrize("passing", [status(503), drops, corrupt])
def test_a_trouble_that_passes_is_survived(
    serve: Serve, tmp_path: Path, passing: Behaviour
) -> None:
    assert fetch(tmp_path, serve(passing, good)) == CONTENT


def test_a_stalled_transfer_is_resumed(serve: Serve, tmp_path: Path) -> None:
    mirror = serve(half_then_stalls, good)
    assert fetch(tmp_path, mirror, patience=Patience(timeout=1, tries=2, pause=0)) == CONTENT
    assert mirror.ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (half_then_stalls, f"stalled after {HALF} bytes"),
        (dripping, "bytes per second"),
        (silent, "did not answer in time"),
    ],
)
def test_a_stalled_server_is_given_up(
    serve: Serve, tmp_path: Path, behaviour: Behaviour, reason: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(Undownloadable, match=reason):
        fetch(tmp_path, serve(behaviour), patience=HASTY)
    # The drip is seen at the first byte after the timeout; the rest is the machine's.
    assert time.monotonic() - begun < 2 * HASTY.timeout * HASTY.tries + 2


def test_a_pause_lies_between_two_tries(serve: Serve, tmp_path: Path) -> None:
    begun = time.monotonic()
    fetch(tmp_path, serve(half, good), patience=PATIENT._replace(pause=0.3))
    assert time.monotonic() - begun >= 0.3


def test_a_mirror_out_of_reach_is_asked_once(tmp_path: Path, nobody: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Undownloadable, match=r"cannot be reached: ConnectionError"):
        fetch(tmp_path, nobody, patience=PATIENT._replace(tries=50, pause=1))
    assert time.monotonic() - begun < 5


def test_a_name_without_address_is_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def unknown(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(Undownloadable, match=r"one\.invalid cannot .*two\.invalid cannot"):
        fetch(tmp_path, "http://one.invalid/", "http://two.invalid/")
    assert asked == ["one.invalid", "two.invalid"]


def test_a_slow_look_up_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = Event()

    def slow(*_: object, **__: object) -> None:
        end.wait(30)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setenv("NO_PROXY", "*")
    begun = time.monotonic()
    with pytest.raises(Undownloadable, match="did not answer in time"):
        fetch(tmp_path, "http://one.invalid/", patience=HASTY)
    taken = time.monotonic() - begun
    end.set()
    assert taken < HASTY.timeout + 2


def test_two_at_once_both_get_the_file(serve: Serve, tmp_path: Path) -> None:
    second_has_come = Event()

    def first(request: BaseHTTPRequestHandler, end: Event) -> None:
        half(request, end)
        second_has_come.wait(20)
        request.wfile.write(CONTENT[HALF:])

    def second(request: BaseHTTPRequestHandler, end: Event) -> None:
        second_has_come.set()
        good(request, end)

    mirror, part = serve(first, second), tmp_path / f"{FILE}.part"
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(fetch, tmp_path, mirror)
        while not (part.exists() and part.stat().st_size > 0):
            time.sleep(0.01)
        two = pool.submit(fetch, tmp_path, mirror)
        assert one.result(30) == two.result(30) == CONTENT
    assert leftovers(tmp_path) == [FILE]


def test_a_cache_that_cannot_be_written_is_named(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(BlindspotsError, match=r"file/cache' cannot keep .*BLINDSPOTS_CACHE"):
        fetch(tmp_path / "file" / "cache", serve(good))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_the_bar_is_for_terminals(
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    shown: bool,
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    fetch(tmp_path, serve(good))
    assert ("102.4/102.4 kB" in stream.getvalue()) == shown
