"""The subcommand `play`: a scripted peer for programs in any language."""

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
import textwrap
from pathlib import Path

from ..captures.recorder import Recorder
from ..testing.errors import PeerError
from ..testing.player import Played
from ..testing.playing import MAX_CONNECTIONS, play_client, script_server
from ..testing.preset import Preset
from ..testing.presets import PRESETS, preset
from ..testing.script import Script
from ..testing.script_file import load_script
from .addresses import (
    Destination,
    ListenAddress,
    destination,
    listen_address,
    websocket_url,
)
from .arguments import Commands
from .ending import Failure, Stop, stop_on_signals
from .listening import listen, name_of
from .loop import run_loop
from .output import reason_of
from .tls import add_certificate, add_trust, listen_context, upstream_context
from .values import seconds

__all__ = ("add_parser", "run")

DESCRIPTION = """\
Play a script, or a preset by its name, as a server or as a client, and tell how it went.
"""

EPILOG = """\
examples:
  aiohttp-rawws play reconnect.toml --listen 8080 --connections 2
  aiohttp-rawws play no-pong --listen 8080
  aiohttp-rawws play slow.toml --connect ws://localhost:8000/chat --report report.json

FILE is a script (.toml, .json, .jsonl) or the name of a preset; --presets lists those.
With --listen the command ends after --connections connections, with several FILEs the first
connection plays the first one, and so on.
Exit status: 0 if all went as written, 1 if it did not or nobody connected, 2 for a usage error, a
file that is no script, and a server that cannot be reached.
"""


class Options(argparse.Namespace):
    """The arguments as values."""

    files: list[str]
    listen: ListenAddress | None
    connect: Destination | None
    connections: int | None
    seed: int | None
    timeout: float | None
    report: str | None
    capture: str | None
    show_secrets: bool
    presets: bool
    listen_cert: str | None
    listen_key: str | None
    ca: str | None
    secure: bool


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "play",
        help="play a script or a preset: a peer that does what it is told, also the wrong thing",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add = parser.add_argument
    add("files", metavar="FILE", nargs="*", help="a script, or the name of a preset")
    add("--presets", action="store_true", help="list the presets, and exit")
    role = parser.add_mutually_exclusive_group()
    role.add_argument(
        "--listen", metavar="LISTEN", type=listen_address, help="PORT, HOST:PORT or unix:PATH"
    )
    role.add_argument(
        "--connect",
        metavar="URL",
        type=server_url,
        help="a ws, wss, http or https URL, or unix:PATH",
    )
    add(
        "--connections",
        metavar="N",
        type=count,
        help="how many connections to play, by default one for each FILE; with --listen 0 goes on "
        "until a signal",
    )
    add("--seed", metavar="N", type=int, help="what all that is random follows from")
    add("--timeout", metavar="SECONDS", type=seconds, help="in place of the scripts' own")
    add("--report", metavar="FILE", help="write a report as JSON; - for standard output")
    add("--capture", metavar="FILE", help="append all frames to a capture")
    add("--show-secrets", action="store_true", help="keep credentials in the capture as they are")
    add_certificate(parser)
    add_trust(parser)


def run(options: Options) -> int:
    """Play, report, and return the exit status. Raises ArgumentTypeError for a usage error."""
    if options.presets:
        tell("\n".join(described(each) for each in PRESETS.values()))
        return 0
    if not options.files:
        raise argparse.ArgumentTypeError("a FILE is needed, or --presets")
    if options.listen is None and options.connect is None:
        raise argparse.ArgumentTypeError("--listen or --connect is needed")
    if options.connections == 0 and options.listen is None:
        raise argparse.ArgumentTypeError("--connections 0 is for --listen")
    if options.capture == "-":
        raise argparse.ArgumentTypeError("--capture needs a file: standard output has the report")
    role = "server" if options.connect is None else "client"
    scripts = [script_named(name, role) for name in options.files]
    if options.timeout is not None:
        for script in scripts:
            script.timeout = options.timeout
    if options.seed is None:
        options.seed = secrets.randbits(32)
    playing = serve if options.connect is None else connect
    try:
        with contextlib.ExitStack() as stack:
            recorder = None
            if options.capture is not None:
                recorder = stack.enter_context(opened(options.capture, options.show_secrets))
            played = run_loop(playing(options, scripts, recorder))
            status = report(options, played)
        for each in played:
            if isinstance(each.error, OSError):
                raise Failure(f"cannot write {options.capture}: {reason_of(each.error)}")
        return status
    except Failure as failure:
        # 1 is for a script that did not go as written.
        raise Failure(str(failure), 2) from None


