"""The arguments of `proxy`."""

import argparse
import ssl

from multidict import CIMultiDict

from ..captures.format import MAX_PAYLOAD
from .addresses import Destination, ListenAddress, destination, listen_address
from .arguments import Commands
from .loop import EVENT_LOOP
from .tls import (
    add_certificate,
    add_own_certificate,
    add_trust,
    authorities,
    listen_context,
    upstream_context,
)
from .values import header, header_name, host, mode, peer, prefix, seconds, size

__all__ = ("Options", "complete", "make_parser")

DESCRIPTION = """\
Listen on an address, and pass everything on to another server: WebSocket connections frame by
frame, so that neither side can tell, and plain requests. See the frames with --tap, keep them with
--capture.
"""

EPILOG = f"""\
examples:
  aiohttp-rawws proxy 8080 ws://localhost:8765 --tap
  aiohttp-rawws proxy unix:/run/front.sock unix:/run/app.sock:/base --capture frames.jsonl

SIGINT (Ctrl+C) and SIGTERM end all connections, within seconds; a second one ends at once.
Exit status: 0 after a signal, or when the reader of standard output or of a named pipe has gone;
1 if LISTEN cannot be listened on, or the frames cannot be written; 2 for a usage error.
The event loop is uvloop's where that is installed (here: {EVENT_LOOP}).
"""


class Options(argparse.Namespace):
    """The arguments as values, once they are complete."""

    listen: ListenAddress
    #: The permissions of a Unix socket, None for those that the umask leaves.
    socket_mode: int | None
    #: The TLS towards visitors, None for plain connections.
    listen_tls: ssl.SSLContext | None
    upstream: Destination
    tap: bool
    color: str
    show_headers: bool
    show_secrets: bool
    whole: bool
    capture: str | None
    payload_limit: int
    no_extensions: bool
    #: The headers that are set, and None for those that are dropped.
    headers: CIMultiDict[str | None]
    timeout: float
    #: The `ssl` of a connector: a context, or whether to check certificates.
    tls: ssl.SSLContext | bool
    host: str | None
    trusted: list[str]
    idle: float | None
    lifetime: float | None
    strip_prefix: str


def make_parser(commands: Commands) -> argparse.ArgumentParser:
    proxy = commands.add_parser(
        "proxy",
        help="pass connections on to another server, and show the frames of WebSockets",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_addresses(proxy)
    add_views(proxy)
    add_upstream_options(proxy)
    add_visitor_options(proxy)
    return proxy


def complete(options: Options) -> None:
    """Set what follows from several arguments. Raises ArgumentTypeError if some exclude others."""
    if options.tap and options.capture == "-":
        raise argparse.ArgumentTypeError(
            "--tap and --capture - would both write to standard output"
        )
    if options.capture is not None and options.payload_limit > MAX_PAYLOAD:
        raise argparse.ArgumentTypeError(
            f"--capture keeps up to {MAX_PAYLOAD >> 20}M of a payload, make --payload-limit smaller"
        )
    options.headers = CIMultiDict([*options.header, *((name, None) for name in options.drop)])
    options.listen_tls = listen_context(options.listen_cert, options.listen_key, options.visitor_ca)
    options.tls = upstream_context(options.ca, options.secure, options.cert, options.key)


def add_addresses(proxy: argparse.ArgumentParser) -> None:
    proxy.add_argument(
        "listen",
        metavar="LISTEN",
        type=listen_address,
        help="PORT, :PORT (both on 127.0.0.1), HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 is any "
        "free one",
    )
    proxy.add_argument(
        "upstream",
        metavar="UPSTREAM",
        type=destination,
        help="a ws, wss, http or https URL, or unix:PATH or unix:PATH:/BASE; the path and query of "
        "each visitor are appended",
    )


def add_views(proxy: argparse.ArgumentParser) -> None:
    add = proxy.add_argument_group("seeing frames").add_argument
    add("--tap", action="store_true", help="print a line for each frame, opening and end")
    add(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours of --tap; auto: on a terminal, unless NO_COLOR is set (%(default)s)",
    )
    add(
        "--show-headers",
        action="store_true",
        help="have --tap show the headers of both handshakes, too",
    )
    add("--whole", action="store_true", help="have --tap show whole payloads")
    add("--capture", metavar="FILE", help="append each frame as JSON; - for standard output")
    add(
        "--show-secrets",
        action="store_true",
        help="show credentials, cookies and tokens of handshakes as they are",
    )
    add(
        "--payload-limit",
        metavar="SIZE",
        type=size,
        default="16M",
        help="how much of each payload --whole and --capture take, in bytes, or with k, M or G "
        "(%(default)s)",
    )
    add(
        "--no-extensions",
        action="store_true",
        help="offer no extension to the upstream: no payload is compressed then",
    )


def add_upstream_options(proxy: argparse.ArgumentParser) -> None:
    group = proxy.add_argument_group("the connection to the upstream")
    group.add_argument(
        "--header",
        metavar="NAME:VALUE",
        type=header,
        action="append",
        default=[],
        help="set a header of each request; may be repeated",
    )
    group.add_argument(
        "--drop-header",
        dest="drop",
        metavar="NAME",
        type=header_name,
        action="append",
        default=[],
        help="keep a header of the visitors from the upstream; may be repeated",
    )
    group.add_argument(
        "--host",
        metavar="HOST",
        type=host,
        help="the Host that the upstream gets: visitor, upstream, or a name (visitor; upstream "
        "for one with TLS)",
    )
    group.add_argument(
        "--strip-prefix",
        metavar="PREFIX",
        type=prefix,
        default="/",
        help="take this off the path of each request; other paths get a 404",
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default="30",
        help="how long the upstream may take to answer a request (%(default)s)",
    )
    add_own_certificate(group)
    add_trust(group, "upstream")


def add_visitor_options(proxy: argparse.ArgumentParser) -> None:
    group = proxy.add_argument_group("the visitors")
    add = group.add_argument
    add_certificate(group)
    add(
        "--visitor-ca",
        metavar="FILE",
        type=authorities,
        help="let in only visitors with a certificate of an authority in this PEM file",
    )
    add(
        "--socket-mode",
        metavar="MODE",
        type=mode,
        help="the permissions of the Unix socket LISTEN, like 660; by default the umask's",
    )
    add(
        "--trusted",
        metavar="ADDRESS",
        type=peer,
        action="append",
        default=[],
        help="believe what this proxy in front says of the visitors before it: an address, a "
        "network as 10.0.0.0/8, or unix; may be repeated",
    )
    add(
        "--idle",
        metavar="SECONDS",
        type=seconds,
        help="end a WebSocket on which nothing was sent for so long",
    )
    add(
        "--lifetime",
        metavar="SECONDS",
        type=seconds,
        help="end each WebSocket after so long",
    )
