"""The compression of RFC 7692, `permessage-deflate`, for one connection.

`deflate_negotiation` reads and writes the headers, `deflate_coding` the payloads. Here is what a
handler uses of both, and the rules for RSV1.
"""

from collections.abc import Sequence
from operator import index
from typing import Any

from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import not_a_frame, shown
from ..wire.close import truncate_reason
from ..wire.errors import ProtocolError
from ..wire.frames import Frame, make_frame, parts_of
from ..wire.header_lists import raw_lines
from ..wire.introspection import ConstructorSignature
from ..wire.names import CloseCode, Violation
from .deflate_coding import Compressor, Decompressor, broken
from .deflate_negotiation import (
    HEADER,
    Parameters,
    Value,
    agreement,
    answer_of,
    answer_to,
    header_value,
    offers_of,
)

__all__ = ("PermessageDeflate",)

#: The default of `max_size`, in bytes: that of a session's `max_frame_size`.
MAX_SIZE = 16 * 2**20

#: zlib's settings by default. The level is that of speed, which is aiohttp's choice, too.
LEVEL = 1
MEM_LEVEL = 8

FIN = 0x80
RSV1 = 0x40
RSV2_RSV3 = 0x30
CONTROL = 0x08
OPCODE = 0x0F


class PermessageDeflate:
    """The compression of one connection, both directions (RFC 7692 section 7).

        add_raw_websocket(router, "/ws", handler, extensions=PermessageDeflate.accept)

        async def handler(session):
            deflate = PermessageDeflate.of(session)     # None: the client offered nothing to take
            async for frame in session:
                frame = deflate.decode(frame) if deflate else frame

    Every received frame goes through `decode`, every frame to send through `encode`, in order.
    Neither waits. Both take the time that zlib needs.
    """

    __slots__ = ("_compressor", "_decompressor", "_error")

    __signature__ = ConstructorSignature()

    def __new__(cls, *args: Any, **settings: Any) -> "PermessageDeflate":
        if args or "is_client" not in settings:
            raise TypeError(
                "PermessageDeflate needs is_client=True or is_client=False; "
                "PermessageDeflate.of(session) makes the one that a session has negotiated, "
                "and a route takes extensions=PermessageDeflate.accept"
            )
        return super().__new__(cls)

    def __init__(
        self,
        *,
        is_client: bool,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = 15,
        client_max_window_bits: int = 15,
        level: int = LEVEL,
        mem_level: int = MEM_LEVEL,
        max_size: int = MAX_SIZE,
    ) -> None:
        """Take what was agreed on. `of` does that, unless an extension was negotiated by hand."""
        check_settings(level, mem_level, server_max_window_bits, client_max_window_bits)
        check_max_size(max_size)
        server = server_no_context_takeover, server_max_window_bits
        client = client_no_context_takeover, client_max_window_bits
        sends, receives = (client, server) if is_client else (server, client)
        self._compressor = Compressor(
            fresh=sends[0], level=level, window=sends[1], mem_level=mem_level
        )
        self._decompressor = Decompressor(fresh=receives[0], window=receives[1], max_size=max_size)
        self._error: ProtocolError | None = None

    @property
    def max_size(self) -> int:
        """The largest message that `decode` inflates, in bytes. It may be set at any time."""
        return self._decompressor.max_size

    @max_size.setter
    def max_size(self, size: int) -> None:
        check_max_size(size)
        self._decompressor.max_size = size

    # -- negotiation -----------------------------------------------------------------------

    @staticmethod
    def accept(
        offer: str,
        *,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = 15,
        client_max_window_bits: int = 15,
        level: int = LEVEL,
        mem_level: int = MEM_LEVEL,
    ) -> str | None:
        """Return the answer to a client's `Sec-WebSocket-Extensions`, None to take no offer.

        Pass this function as `extensions=` of a route, with `functools.partial` for other
        settings. The first offer that can be taken is. An offer is passed over for an unknown or
        repeated parameter, a bad value, and `server_max_window_bits=8`, of which zlib is not
        capable. A malformed header has no offers (RFC 7692 section 7.1). The first 100
        extensions and parameters are read.

        With `server_no_context_takeover` each of our messages is compressed on its own, with
        `client_no_context_takeover` each of the client's. `server_max_window_bits` (9 to 15)
        limits our window. `client_max_window_bits` (8 to 15) limits the client's, if its offer
        permits. What the client asks for is granted. `level` (0 to 9, or -1 for zlib's default;
        1) and `mem_level` (1 to 9; 8) are zlib's. ValueError or TypeError for other settings.
        """
        if not isinstance(offer, str):
            raise TypeError(
                f"accept takes the client's {HEADER} as a str, got {shown(offer)}; "
                "for a route: extensions=PermessageDeflate.accept"
            )
        check_settings(level, mem_level, server_max_window_bits, client_max_window_bits)
        if server_max_window_bits < 9:
            raise ValueError("zlib cannot compress with server_max_window_bits=8; 9 is the least")
        wanted = Parameters(
            bool(server_no_context_takeover),
            bool(client_no_context_takeover),
            server_max_window_bits,
            client_max_window_bits,
        )
        for offered in offers_of([offer]):
            if offered.server_max_window_bits != 8:
                return header_value(answer_to(offered, wanted), level, mem_level)
        return None

    @staticmethod
    def offer(
        *,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = 15,
        client_max_window_bits: int | None = 15,
        level: int = LEVEL,
        mem_level: int = MEM_LEVEL,
    ) -> str:
        """Return the `Sec-WebSocket-Extensions` of a client, for `connect(extensions=...)`.

        `server_no_context_takeover` and `server_max_window_bits` (8 to 15) ask the server to
        compress so, or to decline. `client_no_context_takeover` and `client_max_window_bits`
        (9 to 15) tell how we compress. The server may limit our window further, unless
        `client_max_window_bits` is None. `level` and `mem_level` are as for `accept`. ValueError
        or TypeError for other settings.
        """
        ours = 15 if client_max_window_bits is None else client_max_window_bits
        check_settings(level, mem_level, server_max_window_bits, ours)
        if ours < 9:
            raise ValueError("zlib cannot compress with client_max_window_bits=8; 9 is the least")
        offered = Parameters(
            bool(server_no_context_takeover),
            bool(client_no_context_takeover),
            server_max_window_bits if server_max_window_bits < 15 else None,
            client_max_window_bits,
        )
        return header_value(offered, level, mem_level)

    @classmethod
    def of(
        cls, session: RawWebSocketSession, *, max_size: int | None = None
    ) -> "PermessageDeflate | None":
        """Return the compression that a session has negotiated, None if it has none.

        It is the same one for all who ask: the peer has one state for each direction, too. So a
        handler may take frames first and go on by messages, or the reverse.

        `max_size` (bytes) bounds a message that `decode` inflates, all its fragments together; by
        default it stays as it is, 16 MiB at first. `level` and `mem_level` are those of `accept`
        or `offer`, if the session has the very value that was returned. On a client, an answer
        that does not fit our offer is a ProtocolError (close code 1002). On a server the answer
        is our own, and a malformed one is a ValueError.
        """
        if not hasattr(session, "extensions"):
            raise TypeError(f"PermessageDeflate.of takes a session, got {shown(session)}")
        # What only looks like a session, in a test say, has no connection to keep it.
        connection = connection_of(session) if isinstance(session, RawWebSocketSession) else None
        deflate: PermessageDeflate | None = None if connection is None else connection.codec
        if deflate is None:
            settings = settings_of(session)
            if settings is None:
                return None
            deflate = cls(is_client=session.is_client, **settings)
            if connection is not None:
                connection.codec = deflate
        if max_size is not None:
            deflate.max_size = max_size
        return deflate

    # -- frames ----------------------------------------------------------------------------

    def decode(self, frame: Frame) -> Frame:
        """Return a received frame as it was before compression.

        A frame that is not compressed stays as it is. A fragment gives what can be inflated by
        then.

        ProtocolError (`RESERVED_BITS`, 1002) for RSV2, RSV3, or RSV1 anywhere but on the first
        frame of a message; (1007) for data that is no DEFLATE stream, or a message whose stream is
        cut off. FrameTooBig (1009) as soon as a message has more than `max_size` bytes. After an
        error nothing can be decoded any more: all but control frames raise it again.
        """
        if not isinstance(frame, Frame):
            raise not_a_frame("decode", frame)
        head, payload, _, violations = parts_of(frame)
        if head & (RSV1 | RSV2_RSV3) and (head & (RSV2_RSV3 | CONTROL) or not head & OPCODE):
            # RFC 7692 section 6
            self._error = broken("RSV2, RSV3 or a misplaced RSV1 is set", Violation.RESERVED_BITS)
            raise self._error
        if head & CONTROL:
            return frame
        if self._error is not None:
            # Its traceback would grow each time it is raised.
            raise self._error.with_traceback(None)
        if self._decompressor.in_message:
            if head & OPCODE:
                # The session lets no such frame pass, unless it was told to.
                self._error = broken(
                    "a message begins within a compressed one", Violation.EXPECTED_CONTINUATION
                )
                raise self._error
        elif not head & RSV1:
            return frame
        try:
            payload = self._decompressor.decompress(payload, head & FIN)
        except ProtocolError as error:
            self._error = error
            raise
        return make_frame(head & ~RSV1, payload, None, violations)

    def encode(self, frame: Frame, *, compress: bool = True) -> Frame:
        """Return a frame as it is to be sent, compressed.

        A frame stays as it is if it is a control frame, or its message is not compressed:
        `compress` on the first frame of a message decides for all its fragments. Each fragment
        can be inflated when it arrives. A masking key is kept.

        ValueError for a frame with RSV1, and for the first frame of a message while a compressed
        one has not ended.
        """
        if not isinstance(frame, Frame):
            raise not_a_frame("encode", frame)
        head, payload, mask, _ = parts_of(frame)
        if head & CONTROL:
            return frame
        if head & RSV1:
            raise ValueError("the frame has RSV1 set: it is compressed already")
        compressor = self._compressor
        if head & OPCODE:
            if compressor.in_message:
                raise ValueError("the compressed message before has not ended: its FIN is missing")
            if not (compress and compressor.works):
                return frame
            head |= RSV1
        elif not compressor.in_message:
            return frame
        return make_frame(head, compressor.compress(payload, head & FIN), mask, 0)


