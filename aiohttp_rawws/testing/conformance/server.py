"""Check a server: connections to it, several at a time."""

import asyncio
import contextlib
import ssl as tls
import time
from collections.abc import Callable, Sequence

from yarl import URL

from ...session.deadline import in_time
from ..arguments import check_count, check_seconds
from ..dialling import TLS_SCHEMES, default_context, dial
from ..ending import end_tasks
from ..errors import NotHttp, PeerEnded, PeerSilent, Unexpected
from ..http import HeaderLines, HttpHead
from ..wire import Wire
from .case import Case, Grade
from .catalogue import select
from .codec import Codec, Terms, TermsError
from .conversation import Conversation
from .judge import judge
from .opening import Target, faults_of_answer, request_of, write_chopped
from .probe import PROBE, fault_of, needs_echo
from .report import Report, Result, is_hopeless
from .seen import NO_DEFLATE, Seen

__all__ = ("LIMIT", "PARALLEL", "TIMEOUT", "check")

#: How long a peer may take to do what it has to, in seconds.
TIMEOUT = 2.0
#: How long a connection may take to be there, in seconds, if `timeout` is shorter.
CONNECT = 10.0
#: How many connections to a server are open at a time.
PARALLEL = 16
#: After how many seconds the cases that wait are not run any more. Those that run may take ten
#: times `TIMEOUT` then, so that all ends within a minute.
LIMIT = 40.0
#: The same with the cases of `--performance`.
LONG_LIMIT = 600.0


