"""The HTTP of one connection, up to the 101 from which on there are frames."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ...captures.redaction import redact_query
from ..text import printable
from .side import Side

__all__ = ("Opening", "Rest")

#: The size of a head, in octets. What is longer is passed on as it is.
MAX_HEAD = 64 * 1024

HEAD_END = re.compile(rb"\r?\n\r?\n")
REQUEST = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+ )(/\S*)( HTTP/1\.\d\r?\n)")
UPGRADE = re.compile(rb"^upgrade:[ \t]*websocket\b", re.IGNORECASE | re.MULTILINE)
HOST = re.compile(rb"^host:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
EXTENSIONS = re.compile(rb"^sec-websocket-extensions:[^\n]*\n", re.IGNORECASE | re.MULTILINE)
CONNECTION = re.compile(rb"^(?:connection|keep-alive):[^\n]*\n", re.IGNORECASE | re.MULTILINE)
STATUS = re.compile(rb"HTTP/1\.\d (\d{3})\b")


class Rest(NamedTuple):
    """What follows the HTTP of one direction."""

    #: There was a 101. Otherwise all that follows passes as it is.
    is_upgraded: bool
    #: Octets that have come and are not passed on.
    octets: bytes
    #: Where the frames begin in them.
    frames_at: int = 0


class Opening:
    """Passes requests and answers on until an answer is a 101.

    Heads pass as they came, but for those of requests: `base` goes before their paths, `host`
    replaces their Host, and without `extensions` their offer of extensions is left out.

    `on_answer` is called with each request for an upgrade, and the status of its answer, which is 0
    for what is no answer of HTTP.
    """

    def __init__(
        self,
        client: Side,
        upstream: Side,
        on_answer: Callable[[str, int], object],
        *,
        base: str = "",
        host: str = "",
        extensions: bool = True,
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._base = base.encode("latin-1")
        self._host = host.encode("latin-1")
        self._extensions = extensions
        self._on_answer = on_answer
        #: The last request for an upgrade: "GET /chat".
        self.request = ""
        # The head of the answer so far, None while no answer to an upgrade is due.
        self._head: bytearray | None = None
        self._answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    # -- from the client -------------------------------------------------------------------

    async def requests(self) -> Rest:
        """Pass requests on, and return what follows."""
        data = b""
        try:
            while True:
                while (found := HEAD_END.search(data)) is None:
                    if len(data) > MAX_HEAD or not (more := await self._client.read()):
                        return Rest(False, data)
                    data += more
                head, data = data[: found.end()], data[found.end() :]
                is_upgrade = UPGRADE.search(head) is not None
                if is_upgrade:
                    self.request = request_of(head)
                    self._head = bytearray()
                    self._answered = asyncio.get_running_loop().create_future()
                await self._upstream.write(self._adapted(head, is_upgrade))
                if not is_upgrade:
                    return Rest(False, data)
                if await self._is_upgraded():
                    return Rest(True, data)
                if self._client.ended.is_set() and not self._answered.done():
                    return Rest(False, data)
        except ConnectionError:
            return Rest(False, data)

    def _adapted(self, head: bytes, is_upgrade: bool) -> bytes:
        """Return a head as the upstream gets it."""
        if (line := REQUEST.match(head)) is not None and self._base:
            head = line[1] + self._base + line[2] + line[3] + head[line.end() :]
        if self._host:
            head = HOST.sub(b"Host: " + self._host, head, count=1)
        if not self._extensions:
            head = EXTENSIONS.sub(b"", head)
        if line is not None and not is_upgrade:
            # So each further request has a connection of its own, and its head is seen.
            head = CONNECTION.sub(b"", head)
            head = HEAD_END.sub(b"\r\nConnection: close\r\n\r\n", head, count=1)
        return head

    async def _is_upgraded(self) -> bool:
        """Wait for the answer, or for the end of the client, which need not wait for it."""
        ended = asyncio.create_task(self._client.ended.wait())
        either: list[asyncio.Future[Any]] = [self._answered, ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        return self._answered.done() and self._answered.result()

    # -- from the upstream -----------------------------------------------------------------

    async def answers(self) -> Rest:
        """Pass answers on, and return what follows."""
        try:
            while data := await self._upstream.read():
                frames_at = self._look(data)
                if frames_at is not None:
                    return Rest(True, data, frames_at)
                await self._client.write(data)
        except ConnectionError:
            pass
        return Rest(False, b"")

    def _look(self, data: bytes) -> int | None:
        """Follow the heads of answers. Return where the frames begin behind a 101, else None."""
        if self._head is None:
            return None
        before = len(self._head)
        self._head += data
        while found := HEAD_END.search(self._head):
            status = STATUS.match(self._head)
            if status is None or int(status[1]) >= 200:
                self._over(0 if status is None else int(status[1]))
                return None
            if status[1] == b"101":
                self._over(101)
                return found.end() - before
            # 100 or 103: the answer itself follows.
            del self._head[: found.end()]
            before -= found.end()
        if len(self._head) > MAX_HEAD:
            self._over(0)
        return None

    def _over(self, status: int) -> None:
        self._head = None
        self._on_answer(self.request, status)
        if not self._answered.done():
            self._answered.set_result(status == 101)

    @property
    def is_unanswered(self) -> bool:
        """True if there is a request for an upgrade without an answer."""
        return self._head is not None


def request_of(head: bytes) -> str:
    """Return a request line without its version, as it may be shown."""
    words = head[: head.find(b"\n")].decode("latin-1").split()
    return printable(redact_query(" ".join(words[:2])))
