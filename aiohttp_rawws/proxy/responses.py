"""The responses of a proxy: those of the upstream, without the headers that aiohttp adds."""

import aiohttp
from aiohttp import web
from multidict import istr

from ..client.takeover import close_connection
from ..server.logs import logger, warn
from ..server.refusals import Refused
from ..server.response import UpgradeResponse
from ..session.kernel import probe, reset_on_close
from .relay import RelayStats
from .upstream import origin, reason

__all__ = ("PassedAnswer", "PassedRefusal", "ProxyResponse", "pass_body")

#: The headers that aiohttp adds to every response.
ADDED = (istr("Content-Type"), istr("Date"), istr("Server"))


class Unadorned(web.StreamResponse):
    """A response without the headers that aiohttp adds to every one."""

    async def _prepare_headers(self) -> None:
        added = [name for name in ADDED if name not in self.headers]
        await super()._prepare_headers()
        for name in added:
            self.headers.popall(name, None)


class PassedAnswer(Unadorned):
    """The answer of another server. The head leaves with the first part of the body."""

    _send_headers_immediately = False


class PassedRefusal(PassedAnswer, Refused):
    """The refusal of an upgrade by another server."""


class ProxyResponse(Unadorned, UpgradeResponse):
    """The 101 of a proxied connection."""

    #: None until the relay has ended, and if a shutdown ended it.
    relay_stats: RelayStats | None = None


async def pass_body(
    request: web.Request,
    answer: aiohttp.ClientResponse,
    response: web.StreamResponse,
    *,
    kept: bool = True,
) -> None:
    """Answer with `response`, and with the body of the upstream's answer while it arrives.

    A body that breaks off breaks off for the visitor, too. Where the upstream's connection is not
    `kept` it serves no other request.
    """
    try:
        await response.prepare(request)
        data = answer.content.read_nowait()
        if not answer.content.at_eof():
            probe_both(request, answer)
            # The head waits for no data: this sends it, though there may be none.
            await response.write(data)
            async for data in answer.content.iter_any():
                await response.write(data)
            data = b""
        await response.write_eof(data)
    except aiohttp.ClientPayloadError as error:
        where = origin(answer.url)
        warn(request, "Proxy: %s broke off its answer: %s", where, reason(error))
        cut_off(request, response)
    except ConnectionError as error:
        logger.debug("Proxy: the visitor went away during an answer: %s", error)
    except BaseException:
        # The visitor has left, or a shutdown takes the answer from it.
        cut_off(request, response)
        raise
    finally:
        close_connection(answer, kept=kept)


def probe_both(request: web.Request, answer: aiohttp.ClientResponse) -> None:
    """Have the system find out whether both ends are there: a body may take any time."""
    connection = answer.connection
    for transport in (request.transport, connection and connection.transport):
        if transport is not None and not transport.is_closing():
            probe(transport.get_extra_info("socket"))


def cut_off(request: web.Request, response: web.StreamResponse) -> None:
    """Drop the connection of an answer that is not complete."""
    transport = request.transport
    if transport is None:
        return
    if not ("Content-Length" in response.headers or "Transfer-Encoding" in response.headers):
        # A body that the end of the stream completes: it must not end with a FIN.
        reset_on_close(transport.get_extra_info("socket"))
    transport.abort()
