"""Who is measured: the peers of each role."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Peer:
    name: str
    program: str
    """A module of `peers`, a program in C, or a script for Node."""
    kind: str = "echo"
    """The argument that tells the program what to be."""
    interpreted: bool = False
    """Our extensions are left out."""
    bare: bool = False
    """Bytes are echoed, without a handshake and without frames."""
    load: str = "load.c"
    """The load generator."""

    @property
    def client(self) -> bool:
        """It connects to the load generator, which is otherwise the client."""
        return self.kind.startswith("client")

    @property
    def proxy(self) -> bool:
        """It passes everything on to UPSTREAM."""
        return self.kind.startswith("proxy")


#: The handler that everybody writes: what ratios are relative to.
OURS = "rawws"

UPSTREAM = Peer("c-epoll", "echo.c")

ECHO = (
    Peer(OURS, "rawws"),
    Peer("rawws-batches", "rawws", "batches"),
    Peer("rawws-each", "rawws", "each"),
    Peer("rawws-layers", "rawws", "layers"),
    Peer("rawws-python", "rawws", interpreted=True),
    Peer("aiohttp", "aiohttp_peer"),
    Peer("picows", "picows_peer"),
    Peer("websockets", "websockets_peer"),
    Peer("npm-ws", "echo.js"),
    Peer("tcp", "tcp", bare=True),
    UPSTREAM,
)

ROLES: dict[str, Sequence[Peer]] = {
    "echo": ECHO,
    # Those of one handler, and the floor. A message is the life of a connection here.
    "connect": [
        replace(peer, load="connect.c")
        for peer in ECHO
        if peer.kind == "echo" and peer is not UPSTREAM
    ],
    "relay": (
        Peer(OURS, "rawws", "proxy"),
        Peer("rawws-tap", "rawws", "proxy-tap"),
        Peer("rawws-remask", "rawws", "proxy-remask"),
        Peer("rawws-python", "rawws", "proxy", interpreted=True),
        Peer("usual", "aiohttp_peer", "proxy"),
        Peer("tcp", "tcp", "proxy"),
        Peer("nginx", "nginx", "proxy"),
    ),
    "client": (
        Peer(OURS, "rawws", "client"),
        Peer("rawws-layers", "rawws", "client-layers"),
        Peer("rawws-python", "rawws", "client", interpreted=True),
        Peer("aiohttp", "aiohttp_peer", "client"),
        Peer("picows", "picows_peer", "client"),
        Peer("websockets", "websockets_peer", "client"),
        Peer("npm-ws", "echo.js", "client"),
        Peer("tcp", "tcp", "client", bare=True),
    ),
}
