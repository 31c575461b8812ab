"""The IDX format of MNIST: two zero bytes, type 8 (uint8), rank, big-endian sizes, then bytes."""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from networks.errors import BlindspotsError


class Unfit(BlindspotsError):
    """A file that is not the one that belongs there; the message is the reason without a mend."""


def read_bytes(path: Path) -> bytes:
    """The file's content, unpacked where it is gzip; Unfit where that fails."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unfit(f"'{path}' cannot be read ({error.strerror})") from None
    try:
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unfit(f"'{path}' is corrupt or cut short ({error})") from None


def parse(content: bytes, shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    """The read-only array of ``shape`` in ``content``; Unfit where it is another."""
    rank = len(shape)
    if content[:4] != bytes([0, 0, 8, rank]):
        raise Unfit(f"'{path}' is not an IDX file of {rank} dimensions of bytes")
    header = 4 + 4 * rank
    # A header that is cut short is padded: its size is then refused as the wrong one.
    found = struct.unpack(f">{rank}I", content[4:header].ljust(4 * rank, b"\0"))
    if found != shape:
        raise Unfit(f"'{path}' holds an array of {found} where {shape} belongs")
    if len(content) != header + prod(shape):
        wrong = "cut short" if len(content) < header + prod(shape) else "too long"
        raise Unfit(f"'{path}' is {wrong}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
