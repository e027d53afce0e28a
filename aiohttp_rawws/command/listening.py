"""The socket that visitors connect to."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator

from ..captures.addresses import address_of
from .addresses import ListenAddress
from .ending import Failure
from .output import reason_of
from .text import escaped

__all__ = ("listen", "name_of")

#: How many connections may wait to be accepted.
BACKLOG = 128


@contextlib.contextmanager
def listen(address: ListenAddress, mode: int | None) -> Iterator[socket.socket]:
    """Listen on an address, on the first one of a host. Raises Failure.

    The file of a Unix socket gets the permissions `mode`, by default those that the umask leaves.
    It is removed at the end.
    """
    try:
        listener = unix_listener(address.path, mode) if address.path else tcp_listener(address)
    except (OSError, UnicodeError) as error:
        # UnicodeError: the host has a label that no name can have, such as one of 64 characters.
        where = f"unix:{address.path}" if address.path else address_of((address.host, address.port))
        raise Failure(f"cannot listen on {escaped(where)}: {reason_of(error)}") from None
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener)
        if address.path:
            stack.callback(remove_file, address.path, identity(address.path))
        yield listener


def name_of(listener: socket.socket, *, tls: bool) -> str:
    """Return the address of a listening socket for people and scripts."""
    name = listener.getsockname()
    if isinstance(name, tuple):
        return f"{'wss' if tls else 'ws'}://{address_of(name)}"
    return escaped(f"unix:{name}")


def tcp_listener(address: ListenAddress) -> socket.socket:
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, where = found[0]
    return socket.create_server(where, family=family)


# -- Unix sockets ----------------------------------------------------------------------------------


def unix_listener(path: str, mode: int | None) -> socket.socket:
    remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        # Nobody can connect before `listen`.
        if mode is not None:
            os.chmod(path, mode)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def remove_stale(path: str) -> None:
    """Remove the file of a Unix socket that nobody listens on any more."""
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(errno.EEXIST, "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A listener that does not accept would have it wait.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            pass
        except ConnectionRefusedError:
            os.unlink(path)


def identity(path: str) -> tuple[int, int]:
    """Return what tells a file from another one of the same name."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def remove_file(path: str, wanted: tuple[int, int]) -> None:
    """Remove a file, unless another one has taken its place."""
    with contextlib.suppress(OSError):
        if identity(path) == wanted:
            os.unlink(path)
