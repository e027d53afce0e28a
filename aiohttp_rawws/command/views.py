"""The views that the options ask for, and how much of each frame they see."""

import contextlib
import os
import sys
from collections.abc import Iterator

from aiohttp import web

from . import capture, tap
from .capture import CaptureView
from .ending import Stop
from .observer import View
from .output import output_to
from .proxy_arguments import Options
from .tap import TapView
from .text import TEXT_SHOWN

__all__ = ("tap_limit_of", "views_of")

#: The bytes of a frame that are taken to be inflated. Behind a frame that is longer nothing more
#: can be inflated where messages are not compressed each on its own.
COMPRESSED_SEEN = 2**20


def views_of(options: Options, stop: Stop) -> Iterator[contextlib.AbstractContextManager[View]]:
    if options.tap:
        yield tap_view(options, stop)
    if options.capture is not None:
        yield capture_view(options.capture, options.upstream.text, stop)


@contextlib.contextmanager
def tap_view(options: Options, stop: Stop) -> Iterator[TapView]:
    with output_to("-", stop, tap.lines_left_out) as output:
        auto = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        yield TapView(
            output,
            sys.stdout.encoding,
            colour=options.color == "always" or (options.color == "auto" and auto),
            headers=options.show_headers,
            whole=options.whole,
            inflate_limit=options.payload_limit,
        )


@contextlib.contextmanager
def capture_view(path: str, upstream: str, stop: Stop) -> Iterator[CaptureView]:
    with output_to(path, stop, capture.lines_left_out) as output:
        view = CaptureView(output)
        view.start(upstream)
        yield view


def tap_limit_of(options: Options, request: web.Request) -> int:
    """Return how many bytes of each data frame the views see."""
    if options.whole or options.capture is not None:
        return options.payload_limit
    offer = ", ".join(request.headers.getall("Sec-WebSocket-Extensions", ()))
    is_compressed = "permessage-deflate" in offer and not options.no_extensions
    return COMPRESSED_SEEN if is_compressed else TEXT_SHOWN
