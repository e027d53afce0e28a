"""The server's answer to an opening handshake of `connect`: a valid 101, or `HandshakeRefused`."""

import asyncio
import contextlib
from collections.abc import Iterable

import aiohttp
from multidict import MultiMapping

from ..wire.errors import RawWebSocketError
from ..wire.handshake import HandshakeRule, wrong_answer

__all__ = ("REDIRECTS", "HandshakeRefused", "check_answer", "refused")

#: The statuses that aiohttp takes for redirects.
REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: The part of a refusal's body that is read, in bytes.
BODY_LIMIT = 64 * 1024

#: The time that a refusal's body may take, in seconds.
BODY_TIMEOUT = 5.0


class HandshakeRefused(RawWebSocketError, aiohttp.WSServerHandshakeError):
    """The server answered the opening handshake with no 101, or no valid one.

    `status` and `headers` are those of the answer. `message` tells what was wrong (RFC 6455
    section 4.1). `request_info` is the request, `history` the redirects that led to it.

    A redirect that cannot be followed is such an answer, too. It has no body, and `__cause__` is
    aiohttp's error.
    """

    def __init__(
        self,
        request_info: aiohttp.RequestInfo,
        history: tuple[aiohttp.ClientResponse, ...],
        *,
        status: int = 0,
        message: str = "",
        headers: MultiMapping[str] | None = None,
        body: bytes = b"",
    ) -> None:
        aiohttp.WSServerHandshakeError.__init__(
            self, request_info, history, status=status, message=message, headers=headers
        )
        self._body = body

    @property
    def body(self) -> bytes:
        """The body of the answer: as much of its first 64 KiB as came within 5 seconds."""
        return self._body


def refused(
    response: aiohttp.ClientResponse,
    history: Iterable[aiohttp.ClientResponse],
    message: str,
    body: bytes = b"",
) -> HandshakeRefused:
    """Return the error for an answer, and for the redirects that led to it."""
    return HandshakeRefused(
        response.request_info,
        tuple(history),
        status=response.status,
        message=message,
        headers=response.headers,
        body=body,
    )


async def check_answer(response: aiohttp.ClientResponse, reject: HandshakeRule) -> None:
    """Raise HandshakeRefused for anything but a valid 101. `reject` names the rules to keep."""
    # For aiohttp, a redirect without a Location has led to itself.
    history = [each for each in response.history if each is not response]
    if response.status != 101:
        message = f"the server did not switch protocols: {response.reason}"
        if response.status in REDIRECTS and not response.headers.get("Location"):
            message += ", a redirect without a Location"
        raise refused(response, history, message, await body_of(response))
    # The headers of the request are those that were sent: a middleware may have changed them.
    wrong = wrong_answer(response.request_info.headers, response.headers, reject)
    if wrong:
        raise refused(response, history, wrong)


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a refusal, as far as it comes in time. It may never come, or never end."""
    timer = asyncio.get_running_loop().call_later(BODY_TIMEOUT, response.close)
    body = bytearray()
    try:
        # An error in the body is left out: the status says more.
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            while data := await response.content.read(BODY_LIMIT - len(body)):
                body += data
    finally:
        timer.cancel()
    return bytes(body)
