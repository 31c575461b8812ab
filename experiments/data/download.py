"""A file fetched from the first mirror that gives the right bytes; a broken transfer is resumed."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from networks.errors import BlindspotsError

CHUNK = 1 << 16
SLOWEST = 1000  # bytes per second; a server that gives less counts as stalled


class Patience(NamedTuple):
    """Seconds without progress, tries per mirror, and seconds between two tries."""

    timeout: float = 8
    tries: int = 3
    pause: float = 1


class BrokenOff(requests.RequestException):
    """A transfer stopped before its end; the next try resumes it."""


class Refused(requests.RequestException):
    """A server answered with an HTTP status that promises no file."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Undownloadable(BlindspotsError):
    """No mirror gave the file; the message names each mirror and its reason."""


def download(
    file: str,
    sha256: str,
    directory: Path,
    mirrors: Sequence[str],
    patience: Patience = Patience(),  # noqa: B008 (immutable)
) -> Path:
    """``directory / file`` with the bytes of ``sha256``, fetched from ``mirrors`` in their order.

    A file that is there with other bytes is replaced. Raises Undownloadable where no mirror gives
    the bytes, and BlindspotsError where ``directory`` cannot be written.
    """
    fetch = Resuming(directory / f"{file}.part", patience.timeout)
    failures = []
    for mirror in mirrors:
        for again in range(patience.tries):
            time.sleep(patience.pause if again else 0)
            try:
                return Path(
                    pooch.retrieve(mirror + file, f"sha256:{sha256}", file, directory, None, fetch)
                )
            except (requests.RequestException, ValueError) as error:
                failures.append(f"{urlsplit(mirror).netloc or mirror} {_reason(error)}")
                if not _worth_again(error):
                    break
            except OSError as error:
                raise BlindspotsError(
                    f"'{directory}' cannot keep {file} ({error.strerror or error}); make room or "
                    "name another cache with BLINDSPOTS_CACHE."
                ) from None
    tried = "; ".join(dict.fromkeys(failures)) or "no mirror is known"
    raise Undownloadable(f"{file} could not be downloaded ({tried})")


def _reason(error: Exception) -> str:
    """What went wrong, to follow the mirror's name."""
    if isinstance(error, BrokenOff):
        return str(error)
    if isinstance(error, Refused):
        return f"answered with HTTP {error.status}"
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.RequestException):
        return f"cannot be reached: {type(error).__name__}"
    return "gave other bytes than MNIST's (SHA-256 differs)"


def _worth_again(error: Exception) -> bool:
    """Whether the same mirror may do better at once.

    One that is out of reach, silent, or without the file stays so: waiting for it again would only
    keep a user without network from the fallback.
    """
    if isinstance(error, Refused):
        return error.status >= 500
    dropped = any(isinstance(cause, ProtocolError) for cause in error.args)
    return dropped or isinstance(error, BrokenOff | ValueError)


@dataclass(frozen=True)
class Resuming:
    """A downloader for pooch that keeps what came in ``part``, and asks for the rest alone."""

    part: Path
    timeout: float

    def __call__(self, url: str, output_file: str | os.PathLike[str], _: object) -> None:
        """The whole of ``url`` in ``output_file``; BrokenOff where only some of it came."""
        held = self.part.stat().st_size if self.part.exists() else 0
        with _answer(url, held, self.timeout) as response:
            start = held if response.status_code == 206 else 0
            given = response.headers.get("Content-Range", "")
            other = start and not given.startswith(f"bytes {start}-")
            if other or (held and response.status_code == 416):
                # What is held is not the beginning of this file.
                self.part.unlink(missing_ok=True)
                self(url, output_file, _)
                return
            if response.status_code not in (200, 206):
                raise Refused(response.status_code)
            try:
                self._receive(response, start)
                # Not a rename: another process may still hold the part open for writing.
                shutil.copyfile(self.part, output_file)
            except FileNotFoundError:
                raise BrokenOff("served another process first") from None
        self.part.unlink(missing_ok=True)

    def _receive(self, response: requests.Response, start: int) -> None:
        """The answer's bytes into ``part``, from byte ``start`` on."""
        rest = response.raw.length_remaining
        since, came = time.monotonic(), 0
        # Not appending: two processes that fetch the same file then write the same bytes.
        with self.part.open("r+b" if start else "wb") as file, _bar() as bar:
            task = bar.add_task(self.part.stem, total=rest and start + rest, completed=start)
            file.seek(start)
            try:
                # read1 gives what has come, where read would wait for a dripping server.
                while chunk := response.raw.read1(CHUNK, decode_content=False):
                    file.write(chunk)
                    bar.advance(task, len(chunk))
                    came += len(chunk)
                    if time.monotonic() - since > self.timeout:
                        if came < SLOWEST * self.timeout:
                            raise BrokenOff(f"gave under {SLOWEST} bytes per second")
                        since, came = time.monotonic(), 0
            except HTTPError as error:
                how = "stalled" if isinstance(error, ReadTimeoutError) else "broke off"
                raise BrokenOff(f"{how} after {file.tell()} bytes") from None


def _bar() -> Progress:
    """A progress bar on stderr, shown in a terminal alone."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(
        *columns, TransferSpeedColumn(), console=console, disable=not console.is_terminal
    )


def _answer(url: str, held: int, timeout: float) -> requests.Response:
    """The server's answer, its headers read, to a request for ``url`` from byte ``held`` on.

    Asked in a thread, because requests' timeout starts anew for each of a host's addresses and
    leaves out the look-up of its name.
    """
    outcome: Queue[requests.Response | Exception] = Queue()
    # identity: the archive itself is asked for, not one packed once more on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})

    def ask() -> None:
        try:
            outcome.put(requests.get(url, headers=headers, stream=True, timeout=timeout))
        except Exception as error:
            outcome.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = outcome.get(timeout=timeout)
    except Empty:
        raise requests.Timeout(f"no answer within {timeout:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
