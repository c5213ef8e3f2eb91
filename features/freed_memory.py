"""What becomes of memory that one clip frees and the next one needs."""

from __future__ import annotations

import ctypes
from functools import cache

# Parameters of glibc's mallopt.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1

# Bytes: the largest array that is kept for reuse, and how much lies idle at most.
KEPT_ARRAY, KEPT_MEMORY = 32 << 20, 256 << 20


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what one clip frees for the next, once per process.

    glibc gives large blocks back to the system, and new ones are slow to touch for the first time
    (a third of the time of a clip). It learns better by itself, but not where the environment sets
    a threshold, as Dask does for its workers. Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_ARRAY)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY)
