"""The subcommand `chaos`: a proxy that injects faults."""

import argparse
import contextlib
import json
import ssl
import sys
from datetime import datetime
from functools import partial

from .._version import __version__
from ..captures.format import timestamp
from ..testing.chaos.proxy import ChaosProxy, Listen, Upstream, option_of
from ..testing.chaos.records import ConnectionEvent, FaultRecord
from ..testing.chaos.rules import FAULTS, Fault, Rule, parse_rule
from .addresses import Destination, ListenAddress
from .arguments import Commands
from .ending import Failure, Stop, stop_on_signals
from .listening import listen, name_of
from .logs import log_to_standard_error
from .loop import run_loop
from .output import Output, fill_standard_files, output_to
from .proxy_arguments import add_addresses
from .text import escaped
from .tls import (
    add_certificate,
    add_own_certificate,
    add_trust,
    listen_context,
    upstream_context,
)

__all__ = ("add_parser", "run")

DESCRIPTION = """\
Listen on an address, and pass WebSocket connections on to another server as a bad network would:
late, cut, corrupted, reset. Each connection and its end, and each fault that is injected, is a line
on standard output.
"""

EPILOG = """\
A RULE tells which frames get a fault, in words with colons between them; any of them may be left
out:

  [@CONNECTION:][client:|upstream:][KIND:][RATE][:SECONDS]

  client, upstream  who sends the frame; by default either
  KIND              text, binary, continuation, ping, pong, close, data, control, or all
  RATE              5% of them by chance, or #3: the third one of each connection; by default all
  SECONDS           of --latency, --stall, --reorder and --split: 0.2, 200ms or 0.2+-0.1
  @CONNECTION       the number of the connection, as @1; by default each

Options may be repeated. A shell takes a word that begins with # for a comment: write all:#3.

examples:
  aiohttp-rawws chaos 8080 ws://localhost:8765 --latency 0.2+-0.1 --drop pong:10%
  aiohttp-rawws chaos 8080 wss://example.com --reset @1:upstream:text:#3 --seed 7
  aiohttp-rawws chaos 8080 ws://localhost:8765 --stall upstream:data:1%:5 --json faults.jsonl

The same --seed gives the same frames the same faults. Without one it is chosen, and printed.

SIGINT (Ctrl+C) and SIGTERM end all connections; a second one ends at once. Exit status: 0 after a
signal, or when the reader of standard output has gone; 1 if LISTEN cannot be listened on, or the
lines cannot be written; 2 for a usage error.
"""


class Options(argparse.Namespace):
    """The arguments as values."""

    listen: ListenAddress
    upstream: Destination
    seed: int | None
    json: str | None
    rules: list[Rule]
    listen_cert: str | None
    listen_key: str | None
    ca: str | None
    secure: bool
    no_extensions: bool
    cert: str | None
    key: str | None


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "chaos",
        help="pass WebSockets on to another server, with faults: late, cut, corrupted, reset",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_addresses(parser)
    add = parser.add_argument_group("faults: a frame that a RULE chooses").add_argument
    for fault in FAULTS.values():
        add(
            f"--{option_of(fault.name)}",
            dest="rules",
            metavar="RULE",
            type=partial(rule, fault),
            action="append",
            default=[],
            help=fault.effect,
        )
    parser.add_argument(
        "--no-extensions",
        action="store_true",
        help="offer no extension to the upstream: no message is compressed then",
    )
    add = parser.add_argument_group("what was done").add_argument
    add("--seed", metavar="N", type=int, help="the number that all chances follow from")
    add(
        "--json",
        metavar="FILE",
        help="append each line as JSON; - for standard output, in place of the lines",
    )
    group = parser.add_argument_group("TLS")
    add_certificate(group)
    add_trust(group, "upstream")
    add_own_certificate(group)


def rule(fault: Fault, text: str) -> Rule:
    """Return what an option says. Raises ArgumentTypeError."""
    try:
        return parse_rule(fault.name, text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: Options) -> int:
    """Run the proxy until the end is requested, and return the exit status. Raises Failure."""
    listen_tls = listen_context(options.listen_cert, options.listen_key, None)
    upstream = upstream_of(options)
    fill_standard_files()
    with log_to_standard_error():
        run_loop(serve(options, listen_tls, upstream))
    return 0


