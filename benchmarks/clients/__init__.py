"""The clients: each module connects to the load generator and echoes what that sends.

`python -m benchmarks.clients.NAME --upstream PORT --connections NUMBER`; otherwise they are started
as the servers are.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable

from ..servers import announce, end_of_input, parse, run_loop
from ..tls import client_context

Echo = Callable[[str, ssl.SSLContext | None], Awaitable[object]]


def run(echo: Echo, version: str, build: str = "") -> None:
    """Have `echo` connect to the URL it is given, over TLS in that context, so often as asked for.

    `version` and `build` are as for a server.
    """
    run_loop(_connect(echo, version, build))


async def _connect(echo: Echo, version: str, build: str) -> None:
    options = parse()
    tls = client_context(options.tls) if options.tls else None
    url = f"{'wss' if tls else 'ws'}://127.0.0.1:{options.upstream}/"
    announce(options.upstream, os.getpid(), version, build)
    # The generator opens its ears only now: nobody may wait for an answer before.
    echoes = [asyncio.ensure_future(echo(url, tls)) for _ in range(options.connections)]
    await end_of_input()
    await asyncio.gather(*echoes)
