"""The subcommand `play`: a scripted peer for programs in any language."""

import argparse
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
from ..testing.script_file import ScriptFileError, load_script
from .addresses import (
    Destination,
    ListenAddress,
    listen_address,
    server_url,
)
from .arguments import Commands
from .ending import Failure, Stop, stop_on_signals
from .listening import listen, name_of
from .loop import run_loop
from .output import fill_standard_files, reason_of
from .stopping import run_until
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
Exit status: 0 if all went as written, 1 if something did not or a connection is missing, 2 for a
usage error, a file that is no script, and a server that cannot be reached.
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
    fill_standard_files()
    if options.presets:
        tell("\n".join(described(each) for each in PRESETS.values()))
        return 0
    if not options.files:
        raise argparse.ArgumentTypeError("a FILE is needed, or --presets")
    if options.listen is None and options.connect is None:
        raise argparse.ArgumentTypeError("--listen or --connect is needed")
    if options.capture == "-":
        raise argparse.ArgumentTypeError("--capture needs a file: standard output has the report")
    check_role(options)
    role = "server" if options.connect is None else "client"
    scripts = [script_named(name, role) for name in options.files]
    if options.timeout is not None:
        for script in scripts:
            script.timeout = options.timeout
    if options.seed is None:
        options.seed = secrets.randbits(32)
    count = len(scripts) if options.connections is None else options.connections
    playing = serve if options.connect is None else connect
    try:
        with contextlib.ExitStack() as stack:
            recorder = None
            if options.capture is not None:
                recorder = stack.enter_context(opened(options.capture, options.show_secrets))
            played = run_loop(playing(options, scripts, count, recorder))
            return report(options, played, count)
    except Failure as failure:
        # 1 is for a script that did not go as written.
        raise Failure(str(failure), 2) from None


def check_role(options: Options) -> None:
    """Raise ArgumentTypeError for an option of the other role."""
    for option, given in (
        ("--connections 0", options.connections == 0),
        ("--listen-cert", options.listen_cert is not None),
        ("--listen-key", options.listen_key is not None),
    ):
        if given and options.listen is None:
            raise argparse.ArgumentTypeError(f"{option} is for --listen")
    for option, given in (("--ca", options.ca is not None), ("--insecure", not options.secure)):
        if given and options.connect is None:
            raise argparse.ArgumentTypeError(f"{option} is for --connect")


def opened(path: str, show_secrets: bool) -> Recorder:
    """Return what writes a capture. Raises Failure."""
    try:
        return Recorder(path, show_secrets=show_secrets)
    except OSError as error:
        raise Failure(f"cannot write {path}: {reason_of(error)}") from None


async def serve(
    options: Options, scripts: list[Script], count: int, recorder: Recorder | None
) -> list[Played]:
    """Play for so many connections, or until a signal."""
    assert options.listen is not None
    context = listen_context(options.listen_cert, options.listen_key, None)
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
            # Without a standard error, print would take standard output.
            if sys.stderr is not None:
                print(f"Listening on {where}, seed {options.seed}", file=sys.stderr, flush=True)
            await run_until(stop, server.ended(count or MAX_CONNECTIONS, timeout=None))
        return server.started


async def connect(
    options: Options, scripts: list[Script], count: int, recorder: Recorder | None
) -> list[Played]:
    """Play one connection after the other, or until a signal. Raises Failure if there is none."""
    stop = Stop()
    stop_on_signals(stop)
    played: list[Played] = []
    await run_until(stop, play_each(options, scripts, count, recorder, played))
    return played


async def play_each(
    options: Options,
    scripts: list[Script],
    count: int,
    recorder: Recorder | None,
    played: list[Played],
) -> None:
    """Play as a client, and add each connection to those played when it begins."""
    assert options.connect is not None
    assert options.seed is not None
    tls = upstream_context(options.ca, options.secure, None, None)
    for number in range(count):
        try:
            await play_client(
                scripts[min(number, len(scripts) - 1)],
                options.connect.url,
                ssl=tls,
                unix_socket=options.connect.path or None,
                seed=options.seed + number,
                on_start=played.append,
                recorder=recorder,
            )
        except (OSError, PeerError) as error:
            if played:
                # The server may have gone because of these.
                report(options, played, count)
            raise Failure(f"cannot connect to {options.connect.text}: {reason_of(error)}") from None


def report(options: Options, played: list[Played], count: int) -> int:
    """Tell how `count` connections went, and return the exit status."""
    ok = bool(played) and len(played) >= count and all(each.ok for each in played)
    whole = {"ok": ok, "seed": options.seed, "played": [each.as_json() for each in played]}
    if options.report == "-":
        tell(json.dumps(whole, indent=1))
    else:
        lines = [str(each) for each in played]
        if not played:
            lines.append("no connection was played")
        elif len(played) < count:
            lines.append(f"{len(played)} of {count} connections were played")
        tell("\n".join(lines))
    if options.report not in (None, "-"):
        try:
            Path(str(options.report)).write_text(json.dumps(whole, indent=1) + "\n")
        except OSError as error:
            raise Failure(f"cannot write {options.report}: {reason_of(error)}") from None
    return 0 if ok else 1


def script_named(name: str, role: str) -> Script:
    """Return the script of a file, or of a preset. Raises Failure and ArgumentTypeError."""
    try:
        if "." in name or "/" in name:
            return load_script(name)
        return preset(name).script(role)
    except ScriptFileError as error:
        # Of a file one line is enough: the usage of the command is no help.
        raise Failure(str(error), 2) from None
    except OSError as error:
        raise Failure(f"cannot read {name}: {reason_of(error)}", 2) from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def described(each: Preset) -> str:
    """Return a preset on two lines or more."""
    roles = " or ".join(each.roles) + (f"; {each.section}" if each.section else "")
    sentence = textwrap.fill(each.sentence, 88, initial_indent="    ", subsequent_indent="    ")
    return f"{each.name} ({roles})\n{sentence}"


def tell(text: str) -> None:
    """Write to standard output, which may lack characters, and which a reader may have left."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        # Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Failure(f"cannot write the report: {reason_of(error)}", 2) from None


def count(text: str) -> int:
    """Return a number of connections."""
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_CONNECTIONS:
        raise argparse.ArgumentTypeError(f"not a number of connections: {text!r}")
    return int(text)
