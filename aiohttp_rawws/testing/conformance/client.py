"""Check a client: it asks for the cases one by one, as clients of the Autobahn|Testsuite do."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import ssl as tls
import sys
import time
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from ...session.deadline import in_time
from ...wire.errors import ProtocolError
from ..arguments import check_seconds
from ..ending import end_tasks
from ..errors import PeerError
from ..http import HttpHead
from ..listening import listening, url_of
from ..wire import Wire
from .case import Case, Grade, Part, Send, close, text
from .catalogue import select
from .codec import Codec, Terms
from .conversation import Conversation
from .judge import judge
from .opening import answer_bytes, faults_of_request, write_chopped
from .report import Report, Result, is_hopeless
from .seen import NO_DEFLATE, Seen
from .server import TIMEOUT

__all__ = ("check_client",)

#: The name of a client that the check starts.
AGENT = "client"
#: How long a client may take to ask for the next case, in seconds, and with large messages.
NEXT = 10.0
LONG_NEXT = 60.0
#: How long all cases of a client that the check starts may take, and with large messages.
LIMIT = 300.0
LONG_LIMIT = 3600.0


async def check_client(
    command: Sequence[str] = (),
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unix_socket: str | None = None,
    sock: socket.socket | None = None,
    cases: str | Sequence[str] = (),
    performance: bool = False,
    timeout: float = TIMEOUT,
    limit: float | None = None,
    ssl: tls.SSLContext | None = None,
    on_url: Callable[[str], None] | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Check a WebSocket client that echoes messages, and return what it did.

    The client gets the number of cases as the one message at `URL/getCaseCount`, and echoes
    messages at `URL/runCase?case=N&agent=NAME`, N from 1, until each connection ends. It is started
    by `command`, with URL and NAME in its environment as AUTOBAHN_URL and AUTOBAHN_AGENT. It is
    started again for the cases that are left if it ends before the last one. Without a command
    somebody else starts it: `on_url` gets the URL. A client that offers subprotocols gets the
    first one.

    The check listens on `host` and `port` (0: any free one), on the Unix socket at the path
    `unix_socket`, or on `sock`; with TLS if there is an `ssl`. On a Unix socket the URL is
    `ws://localhost`: the client has to know the path.

    `limit` bounds the run, in seconds: 5 minutes if there is a command, an hour with `performance`.
    A client that is silent for 10 s (60 with `performance`) is stopped. The rest is as with
    `check`. Raises OSError if the address cannot be listened on, or the command is not there.
    """
    if isinstance(command, str):
        raise TypeError(f"the command is a list of words, got {command!r}")
    check_seconds("timeout", timeout)
    check_seconds("limit", limit, optional=True)
    chosen = select("client", cases, performance)
    long = performance or any(case.performance for case in chosen)
    if limit is None and command:
        limit = LONG_LIMIT if long else LIMIT
    client = Client(chosen, timeout, on_result)
    start = time.monotonic()
    async with listening(
        client.attend, host, port, unix_socket=unix_socket, sock=sock, ssl=ssl
    ) as listener:
        url = url_of(listener.sockets[0].getsockname(), tls=ssl is not None).rstrip("/")
        if on_url is not None:
            on_url(url)
        patience = LONG_NEXT if long else max(NEXT, 5 * timeout)
        running = (
            Started(command, url, client, patience).run() if command else client.wait(patience)
        )
        try:
            await in_time(running, limit)
        except TimeoutError:
            client.missing = f"the run was over before its turn, after {limit:g} s"
        finally:
            listener.close()
            await client.stop()
    target = " ".join(command) or f"the client at {url}"
    return Report("client", target, client.results(), time.monotonic() - start)


