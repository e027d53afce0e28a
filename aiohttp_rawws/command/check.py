"""The subcommand `check`."""

import argparse
import asyncio
import ssl
import sys
from argparse import ArgumentTypeError

from ..testing.conformance.case import Case
from ..testing.conformance.catalogue import select
from ..testing.conformance.client import check_client
from ..testing.conformance.report import Report
from ..testing.conformance.server import check
from ..testing.deadline import end_tasks
from ..testing.dialling import default_context
from ..testing.errors import PeerError
from .addresses import listen_address
from .arguments import Commands
from .ending import Failure, Stop, stop_on_signals
from .loop import run_loop
from .output import reason_of
from .tls import add_certificate, add_trust, listen_context, upstream_context
from .values import seconds

__all__ = ("add_parser", "run")

DESCRIPTION = """\
Check whether a WebSocket server, or a client, keeps the rules of RFC 6455 (and of RFC 7692 for
compression). It has to echo all messages. Each case gets a verdict: OK, NON-STRICT (allowed, but
not recommended), FAILED, HUNG (nothing came in time), INFORMATIONAL (the RFC leaves it open) or
SKIPPED (no permessage-deflate). What is not OK is shown with the RFC section and the frames.
"""

EPILOG = """\
examples:
  aiohttp-rawws check ws://localhost:8080/echo
  aiohttp-rawws check wss://localhost:8443/ --insecure --cases '6.*' 'opening.*' --json report.json
  aiohttp-rawws check --as-server -- node client.js
  aiohttp-rawws check --as-server 9001

A client finds the URL and its name in its environment, as AUTOBAHN_URL and AUTOBAHN_AGENT. The one
message at $AUTOBAHN_URL/getCaseCount is the number of cases; for each of them, from 1 on, it echoes
all messages at $AUTOBAHN_URL/runCase?case=N&agent=$AUTOBAHN_AGENT until the connection ends. So do
clients for the Autobahn|Testsuite. If it ends before the last case, it is started again.

Exit status: 0 if all cases are OK, NON-STRICT, INFORMATIONAL or SKIPPED; 1 if one FAILED, HUNG or
did not run; 2 for a usage error, or a server that cannot be connected to.
"""


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="check whether a WebSocket server or client keeps the rules",
        usage="%(prog)s URL [options] | --as-server [LISTEN] [options] [-- COMMAND ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add = parser.add_argument
    add("words", metavar="URL", nargs="*", help="the ws or wss URL of a server that echoes")
    add(
        "--as-server",
        metavar="LISTEN",
        nargs="?",
        const="0",
        type=listen_address,
        help="check a client: that which COMMAND starts, or who comes to PORT, HOST:PORT or "
        "[IPV6]:PORT (a free port of 127.0.0.1)",
    )
    add_choices(parser)
    group = parser.add_argument_group("TLS")
    add_trust(group)
    add_certificate(group)


def add_choices(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is checked, and told")
    add = group.add_argument
    add(
        "--cases",
        metavar="CASE",
        nargs="+",
        action="extend",
        default=[],
        help="these cases alone: names, or patterns as '6.*'; stands behind the URL",
    )
    add("--list", action="store_true", help="list the cases, and check nothing")
    add("--performance", action="store_true", help="large messages, too: Autobahn's group 9")
    add("--strict", action="store_true", help="NON-STRICT makes the exit status 1, too")
    add("--json", metavar="FILE", help="write the report as JSON; - for standard output")
    add("--verbose", action="store_true", help="show all cases with their frames")
    add(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default="2",
        help="how long the peer may take to do what it has to; then it HUNG (%(default)s)",
    )
    add(
        "--limit",
        metavar="SECONDS",
        type=seconds,
        help="after so long no case begins any more (60; 300 with COMMAND; ten times as much with "
        "--performance; none for a client that comes by itself)",
    )


def run(options: argparse.Namespace) -> int:
    """Check the peer, tell of it, and return the exit status. Raises ArgumentTypeError."""
    peer = "server" if options.as_server is None else "client"
    try:
        if options.list:
            print("\n".join(map(described, select(peer, options.cases, options.performance))))
            return 0
        report = run_loop(until_signal(options))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return tell(report, options)


def described(case: Case) -> str:
    return f"{case.id:<28} {case.sentence}"


async def until_signal(options: argparse.Namespace) -> Report:
    """Check the peer. Raises Failure after a signal, and for a server that is not there."""
    stop = Stop()
    stop_on_signals(stop)
    checking = asyncio.ensure_future(check_peer(options))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([checking, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not checking.done():
            raise Failure("stopped by a signal")
        return checking.result()
    except (OSError, PeerError) as error:
        reason = str(error) if isinstance(error, (ssl.SSLError, PeerError)) else reason_of(error)
        raise Failure(f"cannot {purpose(options)}: {reason}", 2) from None
    finally:
        await end_tasks([checking, stopping])


def purpose(options: argparse.Namespace) -> str:
    if options.as_server is None:
        return f"connect to {options.words[0]}"
    return f"run {options.words[0]}" if options.words else "listen"


async def check_peer(options: argparse.Namespace) -> Report:
    if options.as_server is not None:
        return await check_a_client(options)
    if len(options.words) != 1:
        raise ArgumentTypeError("give the URL of a server, or --as-server")
    return await check(
        options.words[0],
        cases=options.cases,
        performance=options.performance,
        timeout=options.timeout,
        limit=options.limit,
        ssl=context(options),
    )


async def check_a_client(options: argparse.Namespace) -> Report:
    listen = options.as_server
    if listen.path:
        raise ArgumentTypeError("--as-server takes no Unix socket")

    def show(url: str) -> None:
        if not options.words:
            print(f"waiting for a client at {url}", file=sys.stderr, flush=True)

    return await check_client(
        options.words,
        host=listen.host,
        port=listen.port,
        cases=options.cases,
        performance=options.performance,
        timeout=options.timeout,
        limit=options.limit,
        ssl=listen_context(options.listen_cert, options.listen_key, None),
        on_url=show,
    )


def context(options: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the TLS towards a server, None for the usual one."""
    found = upstream_context(options.ca, options.secure, None, None)
    if found is True:
        return None
    if found is False:
        found = default_context(check=False)
    return found


def tell(report: Report, options: argparse.Namespace) -> int:
    print(report.text(options.verbose), file=sys.stderr if options.json == "-" else sys.stdout)
    if options.json == "-":
        print(report.as_json(), end="")
    elif options.json is not None:
        try:
            with open(options.json, "w", encoding="utf-8") as file:
                file.write(report.as_json())
        except OSError as error:
            raise Failure(f"cannot write {options.json}: {reason_of(error)}", 2) from None
    return 1 if report.bad(options.strict) else 0
