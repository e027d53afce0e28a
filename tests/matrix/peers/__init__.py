"""The peers: each is a program of its own, which serving.py and attending.py describe."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.support import npm

__all__ = ("PEERS", "ROOT", "Peer", "peers")

ROOT = Path(__file__).parent.parent.parent.parent
NODE_FOLDER = Path(__file__).parent.parent / "npm"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Peer:
    """A library in one role."""

    #: The name in `--peers`; the same for both roles of a library.
    name: str
    #: "servers" or "clients".
    kind: str
    #: The head of its column.
    title: str
    #: The command that starts it. Raises LookupError, with what to install, if it cannot.
    command: Callable[[], list[str]]
    #: Whether the library pings on its own, if asked to.
    pings: bool = True
    #: Whether all of its memory is that of one process.
    one_process: bool = True
    environment: Callable[[], dict[str, str]] = field(default=lambda: dict(os.environ))

    def missing(self) -> str | None:
        """Return what has to be installed, None if the peer can start."""
        try:
            self.command()
        except LookupError as error:
            return str(error)
        return None


def python(module: str, *arguments: str, needs: tuple[str, ...] = ()) -> Callable[[], list[str]]:
    """Return the command of a peer in Python, which needs these packages."""

    def command() -> list[str]:
        absent = [name for name in needs if find_spec(name) is None]
        if absent:
            raise LookupError(f"python -m pip install {' '.join(absent)}")
        return [sys.executable, "-m", f"{__name__}.{module}", *arguments]

    return command


def node(*arguments: str) -> Callable[[], list[str]]:
    """Return the command of a peer on the Node of package.json."""

    def command() -> list[str]:
        try:
            program = npm.installed(NODE_FOLDER) / ".bin" / "node"
        except npm.NpmError as error:
            raise LookupError(str(error)) from None
        script, *rest = arguments
        return [str(program), str(NODE_FOLDER / script), *rest]

    return command


def node_environment() -> dict[str, str]:
    return os.environ | {"NODE_PATH": str(npm.installed(NODE_FOLDER))}


def browser() -> list[str]:
    for programs in (BROWSERS, ("chromedriver",)):
        if not any(map(shutil.which, programs)):
            raise LookupError("apt-get install chromium chromium-driver")
    return python("client_chromium", needs=("selenium",))()


def both(name: str, title: str, module: str, *needs: str) -> tuple[Peer, Peer]:
    """Return the server and the client of a library in Python."""
    return (
        Peer(name, "servers", title, python(f"server_{module}", needs=needs)),
        Peer(name, "clients", title, python(f"client_{module}", needs=needs)),
    )


def uvicorn(backend: str, *needs: str) -> Peer:
    command = python("server_uvicorn", backend, needs=("uvicorn", *needs))
    return Peer(f"uvicorn-{backend}", "servers", f"uvicorn, {backend}", command)


PEERS = (
    *both("raw", "ours, raw session", "raw"),
    *both("session", "ours, `WebSocketSession`", "session"),
    *both("aiohttp", "aiohttp", "aiohttp"),
    *both("websockets", "`websockets`", "websockets", "websockets"),
    *both("picows", "picows", "picows", "picows"),
    *both("picows.websockets", "`picows.websockets`", "picows_websockets", "picows"),
    uvicorn("websockets", "websockets"),
    uvicorn("websockets-sansio", "websockets"),
    uvicorn("wsproto", "wsproto"),
    Peer(
        "ws",
        "servers",
        "npm `ws`",
        node("server.js"),
        pings=False,
        environment=node_environment,
    ),
    Peer(
        "ws",
        "clients",
        "npm `ws`",
        node("client.js", "ws"),
        pings=False,
        environment=node_environment,
    ),
    Peer(
        "node",
        "clients",
        "Node's `WebSocket`",
        node("client.js", "global"),
        pings=False,
        environment=node_environment,
    ),
    Peer("chromium", "clients", "Chromium", browser, pings=False, one_process=False),
)


def peers(kind: str, names: "set[str] | None" = None) -> list[Peer]:
    """Return the peers of one kind, all or those named."""
    return [peer for peer in PEERS if peer.kind == kind and (names is None or peer.name in names)]