def upstream_of(options: Options) -> Upstream:
    """Return the upstream, its TLS included. Raises ArgumentTypeError."""
    url = options.upstream.url
    tls = upstream_context(options.ca, options.secure, options.cert, options.key)
    return Upstream.of(url, tls, options.upstream.path, url.raw_path.rstrip("/"))


async def serve(options: Options, listen_tls: ssl.SSLContext | None, upstream: Upstream) -> None:
    stop = Stop()
    stop_on_signals(stop)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(options.listen, None))
        outputs: list[tuple[Output, bool]] = []
        count = 0

        def tell(record: FaultRecord | ConnectionEvent) -> None:
            nonlocal count
            count += isinstance(record, FaultRecord)
            for output, is_json in outputs:
                line = json_line if is_json else text_line
                output.write(line(proxy.seed, record))

        proxy = ChaosProxy(
            Listen(sock=listener, ssl=listen_tls),
            upstream,
            in_order(options.rules),
            seed=options.seed,
            extensions=not options.no_extensions,
            on_fault=tell,
            on_event=tell,
        )
        if options.json != "-":
            notice = partial(text_left_out, proxy.seed)
            outputs.append((stack.enter_context(output_to("-", stop, notice)), False))
        if options.json is not None:
            notice = partial(json_left_out, proxy.seed)
            outputs.append((stack.enter_context(output_to(options.json, stop, notice)), True))
            outputs[-1][0].write(start_line(proxy.seed, options))
        async with proxy:
            here = name_of(listener, tls=listen_tls is not None)
            there = escaped(options.upstream.text)
            said = f"Listening on {here}, forwarding to {there}, with --seed {proxy.seed}"
            print(said, file=sys.stderr, flush=True)
            await stop.wait()
        print(f"{counted(count)}; the same again: --seed {proxy.seed}", file=sys.stderr)
    if stop.failure:
        raise Failure(stop.failure)


def in_order(rules: list[Rule]) -> list[Rule]:
    """Return rules in the order of FAULTS, as `chaos` of the kit has them."""
    names = list(FAULTS)
    return sorted(rules, key=lambda rule: names.index(rule.fault))


def counted(number: int) -> str:
    return f"{number} fault{'' if number == 1 else 's'}"


# -- lines -----------------------------------------------------------------------------------------


def text_line(seed: int, record: FaultRecord | ConnectionEvent) -> bytes:
    return f"{datetime.now():%H:%M:%S.%f} seed {seed} {record}\n".encode()


def text_left_out(seed: int, count: int) -> bytes:
    return (
        f"{datetime.now():%H:%M:%S.%f} seed {seed} {count} lines left out: they were not read\n"
    ).encode()


def json_line(seed: int, record: FaultRecord | ConnectionEvent) -> bytes:
    if isinstance(record, ConnectionEvent):
        return line_of(seed, **event_fields(record))
    return line_of(
        seed,
        connection=record.connection,
        direction=record.direction,
        number=record.number,
        fault=record.fault,
        detail=record.detail,
        frame=record.frame,
    )


def event_fields(event: ConnectionEvent) -> dict[str, object]:
    """Return what an event has to tell, with the names of captures."""
    if event.event == "end":
        return {
            "event": "end",
            "connection": event.connection,
            "first": event.first or None,
            "reason": event.reason,
        }
    method, _, path = event.request.partition(" ")
    fields = {"event": event.event, "method": method, "path": path, "address": event.address}
    if event.event == "open":
        return {**fields, "connection": event.connection}
    return {**fields, "status": event.status or None, "error": event.error or None}


def start_line(seed: int, options: Options) -> bytes:
    return line_of(
        seed,
        event="start",
        software=f"aiohttp_rawws {__version__}",
        upstream=options.upstream.text,
        rules=[[each.fault, each.text] for each in in_order(options.rules)],
    )


def json_left_out(seed: int, count: int) -> bytes:
    return line_of(seed, event="left out", lines=count)


def line_of(seed: int, **fields: object) -> bytes:
    line = json.dumps({"time": timestamp(), "seed": seed, **fields}, separators=(",", ":"))
    return f"{line}\n".encode()