async def check(
    url: str | URL,
    *,
    cases: str | Sequence[str] = (),
    performance: bool = False,
    headers: HeaderLines = (),
    timeout: float = TIMEOUT,
    parallel: int = PARALLEL,
    limit: float | None = None,
    ssl: tls.SSLContext | bool = True,
    unix_socket: str | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Check a WebSocket server that echoes messages, and return what it did.

    `cases` are patterns as `6.*` or `opening.*`, all if there are none; `performance` adds group 9.
    `headers` are added to each request: `{"Authorization": ...}`, or `Sec-WebSocket-Protocol` for a
    server that needs a subprotocol. `timeout` is how long the server may take to do what it has to,
    in seconds: then a case is HUNG. `limit` bounds the run: after so many seconds (40, with
    `performance` 600) no case begins, and those that run are stopped `10 * timeout` later.

    `ssl` is for a wss URL: a context, True for the system's authorities, False to check nothing.
    `unix_socket` is the path of the socket to connect to in place of the URL's host.

    Raises OSError or PeerError if the server cannot be connected to at first, answers a right
    handshake by anything but a 101, or does not echo where a case needs that. Raises ValueError for
    a URL that is none of ws or wss, a header that the check sets, or a pattern that no case has.
    """
    check_seconds("timeout", timeout)
    check_seconds("limit", limit, optional=True)
    check_count("parallel", parallel, 1)
    target = Target.of(url, headers, unix_socket)
    chosen = select("server", cases, performance)
    server = Server(target, timeout, ssl)
    start = time.monotonic()
    await server.is_there(echoes=any(map(needs_echo, chosen)))
    if limit is None:
        limit = LONG_LIMIT if performance or any(case.performance for case in chosen) else LIMIT
    results = await run_all(server, chosen, parallel, start, limit, on_result)
    return Report("server", str(target), results, time.monotonic() - start)


async def run_all(
    server: "Server",
    cases: Sequence[Case],
    parallel: int,
    start: float,
    limit: float,
    on_result: Callable[[Result], None] | None,
) -> list[Result]:
    """Run cases, so many at a time. Those that do not begin within `limit` are not run."""
    results: dict[str, Result] = {}
    waiting = iter(cases)
    end = start + limit
    has_hung = False

    async def work() -> None:
        nonlocal has_hung
        for case in waiting:
            if has_hung:
                result = Result(case, Grade.NOT_RUN, "the server hangs in all cases so far")
            elif time.monotonic() >= end:
                over = f"the run was over before its turn, after {limit:g} s"
                result = Result(case, Grade.NOT_RUN, over)
            else:
                left = end + 10 * server.timeout - time.monotonic()
                try:
                    result = await in_time(server.run(case), left)
                except TimeoutError:
                    result = Result(case, Grade.HUNG, "the run was over before its end")
            results[case.id] = result
            has_hung = has_hung or is_hopeless(results.values(), time.monotonic() - start)
            if on_result is not None:
                on_result(result)

    workers = [asyncio.ensure_future(work()) for _ in range(parallel)]
    try:
        await asyncio.gather(*workers)
    finally:
        await end_tasks(workers)
    return [results[case.id] for case in cases]


class Server:
    """The server that is checked."""

    def __init__(self, target: Target, timeout: float, ssl: tls.SSLContext | bool) -> None:
        self.timeout = timeout
        self._target = target
        # Made once: it reads all certificates of the system.
        self._ssl = ssl
        if isinstance(ssl, bool) and target.url.scheme in TLS_SCHEMES:
            self._ssl = default_context(check=ssl)

    async def connect(self) -> Wire:
        """Open a connection, and send nothing. Raises OSError and PeerSilent."""
        return await dial(
            self._target.url,
            ssl=self._ssl,
            unix_socket=self._target.unix_socket,
            timeout=max(self.timeout, CONNECT),
        )

    async def is_there(self, *, echoes: bool) -> None:
        """Open a connection, see whether a message comes back, and end it.

        Raises OSError, PeerSilent, and Unexpected for a refusal, and for a server that `echoes`
        nothing. One that does not answer at all is one to be checked.
        """
        wire = await self.connect()
        wire.timeout = self.timeout
        seen = Seen()
        try:
            await self._open(wire, PROBE, seen)
            if seen.status == "101" and echoes:
                await Conversation(wire, PROBE, seen, self.timeout).run()
        finally:
            await end(wire)
        fault = fault_of(seen, self._target.url, self.timeout, echoes=echoes)
        if fault:
            raise Unexpected(fault)

    async def run(self, case: Case) -> Result:
        """Run a case, and return the verdict."""
        seen = Seen()
        start = time.monotonic()
        try:
            wire = await self.connect()
        except (OSError, PeerSilent) as error:
            return Result(case, Grade.FAILED, f"the server cannot be connected to: {error}")
        patience = self.timeout * case.patience
        wire.timeout = patience
        try:
            codec = await self._open(wire, case, seen)
            if seen.status == "101" and not seen.skipped:
                await Conversation(wire, case, seen, patience, codec).run()
        finally:
            await end(wire)
        if case.alive:
            seen.dead = await self._fault_of_new_connection()
        seconds = time.monotonic() - start
        grade, reason = judge(case, seen, "server")
        return Result(case, grade, reason, tuple(seen.log), seconds)

    async def _open(self, wire: Wire, case: Case, seen: Seen) -> Codec | None:
        """Send the request of a case, and look at the answer."""
        asked = request_of(case, self._target)
        seen.note(f"-> {asked.data.split(b' HTTP/', 1)[0].decode('latin-1')}")
        try:
            with contextlib.suppress(ConnectionError):
                await write_chopped(wire, asked.data, case.request.chop)
            answer = await wire.read_head()
        except PeerEnded as how:
            seen.status = "end"
            seen.note("<- RST" if how.reset else "<- FIN")
            return None
        except PeerSilent:
            return None
        except NotHttp as error:
            seen.faults.append(str(error))
            seen.status = "end"
            return None
        seen.note(f"<- {answer.line}")
        seen.status = str(answer.status)
        seen.answer = answer
        if answer.status != 101:
            if case.request.needs and case.request.needs not in answer.headers:
                seen.faults.append(f"the answer {answer.status} has no {case.request.needs}")
            return None
        seen.faults += faults_of_answer(answer, asked, case)
        return codec_of(answer, case, seen)

    async def _fault_of_new_connection(self) -> str:
        """Return what is wrong with a new connection, "" if it opens."""
        try:
            wire = await self.connect()
        except (OSError, PeerSilent) as error:
            return str(error)
        seen = Seen()
        try:
            await self._open(wire, PROBE, seen)
        finally:
            await end(wire)
        return "" if seen.status == "101" else f"the answer is {seen.status or 'missing'}"


def codec_of(answer: HttpHead, case: Case, seen: Seen) -> Codec | None:
    if case.deflate is None:
        return None
    header = ", ".join(answer.headers.getall("Sec-WebSocket-Extensions", []))
    if not header:
        seen.skipped = NO_DEFLATE
        return None
    seen.note(f"   {header}")
    try:
        return Codec(Terms.of(header), True)
    except TermsError as error:
        seen.faults.append(str(error))
        return None


async def end(wire: Wire) -> None:
    """End a connection at once: there is nothing left to be seen, or to be sent."""
    wire.timeout = 0.5
    await wire.close()
