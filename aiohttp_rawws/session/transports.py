"""The transports of asyncio and uvloop: which may be written past, and which have failed."""

import asyncio
import functools
import os

__all__ = ("has_failed", "is_closing", "plain_descriptor")

#: Stream sockets of asyncio and uvloop, as (module, class). Their TLS has classes of its own.
#: A transport of any other class may wrap another one and change what it is given, as TLS does.
PLAIN = frozenset(
    {
        ("asyncio.selector_events", "_SelectorSocketTransport"),
        ("uvloop.loop", "TCPTransport"),
        ("uvloop.loop", "UnixTransport"),
    }
)


def plain_descriptor(transport: asyncio.BaseTransport) -> int:
    """Return the descriptor to which bytes may be written past the transport, or -1.

    Such a write is only in order while nothing waits in the transport. On Windows a socket has no
    descriptor that can be written to.
    """
    if not is_plain(type(transport)):  # type: ignore[arg-type]
        return -1
    sock = transport.get_extra_info("socket")
    return -1 if sock is None else int(sock.fileno())


@functools.lru_cache(maxsize=32)
def is_plain(kind: type) -> bool:
    return os.name == "posix" and (kind.__module__, kind.__qualname__) in PLAIN


def has_failed(transport: asyncio.BaseTransport) -> bool:
    """Return True if a TLS transport of asyncio has lost its connection, or its protocol.

    Before Python 3.11 the methods of the first kind raise before it tells of the loss. Later the
    methods of one without a protocol do: it was closed twice.
    """
    try:
        return transport.get_extra_info("socket") is None
    except AttributeError:
        return True


def is_closing(transport: asyncio.BaseTransport) -> bool:
    """Return True if a transport is closing or has failed."""
    return transport.is_closing() or has_failed(transport)
