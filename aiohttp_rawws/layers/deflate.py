"""The compression of RFC 7692, `permessage-deflate`: its negotiation, and frames in and out.

What may stand in a `Sec-WebSocket-Extensions` header is decided by functions over its text. The
streams are zlib's, or those of the package `zlib-ng` where it is installed, which is faster.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from ..wire.arguments import not_a_frame, shown
from ..wire.close import truncate_reason
from ..wire.errors import FrameTooBig, ProtocolError
from ..wire.frames import Frame, make_frame
from ..wire.handshake import raw_lines
from ..wire.names import CloseCode, Violation

try:
    from zlib_ng import zlib_ng as backend
except ImportError:
    import zlib as backend  # type: ignore[no-redef]

if TYPE_CHECKING:
    from ..session.session import RawWebSocketSession

__all__ = ("PermessageDeflate",)

#: The standard library's `zlib`, or what stands in for it.
zlib: Any = backend

HEADER = "Sec-WebSocket-Extensions"
NAME = "permessage-deflate"

#: The default of `max_size`: that of a session's `max_frame_size`.
MAX_SIZE = 16 * 2**20

#: zlib's levels by default: that of speed is aiohttp's choice too.
LEVEL = 1
MEM_LEVEL = 8

#: Compressors at a full flush, which are as good as new, by their settings. Where no context is
#: taken over a connection borrows one for a message, and holds none between two.
IDLE: dict[tuple[int, int, int], list[Any]] = {}
MAX_IDLE = 8

#: How often one frame may end a DEFLATE stream and begin another. Each costs far more than the
#: two bytes it takes on the wire; encoders end one per message, if any.
MAX_STREAMS = 16

FIN = 0x80
RSV1 = 0x40
RSV2_RSV3 = 0x30
CONTROL = 0x08
OPCODE = 0x0F

# The end of every flush, which does not travel behind a message's last block (RFC 7692 7.2.1).
TAIL = b"\x00\x00\xff\xff"

# Empty blocks, more than the longest header of a block has bits (RFC 1951 3.2.7: 14 + 19 * 3 +
# 316 * 7). Between two blocks they are nothing. Anywhere else they are an error, or give
# something, or end the stream; for them not to, a stream must be made for it.
NOTHING = (b"\x00" + TAIL) * 58

#: How many extensions and parameters of a header are read, and the longest quoted value: far more
#: than honest peers send, and little work.
MAX_ELEMENTS = 100
MAX_QUOTED = 256
#: How much of a header an error quotes, in characters.
SHOWN = 20

# RFC 6455 section 9.1: an extension, first or behind ",", or a parameter behind ";". Nothing that
# is tried in vain is tried again from another place: the time is linear.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = rf'"((?:[^"\\]|\\.){{0,{MAX_QUOTED}}})"'
ELEMENT = re.compile(rf"([,;]|^)[ \t]*(?:({TOKEN})(?:[ \t]*=[ \t]*(?:({TOKEN})|{QUOTED}))?)?[ \t]*")

# RFC 7692 section 7.1.2: decimal, without leading zeroes.
WINDOW_BITS = {str(bits): bits for bits in range(8, 16)}


class Parameters(NamedTuple):
    """The parameters of an offer or an answer (RFC 7692 section 7.1); None: not there.

    An offer's `client_max_window_bits` without a value limits nothing: 15.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None


class Value(str):
    """A header's value that also carries, to `of`, the settings that do not travel."""

    __slots__ = ("level", "mem_level")

    level: int
    mem_level: int


