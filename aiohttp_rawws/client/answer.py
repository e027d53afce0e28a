"""The server's answer to an opening handshake of `connect`: a valid 101, or `HandshakeRefused`."""

import asyncio
import contextlib
from collections.abc import Iterable

import aiohttp

from ..wire.errors import RawWebSocketError
from ..wire.handshake import HandshakeRule, wrong_answer

__all__ = ("REDIRECTS", "HandshakeRefused", "check_answer", "refused")

#: The statuses of answers that aiohttp takes for redirects.
REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: How much of a refusal's body is read, in bytes.
BODY_LIMIT = 64 * 1024

#: How long a refusal's body is waited for, in seconds.
BODY_TIMEOUT = 5.0


class HandshakeRefused(RawWebSocketError, aiohttp.WSServerHandshakeError):
    """The server's answer to the opening handshake is no 101, or not a valid one.

    `status` and `headers` are those of the answer, `message` tells what was wrong (RFC 6455
    section 4.1). `request_info` is the request that was answered so, `history` are the redirects
    that led to it. `body` is the answer's body, as far as 64 KiB of it came within 5 seconds; a
    101 has none.

    A redirect that cannot be followed is such an answer too, without a body; `__cause__` is
    aiohttp's error.
    """

    body: bytes = b""


def refused(
    response: aiohttp.ClientResponse,
    history: Iterable[aiohttp.ClientResponse],
    message: str,
    body: bytes = b"",
) -> HandshakeRefused:
    """Make the error that tells of an answer, and of the redirects that led to it."""
    error = HandshakeRefused(
        response.request_info,
        tuple(history),
        status=response.status,
        message=message,
        headers=response.headers,
    )
    error.body = body
    return error


async def check_answer(response: aiohttp.ClientResponse, reject: HandshakeRule) -> None:
    """Raise HandshakeRefused for anything but a valid 101, by the rules of `reject`."""
    # aiohttp counts a redirect without a Location among those that led to it.
    history = [each for each in response.history if each is not response]
    if response.status != 101:
        message = f"the server did not switch protocols: {response.reason}"
        if response.status in REDIRECTS and not response.headers.get("Location"):
            message += ", a redirect without a Location"
        raise refused(response, history, message, await body_of(response))
    # A middleware may have changed what was asked for.
    wrong = wrong_answer(response.request_info.headers, response.headers, reject)
    if wrong:
        raise refused(response, history, wrong)


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """The body of a refusal, as far as it comes in time; it may be endless, or never come."""
    timer = asyncio.get_running_loop().call_later(BODY_TIMEOUT, response.close)
    body = bytearray()
    try:
        # The status says more than what broke the body off.
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            while data := await response.content.read(BODY_LIMIT - len(body)):
                body += data
    finally:
        timer.cancel()
    return bytes(body)
