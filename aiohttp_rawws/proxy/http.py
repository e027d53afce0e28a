"""The HTTP proxy: any request but an upgrade, forwarded with its body, and answered with another's.

aiohttp's server answers `Expect: 100-continue` itself, before the handler runs. Its client drops
informational answers (1xx) and trailers. Both are lost on the way.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from ..server.refusals import Disconnected, http_error
from ..server.upgrade import Upgrade
from ..session.kernel import probe
from ..wire.handshake import UPGRADE_LISTS, Refusal, has_body
from ..wire.header_lists import wrong_length
from .headers import HeaderRules, answer_headers, forwarded_headers, is_writable
from .responses import PassedAnswer, pass_body
from .upstream import NoAnswer, Upstream
from .watch import Watch

__all__ = ("forward",)


async def forward(
    request: web.Request, upstream: Upstream, rules: HeaderRules
) -> web.StreamResponse:
    """Answer a request by what the upstream answers. Raise the HTTPException of a refusal."""
    if wrong := wrong_length(request.headers, UPGRADE_LISTS):
        # Nobody can tell if it is an upgrade: frames may stand behind it.
        raise Upgrade(request).refusal(Refusal(400, wrong))
    sent = forwarded_headers(request, upstream.is_tls, rules)
    if not is_writable(request.raw_path, sent):
        raise http_error(request, Refusal(400, "Path and headers must be printable UTF-8."))
    if has_lost_body(request):
        raise http_error(request, Refusal(400, "A request to upgrade must not have a body."))
    try:
        with Watch(request, upstream.limit) as watch:
            body = body_of(request, watch) if request.body_exists else None
            answer = await upstream.forward(request.method, sent, body)
            watch.lift_limit()
            return await pass_on(request, answer)
    except NoAnswer as error:
        refusal = error.refuse(request)
    except asyncio.TimeoutError:
        refusal = upstream.too_slow().refuse(request)
    raise http_error(request, refusal)


def has_lost_body(request: web.Request) -> bool:
    """Return True for a body that aiohttp takes for what follows an upgrade, as 3.13.0 does."""
    headers = request.headers
    return "Upgrade" in headers and has_body(headers) and request.content.at_eof()


async def body_of(request: web.Request, watch: Watch) -> AsyncIterator[bytes]:
    """Yield the body of a request while it arrives. The upstream's time counts from its end."""
    watch.pause_limit()
    try:
        # aiohttp's client sends the head with the first data, be it empty.
        yield request.content.read_nowait()
        if request.transport is not None:
            # An upload may take any time.
            probe(request.transport.get_extra_info("socket"))
        async for data in request.content.iter_any():
            yield data
    except (OSError, aiohttp.http.HttpProcessingError, web.RequestPayloadError):
        if request.transport is None:
            watch.end(Disconnected("the client went away within its request"))
        else:
            watch.end(http_error(request, Refusal(400, "The body of the request cannot be read.")))
            # aiohttp would read on, and log what it gets as an error of the handler.
            request.content.feed_eof()
        raise
    watch.begin_limit()


async def pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Answer as the upstream did."""
    response = PassedAnswer(
        status=answer.status, reason=answer.reason, headers=answer_headers(answer)
    )
    if "Connection" in response.headers:
        response.force_close()
    await pass_body(request, answer, response)
    return response
