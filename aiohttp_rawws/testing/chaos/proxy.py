"""The chaos proxy: a server that joins each connection to the upstream, with faults."""

import asyncio
import contextlib
import logging
import os
import random
import socket
import ssl as ssl_module
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from yarl import URL

from ..dialling import TLS_SCHEMES, default_context, host_of
from ..ending import end_tasks
from .connection import ChaosConnection
from .injector import Injector
from .plan import Planner
from .records import ConnectionEvent, FaultRecord
from .rules import FAULTS, Rule, parse_rule
from .side import Side

__all__ = ("ChaosProxy", "Listen", "Upstream", "chaos", "rules_of")

logger = logging.getLogger(__name__)

#: How many records are kept: the last ones.
MAX_RECORDS = 10_000

#: One text or several; for a latency also a number of seconds.
Where = str | float | Sequence[str | float]


@dataclass(frozen=True)
class Upstream:
    """The server that the connections are passed on to: a host and a port, or a Unix socket."""

    host: str
    port: int
    path: str = ""
    ssl: ssl_module.SSLContext | None = None
    #: What stands before the path of each request at the upstream.
    base: str = ""
    #: The Host of each request, "" for that of the client.
    host_header: str = ""

    @classmethod
    def of(
        cls, url: URL, ssl: ssl_module.SSLContext | bool, path: str = "", base: str = ""
    ) -> "Upstream":
        """Return the server of a URL. One with TLS gets its own Host."""
        host = url.host or ""
        if url.scheme not in TLS_SCHEMES:
            return cls(host, url.port or 80, path, None, base)
        context = default_context(check=ssl) if isinstance(ssl, bool) else ssl
        return cls(host, url.port or 443, path, context, base, host_of(url))

    async def dial(self) -> Side:
        loop, tls = asyncio.get_running_loop(), self.ssl
        name = self.host if tls is not None else None
        if self.path:
            _, side = await loop.create_unix_connection(
                Side, self.path, ssl=tls, server_hostname=name
            )
        else:
            _, side = await loop.create_connection(
                Side, self.host, self.port, ssl=tls, server_hostname=name
            )
        return side


@dataclass(frozen=True)
class Listen:
    """Where the proxy listens: on a host and a port, a Unix socket, or a socket that listens."""

    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""
    sock: socket.socket | None = None
    ssl: ssl_module.SSLContext | None = None

    async def start(self, factory: Callable[[], Side]) -> asyncio.AbstractServer:
        loop, sock = asyncio.get_running_loop(), self.sock
        is_unix = sock is not None and sock.family == getattr(socket, "AF_UNIX", None)
        if is_unix or self.path:
            return await loop.create_unix_server(
                factory, self.path or None, sock=sock, ssl=self.ssl
            )
        if sock is not None:
            return await loop.create_server(factory, sock=sock, ssl=self.ssl)
        return await loop.create_server(factory, self.host, self.port, ssl=self.ssl)


