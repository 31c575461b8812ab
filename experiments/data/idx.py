"""The IDX format of MNIST: two zero bytes, type 8 (uint8), rank, big-endian sizes, then bytes."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from networks.errors import BlindspotsError


def read_bytes(path: Path) -> bytes:
    """The file's content, unpacked where it is gzip; BlindspotsError where that fails."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise BlindspotsError(
            f"'{path}' cannot be unpacked ({error}); it is corrupt or cut short: fetch it again."
        ) from None


def parse(content: bytes, shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    """The uint8 array of ``shape`` in ``content``; BlindspotsError where it is anything else."""
    header = 4 + 4 * len(shape)
    expected = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    if content[:header] != expected:
        raise BlindspotsError(
            f"'{path}' is not an IDX file of {shape} bytes; put MNIST's own file there."
        )
    if len(content) != header + int(np.prod(shape)):
        raise BlindspotsError(f"'{path}' is cut short or too long: fetch it again.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
