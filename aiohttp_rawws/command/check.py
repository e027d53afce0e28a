"""The subcommand `check`."""

import argparse
import contextlib
import os
import ssl
import sys
from argparse import ArgumentTypeError

from ..testing.conformance.case import Case
from ..testing.conformance.catalogue import select
from ..testing.conformance.client import check_client
from ..testing.conformance.report import Report
from ..testing.conformance.server import check
from ..testing.errors import PeerError, Unexpected
from .addresses import Destination, ListenAddress, listen_address, server_url
from .arguments import Commands
from .ending import Failure, Stop, stop_on_signals
from .listening import listen, name_of
from .loop import run_loop
from .output import reason_of
from .stopping import run_until
from .text import escaped
from .tls import (
    add_certificate,
    add_own_certificate,
    add_trust,
    listen_context,
    upstream_context,
)
from .values import any_header, seconds

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
  aiohttp-rawws check unix:/run/app.sock:/echo --header 'Authorization: Bearer x'
  aiohttp-rawws check --as-server -- node client.js
  aiohttp-rawws check --as-server 9001

A client finds the URL and its name in its environment, as AUTOBAHN_URL and AUTOBAHN_AGENT. The one
message at $AUTOBAHN_URL/getCaseCount is the number of cases; for each of them, from 1 on, it echoes
all messages at $AUTOBAHN_URL/runCase?case=N&agent=$AUTOBAHN_AGENT until the connection ends. So do
clients for the Autobahn|Testsuite. If it ends before the last case, it is started again.

Exit status: 0 if all cases are OK, NON-STRICT, INFORMATIONAL or SKIPPED; 1 if one FAILED, HUNG or
did not run, or after a signal; 2 for a usage error, or a server that cannot be connected to, or
that does not echo.
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
    add(
        "words",
        metavar="URL",
        nargs="*",
        help="a server that echoes: a ws, wss, http or https URL, or unix:PATH or unix:PATH:/BASE",
    )
    add(
        "--as-server",
        metavar="LISTEN",
        nargs="?",
        const="0",
        type=listen_or_command,
        help="check a client: that which COMMAND starts, or who comes to PORT, HOST:PORT, "
        "[IPV6]:PORT or unix:PATH (a free port of 127.0.0.1)",
    )
    add(
        "--header",
        metavar="NAME:VALUE",
        type=any_header,
        action="append",
        default=[],
        help="set a header of each request to the server; may be repeated",
    )
    add_choices(parser)
    group = parser.add_argument_group("TLS")
    add_trust(group)
    add_own_certificate(group)
    add_certificate(group)


def listen_or_command(text: str) -> ListenAddress:
    """Return where to listen. An error tells where a command stands."""
    try:
        return listen_address(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}; a COMMAND stands behind --") from None


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
        help="after so long no case begins any more (40; 300 with COMMAND; 600 and 3600 with "
        "--performance; none for a client that comes by itself)",
    )


class Options(argparse.Namespace):
    """The arguments as values."""

    words: list[str]
    as_server: ListenAddress | None
    header: list[tuple[str, str]]
    cases: list[str]
    list: bool
    performance: bool
    strict: bool
    json: str | None
    verbose: bool
    timeout: float
    limit: float | None
    ca: str | None
    secure: bool
    cert: str | None
    key: str | None
    listen_cert: str | None
    listen_key: str | None


def run(options: Options) -> int:
    """Check the peer, tell of it, and return the exit status. Raises ArgumentTypeError."""
    peer = "server" if options.as_server is None else "client"
    try:
        if options.list:
            print("\n".join(map(described, select(peer, options.cases, options.performance))))
            return 0
        if options.json not in (None, "-") and not os.path.exists(str(options.json)):
            # What cannot be written is told before, not after a minute.
            write(str(options.json), "", mode="a")
        server = None if options.as_server is not None else server_of(options)
        report = run_loop(until_signal(options, server))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return tell(report, options)


def server_of(options: Options) -> Destination:
    """Return the server to be checked. Raises ArgumentTypeError."""
    if len(options.words) != 1:
        hint = ", ahead of --cases" if any("://" in each for each in options.cases) else ""
        raise ArgumentTypeError(f"give the URL of a server{hint}, or --as-server")
    if options.listen_cert or options.listen_key:
        raise ArgumentTypeError("--listen-cert and --listen-key are for --as-server")
    return server_url(options.words[0])


def described(case: Case) -> str:
    return f"{case.id:<28} {case.sentence}"


async def until_signal(options: Options, server: Destination | None) -> Report:
    """Check the peer. Raises Failure after a signal, and for a server that is not there."""
    stop = Stop()
    stop_on_signals(stop)
    doing = check_a_client(options) if server is None else check_a_server(options, server)
    report = await run_until(stop, doing)
    if report is None:
        raise Failure("stopped by a signal")
    return report


async def check_a_server(options: Options, server: Destination) -> Report:
    try:
        return await check(
            server.url,
            cases=options.cases,
            performance=options.performance,
            headers=options.header,
            timeout=options.timeout,
            limit=options.limit,
            ssl=upstream_context(options.ca, options.secure, options.cert, options.key),
            unix_socket=server.path or None,
        )
    except (OSError, PeerError) as error:
        reason = str(error) if isinstance(error, (ssl.SSLError, PeerError)) else reason_of(error)
        do = "check" if isinstance(error, Unexpected) else "connect to"
        raise Failure(f"cannot {do} {escaped(server.text)}: {escaped(reason)}", 2) from None


async def check_a_client(options: Options) -> Report:
    if options.header or options.ca or not options.secure or options.cert or options.key:
        names = "--header, --ca, --insecure, --cert and --key"
        raise ArgumentTypeError(f"{names} are for a server, not for --as-server")
    assert options.as_server is not None
    context = listen_context(options.listen_cert, options.listen_key, None)
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(listen(options.as_server, None))
        except Failure as failure:
            raise Failure(str(failure), 2) from None
        if not options.words:
            where = name_of(listener, tls=context is not None)
            print(f"waiting for a client at {where}", file=sys.stderr, flush=True)
        try:
            return await check_client(
                options.words,
                sock=listener,
                cases=options.cases,
                performance=options.performance,
                timeout=options.timeout,
                limit=options.limit,
                ssl=context,
            )
        except OSError as error:
            raise Failure(f"cannot run {options.words[0]}: {reason_of(error)}", 2) from None


def tell(report: Report, options: Options) -> int:
    print(report.text(options.verbose), file=sys.stderr if options.json == "-" else sys.stdout)
    if options.json == "-":
        print(report.as_json(), end="")
    elif options.json is not None:
        write(options.json, report.as_json())
    return 1 if report.bad(options.strict) else 0


def write(path: str, text: str, mode: str = "w") -> None:
    """Write a file. Raises Failure."""
    try:
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"cannot write {path}: {reason_of(error)}", 2) from None
