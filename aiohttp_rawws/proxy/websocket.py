"""The WebSocket proxy: an opening handshake passed on, then a relay.

The upstream is dialled first. Its answer becomes the visitor's: the 101 with the subprotocol and
the extensions that it chose, or its refusal with status, headers and body.
"""

import asyncio
import functools
from typing import cast

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from ..client.takeover import close_connection, take_over
from ..server.logs import logger, warn
from ..server.refusals import Disconnected, unanswered
from ..server.upgrade import Upgrade
from ..session.ending import end
from ..session.options import Options
from ..session.session import RawClientSession, RawServerSession, connection_of
from ..wire.handshake import HandshakeRule, Refusal, wrong_answer
from .headers import (
    HeaderRules,
    answer_headers,
    handshake_headers,
    is_writable,
    offer_of,
    without_handshake,
)
from .plan import Plan
from .relay import join
from .responses import PassedRefusal, ProxyResponse, pass_body
from .upstream import NoAnswer, Upstream, origin, reason
from .watch import Watch

__all__ = ("upgrade",)


async def upgrade(
    request: web.Request,
    upstream: Upstream,
    rules: HeaderRules,
    options: Options,
    plan: Plan,
) -> web.StreamResponse:
    """Answer an upgrade request as the upstream does, and relay.

    Raise the HTTPException of a refusal.
    """
    visitor = Upgrade(request, options)
    with visitor:
        visitor.hold()
        offer = offer_of(request, options.extensions)
        sent = handshake_headers(request, upstream.is_tls, rules, offer)
        if not is_writable(request.raw_path, sent):
            raise visitor.refusal(Refusal(400, "Path and headers must be printable UTF-8."))
        answer = await dial(visitor, upstream, sent)
        if answer.status != 101:
            return await pass_refusal(visitor, answer)
        session = upstream_session(visitor, answer, options)
        try:
            await visitor.accept_as(
                ProxyResponse,
                protocol=session.protocol,
                extensions=session.extensions,
                headers=without_handshake(answer.headers),
            )
        except Disconnected:
            session.abort()
            return unanswered()
        except BaseException:
            session.abort()
            raise
    handler = functools.partial(join_and_end, upstream=session, plan=plan)
    return await visitor.run(handler)


async def dial(
    visitor: Upgrade, upstream: Upstream, headers: "CIMultiDict[str]"
) -> aiohttp.ClientResponse:
    """Return the upstream's answer; raise a 502, 503 or 504 if there is none."""
    request = visitor.request
    try:
        with Watch(request, upstream.limit):
            return await upstream.dial(headers)
    except NoAnswer as error:
        refusal = error.refuse(request)
    except asyncio.TimeoutError:
        refusal = upstream.too_slow().refuse(request)
    except asyncio.CancelledError:
        if not visitor.stopped:
            raise
        refusal = Refusal(503, "The server is shutting down.")
    raise visitor.refusal(refusal)


def upstream_session(
    visitor: Upgrade, answer: aiohttp.ClientResponse, options: Options
) -> RawClientSession:
    """Make the connection of the upstream's 101 a session; raise a 502 if it cannot be one."""
    try:
        wrong = wrong_switch(visitor.request, answer, options.reject_handshake)
        if not wrong:
            return take_over(answer, options)
    except aiohttp.ClientError as error:
        wrong = reason(error)
    close_connection(answer)
    warn(visitor.request, "Proxy: %s does not speak WebSocket: %s", origin(answer.url), wrong)
    raise visitor.refusal(Refusal(502, "The upstream does not speak WebSocket."))


def wrong_switch(
    request: web.Request, answer: aiohttp.ClientResponse, reject: HandshakeRule
) -> str:
    """Return the reason why a 101 cannot be passed on, "" if it can."""
    sent, got = answer.request_info.headers, answer.headers
    # The upstream may have taken an offer that `extensions` or the client session has made, and
    # the visitor has not.
    offered = CIMultiDict(request.headers)
    offered["Sec-WebSocket-Key"] = sent.get("Sec-WebSocket-Key", "")
    return wrong_answer(sent, got, reject) or wrong_answer(offered, got, reject)


async def pass_refusal(visitor: Upgrade, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Answer as the upstream did; cut the answer off if the upstream's body breaks off."""
    response = PassedRefusal(
        status=answer.status, reason=answer.reason, headers=answer_headers(answer)
    )
    visitor.refuse_with(response)
    with Watch(visitor.request, None):
        # The pool gives it to no other handshake.
        await pass_body(visitor.request, answer, response, kept=False)
    return response


async def join_and_end(
    visitor: RawServerSession,
    upstream: RawClientSession,
    *,
    plan: Plan,
) -> None:
    """Relay until both peers have ended, or a cancellation; then end both sessions at once."""
    sides = ("client", "upstream")
    try:
        stats = await join(visitor, upstream, plan, names=sides, directions=sides)
        logger.debug("Proxied to %s: %s", origin(upstream.response.url), stats)
        cast(ProxyResponse, visitor.response).relay_stats = stats
    except asyncio.CancelledError:
        await end_both(visitor, upstream)
        raise
    except BaseException:
        upstream.abort()
        raise
    await end_both(visitor, upstream)


async def end_both(visitor: RawServerSession, upstream: RawClientSession) -> None:
    """End both connections at the same time, each as a handler's return does."""
    await asyncio.gather(end(connection_of(visitor)), end(connection_of(upstream)))
