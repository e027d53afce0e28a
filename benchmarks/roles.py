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
    keeps_memory: bool = False
    """glibc gives no memory back: see KEEP_MEMORY."""
    load: str = "load.c"
    """The load generator."""

    @property
    def client(self) -> bool:
        """It connects to the load generator, which is otherwise the client."""
        return self.kind.startswith("client")

    @property
    def proxy(self) -> bool:
        """It passes everything on to an upstream."""
        return self.kind.startswith("proxy")


#: The handler that everybody writes: what ratios are relative to.
OURS = "rawws"

#: The environment of peers whose allocator keeps the memory of big messages.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": f"{32 * 2**20}",
    "MALLOC_TRIM_THRESHOLD_": f"{64 * 2**20}",
}
#: The end of their names. Their ratios are relative to OURS with the same environment.
MALLOC = "-malloc"

#: The upstreams of proxies: one answers what a read brought with one write, one each frame.
UPSTREAMS = {"batches": Peer("c-epoll", "echo.c"), "each": Peer("c-each", "echo.c", "each")}

#: The upstream of HTTP proxies.
ANSWERS = Peer("c-answer", "answer.c")

ECHO = (
    Peer(OURS, "rawws"),
    Peer("rawws-batches", "rawws", "batches"),
    Peer("rawws-each", "rawws", "each"),
    Peer("rawws-layers", "rawws", "layers"),
    Peer("rawws-messages", "rawws", "messages"),
    Peer("rawws-compat", "rawws", "compat"),
    Peer("rawws-aiofastnet", "rawws", "echo-aiofastnet"),
    Peer("rawws-python", "rawws", interpreted=True),
    Peer("aiohttp", "aiohttp_peer"),
    Peer("aiohttp-aiofastnet", "aiohttp_peer", "echo-aiofastnet"),
    Peer("picows", "picows_peer"),
    Peer("picows-loop", "picows_peer", "echo-loop"),
    Peer("websockets", "websockets_peer"),
    Peer("npm-ws", "echo.js"),
    Peer("tcp", "tcp", bare=True),
    UPSTREAMS["batches"],
)

ROLES: dict[str, Sequence[Peer]] = {
    "echo": ECHO,
    # Whole messages, with pings and closes answered, and compressed with `--deflate`.
    "messages": (
        Peer(OURS, "rawws", "messages"),
        Peer("rawws-compat", "rawws", "compat"),
        Peer("rawws-python", "rawws", "messages", interpreted=True),
        Peer("aiohttp", "aiohttp_peer"),
        Peer("picows-websockets", "picows_peer", "messages"),
        Peer("websockets", "websockets_peer"),
    ),
    # Those of one handler, and the floor. A message is the life of a connection here.
    "connect": [
        replace(peer, load="connect.c")
        for peer in ECHO
        if peer.kind == "echo" and peer is not UPSTREAMS["batches"]
    ],
    "relay": (
        Peer(OURS, "rawws", "proxy"),
        Peer("rawws-tap", "rawws", "proxy-tap"),
        Peer("rawws-edit", "rawws", "proxy-edit"),
        Peer("rawws-remask", "rawws", "proxy-remask"),
        Peer("rawws-python", "rawws", "proxy", interpreted=True),
        Peer("usual", "aiohttp_peer", "proxy"),
        Peer("tcp", "tcp", "proxy"),
        Peer("nginx", "nginx", "proxy"),
        Peer("c-copy", "copy.c", "proxy"),
    ),
    # A message is a request and its answer here.
    "http": [
        replace(peer, load="request.c")
        for peer in (
            Peer(OURS, "rawws", "proxy-http"),
            Peer("usual", "aiohttp_peer", "proxy-http"),
            Peer("usual-any", "aiohttp_peer", "proxy-http-any"),
            Peer("tcp", "tcp", "proxy"),
            Peer("nginx", "nginx", "proxy-http"),
            Peer("c-copy", "copy.c", "proxy"),
        )
    ],
    "client": (
        Peer(OURS, "rawws", "client"),
        Peer("rawws-layers", "rawws", "client-layers"),
        Peer("rawws-messages", "rawws", "client-messages"),
        Peer("rawws-compat", "rawws", "client-compat"),
        Peer("rawws-python", "rawws", "client", interpreted=True),
        Peer("aiohttp", "aiohttp_peer", "client"),
        Peer("picows", "picows_peer", "client"),
        Peer("websockets", "websockets_peer", "client"),
        Peer("npm-ws", "echo.js", "client"),
        Peer("tcp", "tcp", "client", bare=True),
    ),
}


def keeping_memory(peer: Peer) -> Peer:
    """Return the peer with an allocator that keeps memory."""
    return replace(peer, name=peer.name + MALLOC, keeps_memory=True)