def settings_of(session: RawWebSocketSession) -> dict[str, Any] | None:
    """Return what a session has negotiated, None for no compression. See `PermessageDeflate.of`."""
    sent: Sequence[str] = ()
    if session.is_client:
        # The headers that were sent: a middleware may have written them.
        response: Any = session.response
        sent = raw_lines(response.request_info.headers, HEADER)
    try:
        agreed = answer_of(session.extensions)
        if agreed is not None and session.is_client:
            agreed = agreement(agreed, offers_of(sent))
    except ValueError as error:
        message = f"{HEADER} of the 101: {error} (RFC 7692 7.1)"
        if session.is_client:
            reason = truncate_reason(message)
            raise ProtocolError(Violation.NONE, CloseCode.PROTOCOL_ERROR, reason) from None
        raise ValueError(message) from None
    if agreed is None:
        return None
    values = [text for text in (session.extensions, *sent) if isinstance(text, Value)]
    return {
        "server_no_context_takeover": agreed.server_no_context_takeover,
        "client_no_context_takeover": agreed.client_no_context_takeover,
        "server_max_window_bits": agreed.server_max_window_bits or 15,
        "client_max_window_bits": agreed.client_max_window_bits or 15,
        "level": values[0].level if values else LEVEL,
        "mem_level": values[0].mem_level if values else MEM_LEVEL,
    }


def check_settings(level: int, mem_level: int, *window_bits: int) -> None:
    if not -1 <= number("level", level) <= 9:
        raise ValueError(f"level must be 0 to 9, or -1 for zlib's default, got {level}")
    if not 1 <= number("mem_level", mem_level) <= 9:
        raise ValueError(f"mem_level must be 1 to 9, got {mem_level}")
    for bits in window_bits:
        if not 8 <= number("max_window_bits", bits) <= 15:
            raise ValueError(f"max_window_bits must be 8 to 15, got {bits}")


def check_max_size(size: int) -> None:
    if number("max_size", size) < 1:
        raise ValueError(f"max_size must be at least 1 byte, got {size}")


def number(name: str, value: int) -> int:
    """Return a setting as an int; TypeError for anything else."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {shown(value)}") from None