class PermessageDeflate:
    """The compression of one connection, both directions (RFC 7692 section 7).

        add_raw_websocket(router, "/ws", handler, extensions=PermessageDeflate.accept)

        async def handler(session):
            deflate = PermessageDeflate.of(session)     # None: the client offered nothing to take
            async for frame in session:
                frame = deflate.decode(frame) if deflate else frame

    `decode` every frame that was received and `encode` every frame that is to be sent, in order;
    neither waits, and both take the time that zlib needs. Attribute: `max_size`, settable.
    """

    __slots__ = (
        "_compresses",
        "_deflater",
        "_deflating",
        "_error",
        "_inflated",
        "_inflater",
        "_inflating",
        "_receives_fresh",
        "_receives_window",
        "_sends_fresh",
        "_sends_window",
        "_settings",
        "max_size",
    )

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
        """What was agreed; `of` is the way to it, unless an extension was negotiated by hand."""
        check_settings(level, mem_level, server_max_window_bits, client_max_window_bits)
        server = server_no_context_takeover, server_max_window_bits
        client = client_no_context_takeover, client_max_window_bits
        sends, receives = (client, server) if is_client else (server, client)
        self._sends_fresh, self._sends_window = sends
        self._receives_fresh, self._receives_window = receives
        # zlib cannot: where it must not look further back than 256 bytes, nothing is compressed.
        self._compresses = self._sends_window > 8
        self._settings = level, self._sends_window, mem_level
        if number("max_size", max_size) < 1:
            raise ValueError(f"max_size must be at least 1 byte, got {max_size}")
        self.max_size = max_size
        self._deflater: Any = None
        self._deflating = False
        self._inflater: Any = None
        self._inflating = False
        self._inflated = 0
        self._error: ProtocolError | None = None

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
        """Answer a client's `Sec-WebSocket-Extensions`; None if it offers nothing to take.

        It fits `extensions=` of a route; `functools.partial` gives it settings. The first offer
        that can be taken is: one with an unknown parameter, one that stands twice, a bad value,
        or `server_max_window_bits=8` (of which zlib is not capable) is passed over, and a header
        that is malformed holds none (RFC 7692 section 7.1). The first 100 extensions and
        parameters are read.

        `server_no_context_takeover` has each of our messages compressed on its own,
        `client_no_context_takeover` each of the client's. `server_max_window_bits` (9 to 15)
        limits our window; `client_max_window_bits` (8 to 15) the client's, if its offer lets us.
        What the client asks for is given. `level` (0 to 9, or -1 for zlib's default; 1) and
        `mem_level` (1 to 9; 8) are zlib's. ValueError or TypeError for other settings.
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
        """The `Sec-WebSocket-Extensions` of a client, for `connect(extensions=...)`.

        `server_no_context_takeover` and `server_max_window_bits` (8 to 15) ask the server to
        compress so, or to decline; `client_no_context_takeover` and `client_max_window_bits`
        (9 to 15) tell how we shall, and let the server limit it further; with
        `client_max_window_bits=None` it may not. `level` and `mem_level` are as for `accept`.
        ValueError or TypeError for other settings.
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
        cls, session: "RawWebSocketSession", *, max_size: int = MAX_SIZE
    ) -> "PermessageDeflate | None":
        """The compression that a session has negotiated, None if it has none.

        `max_size` (bytes) bounds a message that `decode` inflates, all its fragments together.
        `level` and `mem_level` are those that `accept` or `offer` was given, where the session
        got the very value they returned. On a client, an answer that is not one to our offer is
        a ProtocolError (close code 1002) that says what is wrong with it; on a server, where
        the answer is our own, a ValueError.
        """
        if not hasattr(session, "extensions"):
            raise TypeError(f"PermessageDeflate.of takes a session, got {shown(session)}")
        sent: Sequence[str] = ()
        if session.is_client:
            # What was sent, whoever wrote it: a middleware may have.
            sent = raw_lines(session.response.request_info.headers, HEADER)
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
        settings = [text for text in (session.extensions, *sent) if isinstance(text, Value)]
        return cls(
            is_client=session.is_client,
            server_no_context_takeover=agreed.server_no_context_takeover,
            client_no_context_takeover=agreed.client_no_context_takeover,
            server_max_window_bits=agreed.server_max_window_bits or 15,
            client_max_window_bits=agreed.client_max_window_bits or 15,
            level=settings[0].level if settings else LEVEL,
            mem_level=settings[0].mem_level if settings else MEM_LEVEL,
            max_size=max_size,
        )

    # -- frames ----------------------------------------------------------------------------

    def decode(self, frame: Frame) -> Frame:
        """The frame as it was before compression; itself if it is not compressed.

        A fragment gives what can be inflated by then. Raises ProtocolError (`RESERVED_BITS`,
        1002) for RSV2, RSV3, or RSV1 anywhere but on the first frame of a message; (1007) for
        what is no DEFLATE stream, or not a whole one at the end of a message; FrameTooBig (1009)
        as soon as a message has more than `max_size` bytes. After an error there is nothing
        more to decode: it is raised again for all but control frames.
        """
        if not isinstance(frame, Frame):
            raise not_a_frame("decode", frame)
        # Everything in one go: attribute by attribute would cost more than half as much again.
        _, (head, payload, _, violations) = frame.__reduce__()
        if head & (RSV1 | RSV2_RSV3) and (head & (RSV2_RSV3 | CONTROL) or not head & OPCODE):
            # RFC 7692 section 6
            raise self._broken("RSV2, RSV3 or a misplaced RSV1 is set", Violation.RESERVED_BITS)
        if head & CONTROL:
            return frame
        if self._error is not None:
            # Each time it is raised its traceback would grow.
            raise self._error.with_traceback(None)
        if self._inflating:
            if head & OPCODE:
                # The session lets no such frame pass, unless it was told to.
                raise self._broken(
                    "a message begins within a compressed one", Violation.EXPECTED_CONTINUATION
                )
        elif not head & RSV1:
            return frame
        payload = self._inflate(payload, head & FIN)
        return make_frame(head & ~RSV1, payload, None, violations)

    def encode(self, frame: Frame, *, compress: bool = True) -> Frame:
        """The frame as it is to be sent; itself if it is not compressed.

        `compress` on the first frame of a message decides for all its fragments. Each fragment
        can be inflated when it arrives. A masking key is kept. ValueError for a frame with RSV1,
        and for the first frame of a message while a compressed one has not ended.
        """
        if not isinstance(frame, Frame):
            raise not_a_frame("encode", frame)
        _, (head, payload, mask, _) = frame.__reduce__()
        if head & CONTROL:
            return frame
        if head & RSV1:
            raise ValueError("the frame has RSV1 set: it is compressed already")
        if head & OPCODE:
            if self._deflating:
                raise ValueError("the compressed message before has not ended: its FIN is missing")
            if not (compress and self._compresses):
                return frame
            head |= RSV1
        elif not self._deflating:
            return frame
        deflater = self._deflater
        if deflater is None:
            deflater = self._deflater = self._new_deflater()
        fin = head & FIN
        flush = zlib.Z_FULL_FLUSH if fin and self._sends_fresh else zlib.Z_SYNC_FLUSH
        payload = deflater.compress(payload) + deflater.flush(flush)
        self._deflating = not fin
        if fin:
            payload = payload[:-4]
            if self._sends_fresh:
                self._deflater = None
                idle = IDLE.setdefault(self._settings, [])
                if len(idle) < MAX_IDLE:
                    idle.append(deflater)
        return make_frame(head, payload, mask, 0)

    def _new_deflater(self) -> Any:
        if idle := IDLE.get(self._settings):
            return idle.pop()
        level, window, mem_level = self._settings
        return zlib.compressobj(level, zlib.DEFLATED, -window, mem_level)

    def _inflate(self, data: bytes, fin: int) -> bytes:
        """Inflate the payload of a frame, which ends its message if `fin`."""
        inflater = self._inflater
        if inflater is None:
            inflater = zlib.decompressobj(-self._receives_window)
        # Never 0, which is no limit to zlib; below it, all the input was taken.
        room = self.max_size - self._inflated + 1
        try:
            out: bytes = inflater.decompress(data + TAIL if fin else data, room)
            if inflater.eof:
                inflater, out = self._go_on(inflater, out, room, fin)
            if len(out) >= room:
                raise self._too_big()
            if fin and (inflater.decompress(NOTHING, 1) or inflater.eof):
                raise self._broken("a compressed message is cut off")
        except zlib.error as error:
            raise self._broken(f"a message is no DEFLATE stream: {error}") from error
        self._inflating = not fin
        self._inflated = 0 if fin else self._inflated + len(out)
        self._inflater = None if fin and self._receives_fresh else inflater
        return out

    def _go_on(self, inflater: Any, out: bytes, room: int, fin: int) -> tuple[Any, bytes]:
        """Go on behind a block with BFINAL, as a message may (RFC 7692 section 7.2.1).

        It ends a DEFLATE data set; in the next one nothing refers back to it (RFC 1951).
        """
        for _ in range(MAX_STREAMS):
            data = inflater.unused_data
            if not (data or fin):
                # What comes next will be found behind the end, as if it had been here.
                return inflater, out
            inflater = zlib.decompressobj(-self._receives_window)
            if len(out) >= room:
                return inflater, out
            # Some peers leave out the empty block behind their final one (section 7.2.3.4).
            if not (fin and data == TAIL):
                out += inflater.decompress(data, room - len(out))
            if not inflater.eof:
                return inflater, out
        raise self._broken(f"a frame has more than {MAX_STREAMS} final DEFLATE blocks")

    def _broken(self, message: str, violation: Violation = Violation.NONE) -> ProtocolError:
        """What the peer did wrong, to be raised now and from now on."""
        code = CloseCode.PROTOCOL_ERROR if violation else CloseCode.INVALID_PAYLOAD
        # zlib tells what is wrong in words of its own.
        reason = truncate_reason(f"{message} (RFC 7692)")
        self._error = ProtocolError(violation, code, reason)
        return self._error

    def _too_big(self) -> ProtocolError:
        message = f"a message inflates to more than max_size ({self.max_size} bytes)"
        self._error = FrameTooBig(self.max_size + 1, self.max_size, message)
        return self._error


