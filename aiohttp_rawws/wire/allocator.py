"""How the C library's allocator treats the memory of big payloads."""

import contextlib

__all__ = ("keep_freed",)

#: How many times the size of a payload the block has whose release tells glibc what to keep.
TIMES = 4
#: glibc does not adapt to blocks over 32 MiB, its own bookkeeping included.
MOST = 2**25 - 2**16


def keep_freed(size: int) -> int:
    """Have glibc keep the memory of freed payloads for the next ones.

    Returns the size in bytes up to which payloads need no further call.

    glibc returns the end of its heap to the system once more of it is free than twice the largest
    block that was ever mapped alone and freed. With a few payloads at a time that happens for each
    of them, and the system has to clear each page anew. A freed block of `TIMES * size` bytes
    raises this bound, to at most 64 MiB. The block itself is never touched.

    It changes nothing where the bound is fixed (`MALLOC_TRIM_THRESHOLD_`), and with another
    allocator.
    """
    with contextlib.suppress(MemoryError):
        bytes(min(TIMES * size, MOST))
    return 2 * size
