"""Scripts at work: as a client of any server, and as a server for any client."""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import socket
import ssl as ssl_module
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from yarl import URL

from ..captures.recorder import Recorder
from ..session.deadline import in_time
from .arguments import check_count, check_seed
from .dialling import dial, host_of, target_of
from .ending import end_tasks
from .listening import listening, url_of
from .openings import Answer, Request
from .player import Played, play
from .preset import Preset
from .script import Script
from .steps import Step
from .transcript import Transcript
from .wire import Wire

__all__ = ("ScriptServer", "Scripts", "play_client", "script_server")

#: What the connections of a server play: each the same script; the first the first of a list and
#: so on, where the last stays; or what a function says of the number of the connection, from 0.
Scripts = Script | Sequence[Script] | Callable[[int], Script]

#: How many connections a server plays by default.
MAX_CONNECTIONS = 10_000
#: How many connections may wait to be accepted: in a burst of more, some are a second late.
BACKLOG = 1024
#: How long a connection may be silent before it counts, in seconds.
LOOK = 0.5
#: How long a client may take for its TLS, in seconds.
TLS_TIMEOUT = 10.0


async def play_client(
    script: Script,
    url: str | URL,
    *,
    ssl: ssl_module.SSLContext | bool = True,
    unix_socket: str | None = None,
    seed: int | None = None,
    on_start: Callable[[Played], None] | None = None,
    recorder: Recorder | None = None,
) -> Played:
    """Connect to a server and play a script as its client. See `play`, and `dial` for the rest.

    A script without a `request`, and one with the default path or host, asks for those of the URL.
    """
    check_seed(seed)
    wire = await dial(url, ssl=ssl, unix_socket=unix_socket, timeout=script.timeout)
    return await play(
        script,
        wire,
        seed=seed,
        opening=lambda step: aimed(step, url),
        on_start=on_start,
        recorder=recorder,
    )


def aimed(step: Step, url: str | URL) -> Step:
    """Return a request for a URL, unless it names another path or host itself."""
    if not isinstance(step, Request):
        return step
    path = target_of(url) if step.path == "/" else step.path
    host = host_of(url) if step.host == "localhost" else step.host
    return dataclasses.replace(step, path=path, host=host)


