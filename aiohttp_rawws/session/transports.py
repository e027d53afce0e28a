"""The transports of asyncio, uvloop and aiofastnet, and what has to be known of each kind."""

import asyncio
import functools
import os
from typing import Any

__all__ = ("has_failed", "is_closing", "keeps_input", "plain_descriptor", "read_kept")

#: Stream sockets, as (module, class). Their TLS has classes of its own.
#: A transport of any other class may wrap another one and change what it is given, as TLS does.
PLAIN = frozenset(
    {
        ("aiofastnet.selector_transport", "SelectorSocketTransport"),
        ("asyncio.selector_events", "_SelectorSocketTransport"),
        ("uvloop.loop", "TCPTransport"),
        ("uvloop.loop", "UnixTransport"),
    }
)

#: aiofastnet's TLS on a socket. That on another transport goes on by itself.
KEEPS_INPUT = ("aiofastnet.ssl_transport", "SSLTransport_Socket")


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


def keeps_input(transport: asyncio.BaseTransport) -> bool:
    """Return True if `resume_reading` alone does not bring all that has come.

    aiofastnet's TLS (1.2.0) keeps what it has read but not decrypted when its reading is paused. It
    goes on with that only once more comes, and drops it if the stream ends first.
    """
    kind = type(transport)
    of_aiofastnet = (kind.__module__, kind.__qualname__) == KEEPS_INPUT
    return of_aiofastnet and hasattr(transport, "_retry_ssl_read")


def read_kept(transport: Any) -> None:
    """Have a transport that keeps input read on, and give at once what it has kept.

    Between the two the loop must not run: it could come upon the end of the stream.
    """
    transport.resume_reading()
    transport._retry_ssl_read()


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