def check_settings(level: int, mem_level: int, *window_bits: int) -> None:
    if not -1 <= number("level", level) <= 9:
        raise ValueError(f"level must be 0 to 9, or -1 for zlib's default, got {level}")
    if not 1 <= number("mem_level", mem_level) <= 9:
        raise ValueError(f"mem_level must be 1 to 9, got {mem_level}")
    for bits in window_bits:
        if not 8 <= number("max_window_bits", bits) <= 15:
            raise ValueError(f"max_window_bits must be 8 to 15, got {bits}")


def number(name: str, value: int) -> int:
    """TypeError for a setting that is no int."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {shown(value)}") from None


def extensions(header: str) -> list[tuple[str | None, list[tuple[str, str | None]]]]:
    """The extensions of a header, each with its parameters; ValueError if it is malformed.

    An empty element has the name None: it is allowed, and means nothing (RFC 9110 5.6.1). What
    stands behind the first MAX_ELEMENTS elements is not read.
    """
    result: list[tuple[str | None, list[tuple[str, str | None]]]] = []
    position = 0
    for _ in range(MAX_ELEMENTS):
        if position == len(header):
            break
        start = position
        found = ELEMENT.match(header, start)
        separator, name, value, quoted = found.groups() if found else (None,) * 4
        position = found.end() if found else start
        if quoted is not None:
            value = re.sub(r"\\(.)", r"\1", quoted)
        if position > start and separator != ";" and value is None:
            result.append((name, []))
        elif separator == ";" and name is not None and result and result[-1][0] is not None:
            result[-1][1].append((name, value))
        else:
            raise ValueError(
                f"it is malformed from {excerpt(header[start : start + 2 * SHOWN])} on"
            )
    return result


def excerpt(text: str) -> str:
    """What the peer wrote, as a message shows it."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def parameters_of(pairs: list[tuple[str, str | None]], *, is_offer: bool) -> Parameters:
    """The parameters of one permessage-deflate; ValueError for a wrong one (section 7.1)."""
    known: dict[str, Any] = {}
    for name, text in pairs:
        if name not in Parameters._fields:
            raise ValueError(f"the parameter {name[:SHOWN]} is unknown")
        if name in known:
            raise ValueError(f"{name} stands there twice")
        if name.endswith("takeover"):
            if text is not None:
                raise ValueError(f"{name} has a value, {excerpt(text)}")
            known[name] = True
        elif text is None and is_offer and name.startswith("client"):
            known[name] = 15
        elif text in WINDOW_BITS:
            known[name] = WINDOW_BITS[text]
        else:
            given = "no value" if text is None else excerpt(text)
            raise ValueError(f"{name} must be 8 to 15, got {given}")
    return Parameters(**known)