class ScriptServer:
    """A server that plays a script on each of its connections. `url` is its address."""

    def __init__(
        self,
        scripts: Scripts,
        *,
        seed: int | None = None,
        limit: int | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._scripts = checked(scripts)
        self._recorder = recorder
        check_count("limit", limit, optional=True)
        check_seed(seed)
        #: The seed of the first connection. Each later one has the next.
        self.seed = secrets.randbits(32) if seed is None else seed
        self._limit = MAX_CONNECTIONS if limit is None else limit
        self._count = 0
        #: The tasks that play, with the numbers of their connections, None until they count.
        self._tasks: dict[asyncio.Task[None], int | None] = {}
        self._is_over = False
        self._ended = asyncio.Condition()
        self.url = ""
        #: How the connections go that were opened, in the order of their beginnings.
        self.started: list[Played] = []
        #: How those went that have ended, in the order of their ends.
        self.played: list[Played] = []

    @property
    def connections(self) -> int:
        """How many connections there were. One that ended without an octet does not count."""
        return self._count

    def script_for(self, number: int) -> Script:
        """Return the script of a connection, counted from 0."""
        if isinstance(self._scripts, Script):
            return self._scripts
        if callable(self._scripts):
            return self._scripts(number)
        return self._scripts[min(number, len(self._scripts) - 1)]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script of one connection, in a task. One behind the limit is dropped."""
        if self._is_over or self._is_full() or len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        wire = Wire(reader, writer, is_client=False)
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def _is_full(self) -> bool:
        return self._count >= self._limit

    async def _serve(self, wire: Wire) -> None:
        try:
            # One that says nothing may have looked whether the port is open, and no more.
            if (self._speaks_first() or await wire.heard(LOOK)) and not self._is_full():
                await self._play(wire)
        finally:
            wire.transport.abort()

    def _speaks_first(self) -> bool:
        """Return True if the next script does not begin with reading the request."""
        if callable(self._scripts):
            # It is asked once only.
            return False
        first = self.script_for(self._count).whole(is_client=False)[:1]
        return not (first and isinstance(first[0], Answer))

    async def _play(self, wire: Wire) -> None:
        number, self._count = self._count, self._count + 1
        if task := asyncio.current_task():
            self._tasks[task] = number
        seed = self.seed + number
        try:
            script = checked_script(self.script_for(number))
        except Exception as error:
            played = Played("script", "server", seed, Transcript(), finished=True, error=error)
            played.step = 0
            played.failure = f"no script for connection {number}: {error!r}"
            self.started.append(played)
        else:
            played = await play(
                script, wire, seed=seed, on_start=self.started.append, recorder=self._recorder
            )
        self.played.append(played)
        async with self._ended:
            self._ended.notify_all()

    async def ended(self, count: int = 1, *, timeout: float | None = 10.0) -> list[Played]:
        """Wait until `count` connections have ended, and return how they went.

        Raises TimeoutError.
        """
        async with self._ended:
            waiting = self._ended.wait_for(lambda: len(self.played) >= count)
            try:
                await in_time(waiting, timeout)
            except TimeoutError:
                raise TimeoutError(
                    f"{len(self.played)} of {count} connections have ended after {timeout} s; "
                    f"{self._count} were opened"
                ) from None
        return self.played[:count]

    def check(self) -> None:
        """Raise ScriptFailed for the first connection that did not go as written."""
        __tracebackhide__ = True
        for played in self.started:
            played.check()

    async def stop(self, grace: float = 1.0) -> None:
        """End the connections that are open.

        Scripts that wait for something have up to `grace` seconds: it may be on its way.
        """
        self._is_over = True
        try:
            if waiting := [task for task, n in self._tasks.items() if self._waits(n)]:
                await asyncio.wait(waiting, timeout=grace)
        finally:
            await end_tasks(self._tasks)

    def _waits(self, number: int | None) -> bool:
        return not self._is_full() if number is None else self.started[number].waits


def checked(scripts: Scripts) -> Scripts:
    """Return scripts for a server. TypeError or ValueError for anything else."""
    if isinstance(scripts, Script) or callable(scripts):
        return scripts
    given: object = scripts
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"scripts are a Script, a list, or a function, got {named(given)}")
    if not scripts:
        raise ValueError("a list of scripts needs one at least")
    return [checked_script(script) for script in scripts]


def checked_script(script: object) -> Script:
    if not isinstance(script, Script):
        raise TypeError(f"a Script is needed, got {named(script)}")
    return script


def named(given: object) -> str:
    """Return what was given in place of a script, and what makes a script of it."""
    if isinstance(given, Preset):
        return f"the preset {given.name!r}: use its script('server')"
    if isinstance(given, (str, os.PathLike)):
        return f"{str(given)!r}: use load_script(path), or preset(name).script('server')"
    return repr(given)


@contextlib.asynccontextmanager
async def script_server(
    scripts: Scripts,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unix_socket: str | None = None,
    ssl: ssl_module.SSLContext | None = None,
    seed: int | None = None,
    sock: socket.socket | None = None,
    limit: int | None = None,
    recorder: Recorder | None = None,
) -> AsyncIterator[ScriptServer]:
    """Serve scripts within a block, on a port (0: any free one), a Unix socket or `sock`.

    The first connection plays with `seed`, the next with `seed + 1`. More than `limit` connections
    (10,000) are dropped. `recorder` keeps the connections in a capture. Leaving the block ends the
    connections. It raises nothing for scripts that failed: `ScriptServer.check()` does.
    """
    scripted = ScriptServer(scripts, seed=seed, limit=limit, recorder=recorder)
    options: dict[str, Any] = {"ssl": ssl, "backlog": BACKLOG}
    if ssl is not None:
        options["ssl_handshake_timeout"] = TLS_TIMEOUT
    async with listening(
        scripted.accept, host, port, unix_socket=unix_socket, sock=sock, **options
    ) as server:
        scripted.url = url_of(server.sockets[0].getsockname(), tls=ssl is not None)
        try:
            yield scripted
        finally:
            server.close()
            await scripted.stop()
            await server.wait_closed()