class Client:
    """The client that is checked: its connections, and the results so far."""

    def __init__(
        self, cases: Sequence[Case], timeout: float, on_result: Callable[[Result], None] | None
    ) -> None:
        self._cases = cases
        self._timeout = timeout
        self._on_result = on_result
        self._results: dict[str, Result] = {}
        # The cases that the client counts from 1: those that were left when it asked how many.
        self._counted: Sequence[Case] = cases
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self.last = time.monotonic()
        # When the first connection came.
        self._start: float | None = None
        #: Why the cases that are left did not run.
        self.missing = "the client did not ask for it"

    @property
    def done(self) -> int:
        """How many cases have run."""
        return len(self._results)

    @property
    def is_done(self) -> bool:
        """True once all cases have run, or the client hangs in each of many."""
        seconds = 0.0 if self._start is None else time.monotonic() - self._start
        if is_hopeless(self._results.values(), seconds):
            self.missing = "the client hangs in all cases so far"
            return True
        return self.done == len(self._cases)

    @property
    def has_come(self) -> bool:
        """True once there was a connection that asked for something."""
        return self._start is not None

    @property
    def silence(self) -> float:
        """For how long the client has done nothing, in seconds."""
        return 0.0 if self._tasks else time.monotonic() - self.last

    def results(self) -> list[Result]:
        """Return a result for each case."""
        return [
            self._results.get(case.id) or Result(case, Grade.NOT_RUN, self.missing)
            for case in self._cases
        ]

    async def wait(self, patience: float) -> None:
        """Wait for a client that somebody starts: until all is done, or it is silent."""
        while not self.is_done and not (self.has_come and self.silence > patience):
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await in_time(self._moved.wait(), 0.1)
        # It may say good-bye.
        await asyncio.sleep(min(0.5, patience))

    async def idle(self) -> None:
        """Wait for the end of all connections of a client that has ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """End all connections."""
        await end_tasks(self._tasks)

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the server of one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = Wire(reader, writer, is_client=False, timeout=self._timeout)
        try:
            request = await wire.read_head()
            self._start = self._start or time.monotonic()
            await self._answer(wire, request)
        except (PeerError, ProtocolError, ConnectionError):
            pass
        except asyncio.CancelledError:
            # The run is over.
            wire.transport.abort()
        finally:
            wire.timeout = 0.5
            await wire.close()
            self._tasks.discard(task)
            self.last = time.monotonic()
            self._moved.set()

    async def _answer(self, wire: Wire, request: HttpHead) -> None:
        # A path alone: URL would take the host of "//host/path".
        path, _, query = request.path.partition("?")
        case = self._case(dict(parse_qsl(query)).get("case", ""))
        if path.endswith("/runCase") and case is not None:
            await self._run(wire, case, request)
        elif path.endswith("/getCaseCount"):
            self._counted = [each for each in self._cases if each.id not in self._results]
            await self._tell(wire, request, str(len(self._counted)))
        elif path.endswith("/getCaseInfo") and case is not None:
            found = {"id": case.id, "description": case.sentence}
            await self._tell(wire, request, json.dumps(found))
        elif path.endswith("/getCaseStatus") and case is not None:
            result = self._results.get(case.id)
            grade = Grade.NOT_RUN if result is None else result.grade
            await self._tell(wire, request, json.dumps({"behavior": grade.value}))
        elif path.endswith("/updateReports"):
            await self._tell(wire, request, None)
        else:
            await wire.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _case(self, number: str) -> Case | None:
        if not re.fullmatch("[0-9]{1,6}", number):
            return None
        return self._counted[int(number) - 1] if 1 <= int(number) <= len(self._counted) else None

    async def _tell(self, wire: Wire, request: HttpHead, words: str | None) -> None:
        """Open a connection for one message at most."""
        plain = Case("", "", "", "")
        data, _ = answer_bytes(plain, request)
        parts = (*(() if words is None else (text(words),)), close(1000))
        await wire.write(data + b"".join(part.encode(False) for part in parts))
        with contextlib.suppress(PeerError, ConnectionError):
            while (await wire.read_frame()).close_code is None:
                pass

    async def _run(self, wire: Wire, case: Case, request: HttpHead) -> None:
        seen = Seen(status="101")
        start = time.monotonic()
        patience = self._timeout * case.patience
        wire.timeout = patience
        seen.faults += faults_of_request(request)
        seen.note(f"<- {request.line}")
        data, extension = answer_bytes(case, request)
        if case.deflate is not None and extension is None:
            await self._skip(wire, seen, data)
        else:
            codec = None if extension is None else Codec(Terms.of(extension), False)
            seen.note(f"-> HTTP/1.1 {case.answer.status}")
            behind = first_parts(case) if case.answer.joined else ()
            data += b"".join(part.encode(False) for part in behind)
            with contextlib.suppress(ConnectionError):
                await write_chopped(wire, data, case.answer.chop)
            steps = case.steps[1:] if behind else case.steps
            await Conversation(wire, case, seen, patience, codec, steps).run()
        grade, reason = judge(case, seen, "client")
        result = Result(case, grade, reason, tuple(seen.log), time.monotonic() - start)
        self._results[case.id] = result
        if self._on_result is not None:
            self._on_result(result)

    async def _skip(self, wire: Wire, seen: Seen, data: bytes) -> None:
        seen.skipped = NO_DEFLATE
        await wire.write(data + close(1000).encode(False))
        with contextlib.suppress(PeerError, ConnectionError):
            await wire.read_frame()


def first_parts(case: Case) -> tuple[Part, ...]:
    first = case.steps[0]
    return first.parts if isinstance(first, Send) else ()


class Started:
    """The client's process, which is started as often as it gets on."""

    def __init__(self, command: Sequence[str], url: str, client: Client, patience: float) -> None:
        self._command = command
        self._environment = {**os.environ, "AUTOBAHN_URL": url, "AUTOBAHN_AGENT": AGENT}
        self._client = client
        self._patience = patience

    async def run(self) -> None:
        """Start the client until all cases have run, or it gets no further."""
        while not self._client.is_done:
            before = self._client.done
            await self._run_once()
            await self._client.idle()
            if self._client.done == before:
                return

    async def _start(self) -> asyncio.subprocess.Process:
        """Start the client. A cancellation ends it."""
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self._command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                # What it prints is not to stand among our results.
                stdout=sys.stderr.fileno()
                if has_number(sys.stderr)
                else asyncio.subprocess.DEVNULL,
                # So that those which it starts itself end with it.
                start_new_session=True,
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            kill(process.pid)
            await process.wait()
            raise

    async def _run_once(self) -> None:
        process = await self._start()
        self._client.last = time.monotonic()
        ended = asyncio.ensure_future(process.wait())
        try:
            while not ended.done() and self._client.silence < self._patience:
                await asyncio.wait([ended], timeout=0.1)
                if self._client.is_done and self._client.silence > 1:
                    break
            if ended.done():
                self._client.missing = f"the client ended with status {ended.result()} before it"
            elif not self._client.is_done:
                self._client.missing = "the client was silent, and stopped"
        finally:
            ended.cancel()
            if process.returncode is None:
                kill(process.pid)
            await process.wait()


def kill(process: int) -> None:
    """End a process, and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process, signal.SIGKILL)
        else:  # pragma: no cover - Windows
            os.kill(process, signal.SIGTERM)


def has_number(stream: object) -> bool:
    try:
        return isinstance(stream.fileno(), int)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
