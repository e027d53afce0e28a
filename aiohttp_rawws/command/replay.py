"""The subcommand `replay`: one side of a captured connection, played against a live peer."""

import argparse
import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp

from ..captures.reading import CaptureError
from ..captures.replay import Replayed
from ..captures.replaying import replay
from .addresses import Destination, ListenAddress, listen_address, server_url
from .arguments import Commands
from .ending import Failure
from .listening import listen, name_of
from .loop import run_loop
from .output import reason_of
from .text import escaped
from .tls import add_trust, upstream_context
from .values import seconds

__all__ = ("add_parser", "run")

DESCRIPTION = """\
Play one side of a captured connection: its octets, its pauses, the reads that they came by. What
the other side sends now is compared with what it sent then.
"""

EPILOG = """\
examples:
  aiohttp-rawws replay frames.jsonl --connect ws://localhost:8765
  aiohttp-rawws replay frames.jsonl --listen 8080 --connection 3 --no-wait

Exit status: 0 if the peer does the same, 1 if it does not, 2 for a usage error, a file that is no
capture, and a peer that cannot be reached.
"""


#: Replays the capture that was asked for.
Again = Callable[..., Awaitable[Replayed]]


class Options(argparse.Namespace):
    """The arguments as values."""

    capture: str
    side: str | None
    connect: Destination | None
    listen: ListenAddress | None
    connection: int | None
    #: None for no pauses.
    speed: float | None
    timeout: float
    ca: str | None
    secure: bool


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="play one side of a captured connection against a live peer",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "capture", metavar="CAPTURE", help="what --capture has written; - for standard input"
    )
    parser.add_argument(
        "--side", choices=("client", "server"), help="the side to play, which the next two imply"
    )
    peer = parser.add_mutually_exclusive_group(required=True)
    peer.add_argument(
        "--connect",
        metavar="URL",
        type=server_url,
        help="play the client: connect to this server, or unix:PATH or unix:PATH:/BASE; a URL "
        "without a path gets the captured one",
    )
    peer.add_argument(
        "--listen",
        metavar="ADDRESS",
        type=listen_address,
        help="play the server, for the first client that connects: PORT, HOST:PORT or unix:PATH",
    )
    add = parser.add_argument
    add("--connection", metavar="N", type=number, help="which connection, if there are several")
    pauses = parser.add_mutually_exclusive_group()
    pauses.add_argument(
        "--speed", metavar="X", type=seconds, default="1", help="how much faster (%(default)s)"
    )
    pauses.add_argument(
        "--no-wait", dest="speed", action="store_const", const=None, help="leave all pauses out"
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default="10",
        help="how long the peer may take for what is expected (%(default)s)",
    )
    add_trust(parser)
    parser.set_defaults(run=run)


def number(text: str) -> int:
    """Return the number of a connection."""
    if not re.fullmatch(r"[1-9]\d{0,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"not the number of a connection, from 1: {text!r}")
    return int(text)


def run(options: Options) -> int:
    """Replay, print how it went, and return the exit status. Raises Failure, ArgumentTypeError."""
    if options.side is not None and (options.side == "client") != (options.connect is not None):
        needed = "--connect URL" if options.side == "client" else "--listen ADDRESS"
        raise argparse.ArgumentTypeError(f"--side {options.side} needs {needed}")
    try:
        replayed = run_loop(played(options))
    except CaptureError as error:
        raise Failure(f"{escaped(options.capture)}: {escaped(str(error))}", 2) from None
    except Failure as failure:
        raise Failure(str(failure), 2) from None
    except (OSError, aiohttp.ClientError, asyncio.TimeoutError) as error:
        where = getattr(error, "filename", None) or (options.connect and options.connect.text)
        reason = escaped(connect_reason(error, options.timeout))
        raise Failure(f"{escaped(str(where))}: {reason}", 2) from None
    except KeyboardInterrupt:
        raise Failure("interrupted: the replay did not come to its end", 130) from None
    print("\n".join(escaped(line) for line in str(replayed).split("\n")))
    return 0 if replayed.difference is None else 1


def connect_reason(error: Exception, timeout: float) -> str:
    """Return why there is no connection, as one sentence."""
    if isinstance(error, aiohttp.ClientResponseError):
        # The message quotes what came, on several lines.
        return f"the answer is no HTTP: {error.message.partition(':')[0]}"
    # In Python 3.10 the first one is no OSError, and from 3.11 on all of them are.
    if isinstance(error, asyncio.TimeoutError) and getattr(error, "errno", None) is None:
        return f"no answer to the handshake within {timeout:g} seconds"
    return reason_of(error)


async def played(options: Options) -> Replayed:
    again = partial(
        replay,
        sys.stdin.buffer if options.capture == "-" else options.capture,
        connection=options.connection,
        speed=options.speed,
        timeout=options.timeout,
    )
    if options.connect is not None:
        return await connected(options, options.connect, again)
    assert options.listen is not None
    with listen(options.listen, None) as listener:
        print(f"Listening on {name_of(listener, tls=False)}", file=sys.stderr, flush=True)
        return await again(listener=listener)


async def connected(options: Options, server: Destination, again: Again) -> Replayed:
    """Play the client."""
    connector = aiohttp.UnixConnector(server.path) if server.path else aiohttp.TCPConnector()
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        context = upstream_context(options.ca, options.secure, None, None)
        return await again(url=server.url, client_session=session, ssl=context)
