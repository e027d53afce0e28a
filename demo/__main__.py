"""`python -m demo`: the frame inspector on http://127.0.0.1:8080/."""

import argparse
import socket
import sys

from aiohttp import web

from .inspector import make_app


def main() -> None:
    options = parse()
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        sys.exit(
            f"cannot listen on {options.host} port {options.port}: {error.strerror}\n"
            "Choose another with --port (0 takes any that is free) or --host."
        )
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"Frame inspector on http://{shown}:{port}/ (Ctrl+C stops it)", flush=True)
    web.run_app(make_app(), sock=listener, print=None)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Shows each WebSocket frame as the server sees it."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=port_number, default=8080, help="port to listen on, 0 for any (%(default)s)"
    )
    return parser.parse_args()


def port_number(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, got {text!r}")
    return int(text)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


if __name__ == "__main__":
    main()