class ChaosProxy:
    """A running proxy, as `chaos` makes it: `async with chaos(...) as proxy`."""

    def __init__(
        self,
        listen: Listen,
        upstream: Upstream,
        rules: Iterable[Rule],
        *,
        seed: int | None = None,
        target: str = "/",
        extensions: bool = True,
        on_fault: Callable[[FaultRecord], object] | None = None,
        on_event: Callable[[ConnectionEvent], object] | None = None,
    ) -> None:
        #: The number that all chances follow from.
        self.seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        self._rules = tuple(rules)
        self._listen = listen
        self._upstream = upstream
        self._target = target
        self._extensions = extensions
        self._on_fault = on_fault
        self._on_event = on_event
        self._records: deque[FaultRecord] = deque(maxlen=MAX_RECORDS)
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None
        self._port = 0
        self._is_over = False

    @property
    def url(self) -> str:
        """The URL for clients: that of the upstream with the address of the proxy."""
        scheme = "wss" if self._listen.ssl is not None else "ws"
        if self._listen.path:
            return f"{scheme}://localhost{self._target}"
        return f"{scheme}://{bracketed(self._listen.host)}:{self._port}{self._target}"

    @property
    def unix_socket(self) -> str | None:
        """The path of the Unix socket that the proxy listens on, None on TCP."""
        return self._listen.path or None

    @property
    def connections(self) -> int:
        """How many WebSocket connections were opened."""
        return self._connections

    @property
    def faults(self) -> list[FaultRecord]:
        """What was done, in the order in which it was decided: the last 10,000 faults."""
        return list(self._records)

    def report(self) -> str:
        """Return a line with the seed and the rules, and a line for each of `faults`."""
        rules = " ".join(f"--{option_of(rule.fault)} {rule.text}" for rule in self._rules)
        first = f"chaos --seed {self.seed} {rules}".rstrip()
        number = len(self._records)
        count = f"{number} fault{'' if number == 1 else 's'}"
        return "\n".join([f"{first}: {count}", *map(str, self._records)])

    # -- its life --------------------------------------------------------------------------

    async def __aenter__(self) -> "ChaosProxy":
        self._server = await self._listen.start(lambda: Side(self._accept))
        if self._listen.sock is None and not self._listen.path:
            self._port = self._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        logger.info("seed %d: the chaos proxy listens on %s", self.seed, self.url)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, and end all connections at once."""
        if isinstance(error, Exception):
            logger.warning("seed %d: %s within the chaos proxy", self.seed, type(error).__name__)
        self._is_over = True
        if self._server is not None:
            self._server.close()
        if self._listen.path:
            # asyncio removes it from Python 3.13 on.
            with contextlib.suppress(OSError):
                os.unlink(self._listen.path)
        await end_tasks(self._tasks)

    def _accept(self, client: Side) -> None:
        if self._is_over:
            # A handshake of TLS may end after the server.
            client.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before it begins does nothing.
        task.add_done_callback(lambda _: client.abort())

    async def _serve(self, client: Side) -> None:
        upstream = self._upstream
        try:
            connection = ChaosConnection(client, self._next_number, self._injector, self._tell)
            await connection.run(
                upstream.dial,
                base=upstream.base,
                host=upstream.host_header,
                extensions=self._extensions,
            )
        except Exception:
            logger.exception("seed %d: a connection failed", self.seed)

    # -- faults ----------------------------------------------------------------------------

    def _next_number(self) -> int:
        self._connections += 1
        return self._connections

    def _tell(self, event: ConnectionEvent) -> None:
        logger.info("seed %d: %s", self.seed, event)
        if self._on_event is not None:
            self._on_event(event)

    def _injector(self, connection: int, direction: str) -> Injector | None:
        planner = Planner(self._rules, seed=self.seed, connection=connection, direction=direction)
        return Injector(planner, self._record) if planner.has_rules else None

    def _record(self, record: FaultRecord) -> None:
        self._records.append(record)
        logger.info("seed %d: %s", self.seed, record)
        if self._on_fault is not None:
            self._on_fault(record)


def chaos(
    upstream: str | URL,
    *,
    seed: int | None = None,
    latency: Where = (),
    stall: Where = (),
    reset: Where = (),
    truncate: Where = (),
    drop: Where = (),
    corrupt: Where = (),
    corrupt_header: Where = (),
    duplicate: Where = (),
    reorder: Where = (),
    split: Where = (),
    host: str = "127.0.0.1",
    port: int = 0,
    unix_socket: str | None = None,
    server_ssl: ssl_module.SSLContext | None = None,
    upstream_unix_socket: str | None = None,
    ssl: ssl_module.SSLContext | bool = True,
    extensions: bool = True,
    on_fault: Callable[[FaultRecord], object] | None = None,
) -> ChaosProxy:
    """Return a proxy to a WebSocket server, for `async with`. It injects faults frame by frame.

    `proxy.url` is the URL for clients. Each fault takes a text like `"ping:5%"`, or several: which
    frames get it (docs/chaos.md). The same `seed` gives the same frames the same faults. Without
    one it is chosen; `proxy.seed` tells it.

    The proxy listens on `host` and `port`, by default any free one, or on the Unix socket at the
    path `unix_socket`, with TLS if there is a `server_ssl`. `upstream` is a ws, wss, http or https
    URL, `upstream_unix_socket` the path of its Unix socket. `ssl` is for an upstream with TLS: a
    context, True for the system's authorities, False to check nothing. With `extensions=False` no
    client can offer one, so that no message is compressed. `on_fault` is called with each
    FaultRecord.

    Raises ValueError for a text or a URL that is none. Entering raises OSError if the address
    cannot be listened on.
    """
    given = {
        "latency": latency,
        "stall": stall,
        "reset": reset,
        "truncate": truncate,
        "drop": drop,
        "corrupt": corrupt,
        "corrupt_header": corrupt_header,
        "duplicate": duplicate,
        "reorder": reorder,
        "split": split,
    }
    url = URL(upstream)
    if url.scheme not in ("ws", "http", *TLS_SCHEMES) or not url.host:
        raise ValueError(f"not a ws, wss, http or https URL: {str(upstream)!r}")
    return ChaosProxy(
        Listen(host, port, unix_socket or "", ssl=server_ssl),
        Upstream.of(url, ssl, upstream_unix_socket or ""),
        rules_of(given),
        seed=seed,
        target=url.raw_path_qs,
        extensions=extensions,
        on_fault=on_fault,
    )


def rules_of(given: dict[str, Where]) -> list[Rule]:
    """Return the rules of the faults, each with one text or several.

    Raises ValueError, and TypeError for what is no text.
    """
    rules = []
    for name in FAULTS:
        texts: Any = given[name]
        if texts is None or isinstance(texts, bytes):
            raise TypeError(f"{name} is a rule like 'ping:5%', or a list of rules, got {texts!r}")
        several = [texts] if isinstance(texts, str | int | float) else texts
        for text in several:
            try:
                rules.append(parse_rule(name, text_of(text)))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return rules


def text_of(rule: str | float) -> str:
    """Return a rule as text: a number of seconds has nine digits behind the point at most."""
    if isinstance(rule, float):
        return f"{rule:.9f}".rstrip("0").rstrip(".")
    return str(rule)


def option_of(fault: str) -> str:
    return fault.replace("_", "-")


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