def offers_of(headers: Iterable[str]) -> Iterator[Parameters]:
    """The offers of permessage-deflate with nothing wrong in them, in the client's order."""
    try:
        offers = extensions(", ".join(headers))
    except ValueError:
        return
    for name, pairs in offers:
        if name == NAME:
            try:
                offered = parameters_of(pairs, is_offer=True)
            except ValueError:
                continue
            yield offered


def answer_to(offered: Parameters, wanted: Parameters) -> Parameters:
    """What a server that wants `wanted` agrees on with a client that has offered `offered`."""
    server_bits = min(offered.server_max_window_bits or 15, wanted.server_max_window_bits or 15)
    client_bits = min(offered.client_max_window_bits or 15, wanted.client_max_window_bits or 15)
    return Parameters(
        # What the client asks of the server must be in the answer (sections 7.1.1.1, 7.1.2.1);
        # its hints may be: they save memory.
        offered.server_no_context_takeover or wanted.server_no_context_takeover,
        offered.client_no_context_takeover or wanted.client_no_context_takeover,
        server_bits if server_bits < 15 or offered.server_max_window_bits else None,
        # Section 7.1.2.2: must not be in the answer unless it was offered.
        client_bits if client_bits < 15 and offered.client_max_window_bits else None,
    )


def answer_of(header: str | None) -> Parameters | None:
    """What a server has agreed on; ValueError for what it must not say."""
    found = [pairs for name, pairs in extensions(header or "") if name == NAME]
    if len(found) > 1:
        raise ValueError(f"{NAME} stands there twice")
    return parameters_of(found[0], is_offer=False) if found else None


