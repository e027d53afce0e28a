"""`python -m aiohttp_rawws`: the proxy as a command."""

import argparse
import math
import platform
import re
import ssl
import sys

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ._build import COMPILED
from ._version import __version__
from .command.arguments import EVENT_LOOP, Failure, run
from .proxy.headers import NOT_SET

__all__ = ("main",)

DESCRIPTION = """\
Listen on an address, and pass each WebSocket connection on to another server, frame by frame:
neither side can tell. See the frames with --tap, keep them with --capture.
"""

EPILOG = f"""\
example:
  aiohttp-rawws proxy 8080 ws://localhost:8765 --tap --no-extensions

SIGINT (Ctrl+C) and SIGTERM end all connections, within seconds; a second one ends at once.
Exit status: 0 after a signal, or when the reader of standard output has gone; 1 if LISTEN cannot
be listened on, or the frames cannot be written; 2 for a usage error.
The event loop is uvloop's where that is installed (here: {EVENT_LOOP}).
"""

VERSION = (
    f"aiohttp_rawws {__version__} ({'compiled' if COMPILED else 'interpreted'}, {EVENT_LOOP}), "
    f"aiohttp {aiohttp.__version__}, Python {platform.python_version()}"
)

SUFFIXES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}

# RFC 9110 sections 5.1 and 5.5.
HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser, proxy = make_parsers()
    options = parser.parse_args(arguments)
    if options.tap and options.capture == "-":
        proxy.error("--tap and --capture - would both write to standard output")
    options.headers = CIMultiDict(options.header)
    options.tls = options.ca or options.secure
    try:
        run(options)
    except Failure as failure:
        print(f"{parser.prog}: {failure}", file=sys.stderr)
        return 1
    return 0


def make_parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        prog="aiohttp-rawws", description="Raw WebSockets for aiohttp, as a command."
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    proxy = commands.add_parser(
        "proxy",
        help="pass WebSocket connections on to another server, and show their frames",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = proxy.add_argument
    add(
        "listen",
        metavar="LISTEN",
        type=listen_address,
        help="PORT, :PORT (both on 127.0.0.1), HOST:PORT or [IPV6]:PORT; port 0 is any free one",
    )
    add(
        "upstream",
        metavar="UPSTREAM",
        type=upstream_url,
        help="a ws, wss, http or https URL; the path and query of each visitor are appended",
    )
    seen = proxy.add_argument_group("seeing frames")
    add = seen.add_argument
    add("--tap", action="store_true", help="print a line for each frame, opening and end")
    add(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours of --tap; auto: on a terminal, unless NO_COLOR is set (%(default)s)",
    )
    add("--capture", metavar="FILE", help="append each frame as JSON; - for standard output")
    add(
        "--max-frame-size",
        metavar="SIZE",
        type=size,
        default="16M",
        help="largest frame that --tap and --capture let pass, in bytes, or with k, M or G "
        "(%(default)s); without them any size passes",
    )
    add(
        "--no-extensions",
        action="store_true",
        help="offer no extension to the upstream: no payload is compressed then",
    )
    dial = proxy.add_argument_group("the connection to the upstream")
    add = dial.add_argument
    add(
        "--header",
        metavar="NAME:VALUE",
        type=header,
        action="append",
        default=[],
        help="set a header of each request; may be repeated",
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default="30",
        help="how long the upstream may take to answer the handshake (%(default)s)",
    )
    tls = dial.add_mutually_exclusive_group()
    tls.add_argument(
        "--ca",
        metavar="FILE",
        type=authorities,
        help="trust the certificate authorities in this PEM file, and no others",
    )
    tls.add_argument(
        "--insecure",
        dest="secure",
        action="store_false",
        help="do not check the upstream's certificate",
    )
    return parser, proxy


def listen_address(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:(?:\[([^\[\]]+)\]|([^:\[\]]*)):)?(\d{1,5})", text, re.ASCII)
    if found is None or int(found[3]) > 65535:
        raise argparse.ArgumentTypeError(
            f"not PORT, :PORT, HOST:PORT or [IPV6]:PORT with a port from 0 to 65535: {text!r}"
        )
    return found[1] or found[2] or "127.0.0.1", int(found[3])


def upstream_url(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: {text!r}") from None
    if url.scheme not in ("ws", "wss", "http", "https") or not url.host:
        raise argparse.ArgumentTypeError(f"not a ws, wss, http or https URL: {text!r}")
    if url.user is not None or url.password is not None:
        raise argparse.ArgumentTypeError("no user or password here: use --header Authorization:...")
    if "?" in text or "#" in text:
        raise argparse.ArgumentTypeError(f"the query is the visitor's, leave it out: {text!r}")
    return url


def size(text: str) -> int:
    found = re.fullmatch(r"(\d{1,18})([kmg]?)", text, re.ASCII | re.IGNORECASE)
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f"not a number of bytes, like 65536, 64k or 16M: {text!r}")
    return int(found[1]) * SUFFIXES[found[2].lower()]


def header(text: str) -> tuple[str, str]:
    found = HEADER.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"not NAME:VALUE: {text!r}")
    if found[1].lower() in NOT_SET:
        raise argparse.ArgumentTypeError(f"{found[1]} is set by the proxy")
    return found[1], found[2].rstrip(" \t")


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"not a number of seconds above 0: {text!r}")
    return number


def authorities(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise argparse.ArgumentTypeError(f"cannot read {path!r}: {reason}") from None


if __name__ == "__main__":
    sys.exit(main())
