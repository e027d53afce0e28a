"""Servers of the kit: where they listen, and the URL of that."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ..session.kernel import is_unix

__all__ = ("listening", "url_of")

#: Is given each connection.
Attend = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


@contextlib.asynccontextmanager
async def listening(
    attend: Attend,
    host: str,
    port: int,
    *,
    unix_socket: str | None,
    sock: socket.socket | None,
    **options: Any,
) -> AsyncIterator[asyncio.Server]:
    """Listen within a block: on `sock` if there is one, else on a Unix socket, or on a port.

    `options` are those of `asyncio.start_server`. The file of `unix_socket` is removed at the end.
    """
    path = unix_socket if sock is None else None
    if path is not None or is_unix(sock):
        server = await asyncio.start_unix_server(attend, path, sock=sock, **options)
    elif sock is not None:
        server = await asyncio.start_server(attend, sock=sock, **options)
    else:
        server = await asyncio.start_server(attend, host, port, **options)
    try:
        yield server
    finally:
        server.close()
        if unix_socket is not None:
            # Python 3.13 does so itself.
            with contextlib.suppress(OSError):
                os.unlink(unix_socket)


def url_of(name: Any, *, tls: bool) -> str:
    """Return the URL of a listening socket, by its name."""
    scheme = "wss" if tls else "ws"
    if not isinstance(name, tuple):
        return f"{scheme}://localhost/"
    authority = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{scheme}://{authority}:{name[1]}/"