def agreement(answer: Parameters, offers: Iterable[Parameters]) -> Parameters:
    """What holds on a client that has sent `offers`; ValueError if `answer` fits none of them."""
    wrong = f"{NAME} was not offered"
    for offered in offers:
        wrong = misfit(answer, offered)
        if not wrong:
            # The hints of an offer bind the client whatever the answer (7.1.1.2 and 7.1.2.2).
            bits = min(answer.client_max_window_bits or 15, offered.client_max_window_bits or 15)
            return answer._replace(
                client_no_context_takeover=answer.client_no_context_takeover
                or offered.client_no_context_takeover,
                client_max_window_bits=bits,
            )
    raise ValueError(wrong)


def misfit(answer: Parameters, offered: Parameters) -> str:
    """Why an answer is not one to this offer, "" if it is."""
    if offered.server_no_context_takeover and not answer.server_no_context_takeover:
        return "server_no_context_takeover was asked for and is missing"
    if (answer.server_max_window_bits or 15) > (offered.server_max_window_bits or 15):
        return f"server_max_window_bits={offered.server_max_window_bits} was asked for"
    if offered.server_max_window_bits and not answer.server_max_window_bits:
        return "server_max_window_bits was asked for and is missing"
    if answer.client_max_window_bits and not offered.client_max_window_bits:
        return "client_max_window_bits was not offered"
    return ""


def header_value(parameters: Parameters, level: int, mem_level: int) -> Value:
    """Parameters as a header has them."""
    parts = [NAME]
    if parameters.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if parameters.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if parameters.server_max_window_bits:
        parts.append(f"server_max_window_bits={parameters.server_max_window_bits}")
    if parameters.client_max_window_bits == 15:
        # Only in an offer: this says as much, and is what all servers know.
        parts.append("client_max_window_bits")
    elif parameters.client_max_window_bits:
        parts.append(f"client_max_window_bits={parameters.client_max_window_bits}")
    value = Value("; ".join(parts))
    value.level = level
    value.mem_level = mem_level
    return value
