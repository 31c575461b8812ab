"""The memory of a process that works on units for long."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as malloc.h of the GNU C library names its parameters
MOST = 2**25  # bytes, the largest that it takes for the second


def keep_memory() -> None:
    """Let this process keep what it frees, for what it asks for next.

    The GNU C library gives large pieces back to the kernel, which clears each page before it hands
    it out again: a training step of a convolutional network, which asks for the same pieces at each
    step, spends a tenth of its time on that. Elsewhere nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(MMAP_THRESHOLD, MOST)
    mallopt(TRIM_THRESHOLD, -1)