def opened(path: str, show_secrets: bool) -> Recorder:
    """Return what writes a capture. Raises Failure."""
    try:
        return Recorder(path, show_secrets=show_secrets)
    except OSError as error:
        raise Failure(f"cannot write {path}: {reason_of(error)}") from None


async def serve(options: Options, scripts: list[Script], recorder: Recorder | None) -> list[Played]:
    """Play for so many connections, or until a signal."""
    assert options.listen is not None
    context = listen_context(options.listen_cert, options.listen_key, None)
    count = len(scripts) if options.connections is None else options.connections
    stop = Stop()
    with listen(options.listen, None) as listener:
        stop_on_signals(stop)
        async with script_server(
            scripts,
            sock=listener,
            ssl=context,
            seed=options.seed,
            limit=count or None,
            recorder=recorder,
        ) as server:
            where = name_of(listener, tls=context is not None)
            print(f"Listening on {where}, seed {options.seed}", file=sys.stderr, flush=True)
            waits: list[asyncio.Future[object]] = [asyncio.ensure_future(stop.wait())]
            ended = server.ended(count or MAX_CONNECTIONS, timeout=None)
            waits.append(asyncio.ensure_future(ended))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return server.started


async def connect(
    options: Options, scripts: list[Script], recorder: Recorder | None
) -> list[Played]:
    """Play one connection after the other. Raises Failure if there is none."""
    assert options.connect is not None
    assert options.seed is not None
    tls = upstream_context(options.ca, options.secure, None, None)
    count = len(scripts) if options.connections is None else options.connections
    played = []
    for number in range(count):
        script = scripts[min(number, len(scripts) - 1)]
        try:
            played.append(
                await play_client(
                    script,
                    options.connect.url,
                    ssl=tls,
                    unix_socket=options.connect.path or None,
                    seed=options.seed + number,
                    recorder=recorder,
                )
            )
        except (OSError, PeerError) as error:
            raise Failure(f"cannot connect to {options.connect.text}: {reason_of(error)}") from None
    return played


def report(options: Options, played: list[Played]) -> int:
    """Tell how the connections went, and return the exit status."""
    ok = bool(played) and all(each.ok for each in played)
    whole = {"ok": ok, "seed": options.seed, "played": [each.as_json() for each in played]}
    if options.report == "-":
        tell(json.dumps(whole, indent=1))
    else:
        tell("\n".join(str(each) for each in played) or "no connection was played")
    if options.report not in (None, "-"):
        try:
            Path(str(options.report)).write_text(json.dumps(whole, indent=1) + "\n")
        except OSError as error:
            raise Failure(f"cannot write {options.report}: {reason_of(error)}") from None
    return 0 if ok else 1


def script_named(name: str, role: str) -> Script:
    """Return the script of a file, or of a preset. Raises ArgumentTypeError."""
    try:
        if "." in name or "/" in name:
            return load_script(name)
        return preset(name).script(role)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {name}: {reason_of(error)}") from None
    except (ValueError, KeyError) as error:
        raise argparse.ArgumentTypeError(str(error.args[0])) from None


def described(each: Preset) -> str:
    """Return a preset on two lines or more."""
    roles = " or ".join(each.roles) + (f"; {each.section}" if each.section else "")
    sentence = textwrap.fill(each.sentence, 88, initial_indent="    ", subsequent_indent="    ")
    return f"{each.name} ({roles})\n{sentence}"


def tell(text: str) -> None:
    """Write to standard output, which a reader may have left."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def count(text: str) -> int:
    """Return a number of connections."""
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_CONNECTIONS:
        raise argparse.ArgumentTypeError(f"not a number of connections: {text!r}")
    return int(text)


def server_url(text: str) -> Destination:
    """Return a URL with its query, or a Unix socket."""
    if "unix:" in text:
        return destination(text)
    return Destination(text, websocket_url(text, or_else=", nor unix:PATH"))
