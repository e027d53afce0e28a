"""Which transports may be written past: those known to send bytes as they are."""

import asyncio
import os

__all__ = ("plain_descriptor",)

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
    kind = type(transport)
    if os.name != "posix" or (kind.__module__, kind.__qualname__) not in PLAIN:
        return -1
    sock = transport.get_extra_info("socket")
    return -1 if sock is None else int(sock.fileno())
