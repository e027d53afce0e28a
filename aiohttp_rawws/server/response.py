"""The 101 that a server answers an upgrade with."""

from typing import cast

from aiohttp import web
from multidict import CIMultiDict

from ..session.session import RawServerSession

__all__ = ("UpgradeResponse", "upgrade_response")


class UpgradeResponse(web.StreamResponse):
    """The 101. Nothing can be written to it: the bytes that follow are the session's.

    Middlewares find the exception that a raw handler raised in `handler_exception`. It is None
    if the handler returned or was cancelled, or if only the connection ended. It is None again
    once the response is written.
    """

    handler_exception: BaseException | None = None

    def __init__(self, headers: CIMultiDict[str]) -> None:
        super().__init__(status=101, headers=headers)
        self.force_close()

    def note_sent(self, size: int) -> None:
        """Set the number of bytes that the access log prints."""
        self._body_length = size

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing: aiohttp ends every response."""
        self._eof_sent = True
        self._req = None
        # Its traceback refers to the session, which refers to this response.
        self.handler_exception = None


def upgrade_response(session: RawServerSession) -> UpgradeResponse:
    """Return the 101 of a session. It is always one of this kind."""
    return cast(UpgradeResponse, session.response)
