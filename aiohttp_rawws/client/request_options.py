"""The options of `aiohttp.ClientSession.request` that `connect` passes on, for type checkers."""

from collections.abc import Iterable, Sequence
from ssl import SSLContext
from typing import TypedDict

import aiohttp
from aiohttp.typedefs import LooseCookies, LooseHeaders, Query, StrOrURL

__all__ = ("DialOptions", "RequestOptions")


class DialOptions(TypedDict, total=False):
    """The options of a request that change how a server is reached, for `proxy`."""

    auth: aiohttp.BasicAuth | None
    max_field_size: int | None
    max_headers: int | None
    max_line_size: int | None
    middlewares: Sequence[aiohttp.ClientMiddlewareType] | None
    params: Query
    proxy: StrOrURL | None
    proxy_auth: aiohttp.BasicAuth | None
    proxy_headers: LooseHeaders | None
    read_bufsize: int | None
    read_until_eof: bool
    server_hostname: str | None
    ssl: SSLContext | bool | aiohttp.Fingerprint
    timeout: aiohttp.ClientTimeout | None
    trace_request_ctx: object


class RequestOptions(DialOptions, total=False):
    """The options that the request of an opening handshake can have, for `connect`.

    An opening handshake is a GET without a body (RFC 6455 section 4.1), so the options of a body
    are not among them. `headers` is a parameter of `connect`. The defaults are aiohttp's.
    """

    allow_redirects: bool
    auto_decompress: bool | None
    cookies: LooseCookies | None
    max_redirects: int
    skip_auto_headers: Iterable[str] | None
