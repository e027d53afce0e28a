"""The WebSocket proxy: an opening handshake passed on, then a relay.

The upstream is dialled first. Its answer becomes the visitor's: the 101 with the subprotocol and
the extensions that it chose, or its refusal with status, headers and body. With `deflate` the
compression of each leg is negotiated by itself.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import cast

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from ..client.takeover import close_connection, take_over
from ..layers.deflate import PermessageDeflate
from ..server.logs import logger, warn
from ..server.refusals import Disconnected, unanswered
from ..server.upgrade import Upgrade
from ..session.ending import end
from ..session.options import Options
from ..session.session import RawClientSession, RawServerSession, connection_of
from ..wire.handshake import HandshakeRule, Refusal, wrong_answer
from .compression import wrong_agreement
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
        offer = offer_to_upstream(request, options.extensions, plan)
        sent = handshake_headers(request, upstream.is_tls, rules, offer)
        if not is_writable(request.raw_path, sent):
            raise visitor.refusal(Refusal(400, "Path and headers must be printable UTF-8."))
        answer = await dial(visitor, upstream, sent)
        if answer.status != 101:
            return await pass_refusal(visitor, answer)
        session = upstream_session(visitor, answer, options, plan)
        try:
            await visitor.accept_as(
                ProxyResponse,
                protocol=session.protocol,
                extensions=answer_to_visitor(request, session, plan),
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


def offer_to_upstream(
    request: web.Request, choose: Callable[[str], str | None] | None, plan: Plan
) -> str | None:
    """Return the extensions to offer to the upstream, or None."""
    if plan.deflate is None:
        return offer_of(request, choose)
    return PermessageDeflate.offer() if plan.deflate == "decode" else None


def answer_to_visitor(request: web.Request, upstream: RawClientSession, plan: Plan) -> str | None:
    """Return the extensions of the visitor's 101, or None."""
    if plan.deflate is None:
        return upstream.extensions
    offer = offer_of(request, None)
    return None if offer is None else PermessageDeflate.accept(offer)


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
    visitor: Upgrade, answer: aiohttp.ClientResponse, options: Options, plan: Plan
) -> RawClientSession:
    """Make the connection of the upstream's 101 a session; raise a 502 if it cannot be one."""
    try:
        wrong = wrong_switch(visitor.request, answer, options.reject_handshake, plan)
        if not wrong:
            return take_over(answer, options)
    except aiohttp.ClientError as error:
        wrong = reason(error)
    close_connection(answer)
    warn(visitor.request, "Proxy: %s does not speak WebSocket: %s", origin(answer.url), wrong)
    raise visitor.refusal(Refusal(502, "The upstream does not speak WebSocket."))


def wrong_switch(
    request: web.Request, answer: aiohttp.ClientResponse, reject: HandshakeRule, plan: Plan
) -> str:
    """Return the reason why a 101 cannot be passed on, "" if it can."""
    sent, got = answer.request_info.headers, answer.headers
    # The upstream may have taken an offer that `extensions` or the client session has made, and
    # the visitor has not.
    offered = CIMultiDict(request.headers)
    offered["Sec-WebSocket-Key"] = sent.get("Sec-WebSocket-Key", "")
    if plan.deflate is None:
        return wrong_answer(sent, got, reject) or wrong_answer(offered, got, reject)
    # There the offer is ours.
    offered["Sec-WebSocket-Extensions"] = offer_to_upstream(request, None, plan) or ""
    return (
        wrong_answer(sent, got, reject)
        or wrong_answer(offered, got, reject)
        or wrong_agreement(sent, got)
    )


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
