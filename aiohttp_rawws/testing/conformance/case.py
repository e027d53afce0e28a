"""One case as a value: what is sent, and what the peer may do."""

import enum
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...wire.frames import Frame
from ...wire.names import Opcode

__all__ = (
    "CONTROLS",
    "Answer",
    "Case",
    "CutAt",
    "Deflate",
    "Ending",
    "Event",
    "Events",
    "Grade",
    "HalfClose",
    "Part",
    "Request",
    "Reset",
    "Rounds",
    "Send",
    "Slice",
    "Step",
    "Until",
    "Wait",
    "binary",
    "close",
    "describe",
    "hexadecimal",
    "message",
    "more",
    "ping",
    "pong",
    "quoted",
    "text",
)


#: How many bytes of a payload a report shows.
SHOWN = 24
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Grade(enum.Enum):
    """The verdict on a case."""

    OK = "OK"
    #: What RFC 6455 allows, and does not recommend.
    NON_STRICT = "NON-STRICT"
    #: RFC 6455 leaves it open: what the peer did is told, and not judged.
    INFORMATIONAL = "INFORMATIONAL"
    #: The peer does not have the extension that the case is about.
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    #: The peer did nothing for the time that it has.
    HUNG = "HUNG"
    #: The run was over before its turn.
    NOT_RUN = "NOT RUN"


class Ending(enum.Enum):
    """How a case has to end."""

    #: The peer goes on; the check closes, and the peer answers with a Close.
    GOES_ON = "goes on"
    #: The peer fails the connection: with a Close, or by ending TCP.
    FAILS = "fails the connection"
    #: The steps hold a Close: the peer answers with one.
    REPLIES = "answers the Close"
    #: The steps hold a bad Close: the peer answers with a Close, or ends TCP.
    REJECTS = "rejects the Close"
    #: The peer ends TCP, with a Close or without.
    ENDS = "ends the connection"
    #: Either the peer goes on, or it fails the connection.
    EITHER = "goes on or fails the connection"
    #: The steps end the connection, and nothing can be seen of the peer.
    GONE = "is left"


#: What the peer did: `text`, `binary`, `ping`, `pong` or `open`, and the payload.
Event = tuple[str, bytes]
Events = tuple[Event, ...]


@dataclass(frozen=True)
class Part:
    """One frame to send, legal or not. It is masked as the role of the check asks for."""

    opcode: int
    payload: bytes = field(default=b"", repr=False)
    fin: bool = True
    #: RSV1 is 4, RSV2 is 2, RSV3 is 1.
    rsv: int = 0
    #: The form of the length: 7, 16 or 64 bits; None for the shortest.
    form: int | None = None
    #: The length that the header tells, None for that of the payload.
    declared: int | None = None
    #: Masked where it should not be, and not masked where it should be.
    wrong_mask: bool = False
    key: bytes | None = None

    def encode(self, is_client: bool) -> bytes:
        """Return the frame as it is sent by a client, or by a server."""
        masked = is_client != self.wrong_mask
        key = (self.key or os.urandom(4)) if masked else None
        frame = Frame(
            self.opcode,
            self.payload,
            self.fin,
            rsv1=self.rsv & 4 != 0,
            rsv2=self.rsv & 2 != 0,
            rsv3=self.rsv & 1 != 0,
            mask=key,
        )
        whole = frame.encode()
        if self.form is None and self.declared is None:
            return whole
        length = len(self.payload) if self.declared is None else self.declared
        size = len(self.payload)
        return (
            whole[:1]
            + length_field(length, self.form, masked)
            + (key or b"")
            + whole[len(whole) - size :]
        )

    def __str__(self) -> str:
        return describe(self.opcode, self.payload, self.fin, self.rsv, self.oddities())

    def oddities(self) -> str:
        words = []
        if self.wrong_mask:
            words.append("mask wrong")
        if self.form is not None:
            words.append(f"length in {self.form} bits")
        if self.declared is not None:
            words.append(f"{self.declared} bytes declared")
        return ", ".join(words)


def length_field(length: int, form: int | None, masked: bool) -> bytes:
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    bit = 0x80 if masked else 0
    if form == 7:
        return bytes([bit | length])
    if form == 16:
        return bytes([bit | 126]) + length.to_bytes(2, "big")
    return bytes([bit | 127]) + length.to_bytes(8, "big")


def describe(opcode: int, payload: bytes, fin: bool, rsv: int, note: str = "") -> str:
    """Return a frame as reports show it: shortened, on one line."""
    names = {int(each): each.name for each in Opcode}
    words = [names.get(opcode, f"opcode {opcode}")]
    if not fin:
        words.append("FIN=0")
    words += [f"RSV{3 - bit.bit_length() + 1}" for bit in (4, 2, 1) if rsv & bit]
    if opcode == Opcode.CLOSE and len(payload) >= 2:
        words.append(str(int.from_bytes(payload[:2], "big")))
        payload = payload[2:]
    if payload:
        words.append(quoted(payload))
    if note:
        words.append(f"[{note}]")
    return " ".join(words)


def quoted(payload: bytes) -> str:
    """Return a payload as text, and no more of it than is read at a glance."""
    shown = payload[:SHOWN].decode("utf-8", "backslashreplace").encode("ascii", "backslashreplace")
    words = shown.decode("ascii")
    words = words[: 2 * SHOWN] + ("..." if len(payload) > SHOWN or len(words) > 2 * SHOWN else "")
    size = f" ({len(payload)} bytes)" if len(payload) > SHOWN else ""
    return f"'{re.sub(CONTROLS, hexadecimal, words)}'{size}"


def hexadecimal(found: "re.Match[str]") -> str:
    return f"\\x{ord(found[0]):02x}"


# -- steps -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Send:
    """Send frames: in one write, or each in its own, or in writes of `chop` octets."""

    parts: tuple[Part, ...]
    each: bool = False
    chop: int = 0


@dataclass(frozen=True)
class CutAt:
    """Send frames as two writes, the second one from this octet on."""

    parts: tuple[Part, ...]
    octet: int


@dataclass(frozen=True)
class Slice:
    """Send some of the octets of frames, those of a client's: a server's has four fewer."""

    parts: tuple[Part, ...]
    start: int
    stop: int | None


@dataclass(frozen=True)
class Wait:
    """Wait for the peer to end the connection. If it does not, `open` is what was seen."""

    seconds: float = 0.0
    #: Adds so much of the time that the peer has.
    share: float = 0.0
    mark: bytes = b""


@dataclass(frozen=True)
class Until:
    """Wait until so many events were seen."""

    count: int


@dataclass(frozen=True)
class Rounds:
    """Send messages, and wait for the echo of each before the next one."""

    messages: Callable[[], Iterable[Event]] = field(repr=False)
    #: The size of a fragment, 0 for whole messages.
    fragment: int = 0
    #: The size of a write, 0 for one write.
    chop: int = 0


@dataclass(frozen=True)
class HalfClose:
    """Send a FIN. On TLS, which has none, the case is skipped."""


@dataclass(frozen=True)
class Reset:
    """Send a RST."""


Step = Send | CutAt | Slice | Wait | Until | Rounds | HalfClose | Reset

# -- the opening -----------------------------------------------------------------------------

#: What is changed in headers: None removes one, a tuple sends several of the name.
Changes = dict[str, str | tuple[str, ...] | None]


@dataclass(frozen=True)
class Request:
    """The opening handshake of a case whose peer is a server."""

    method: str = "GET"
    version: str = "HTTP/1.1"
    change: Changes = field(default_factory=dict)
    #: Frames right behind the request.
    behind: tuple[Part, ...] = ()
    #: The size of a write, 0 for one write.
    chop: int = 0
    #: What may come of it: `101`, `4xx` and so on, or `end` of TCP.
    ok: tuple[str, ...] = ("101",)
    non_strict: tuple[str, ...] = ()
    #: A header that the refusal has to have.
    needs: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer of a case whose peer is a client."""

    status: str = "101 Switching Protocols"
    change: Changes = field(default_factory=dict)
    body: bytes = b""
    #: Send the frames of the first step in the same write.
    joined: bool = False
    chop: int = 0
    #: The client has to fail the connection.
    refused: bool = False


@dataclass(frozen=True)
class Deflate:
    """What is asked of the peer's compressor: (no context takeover, window bits or 0), by rank."""

    wanted: tuple[tuple[bool, int], ...] = ((False, 0),)


# -- the case --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What is sent to a peer that echoes messages, and what it may do.

    It has many fields, as there are many ways to be right: each has a default that most cases keep.
    """

    #: Autobahn's number where it has the case, else a word of the ground and a name.
    id: str
    #: One sentence.
    sentence: str
    #: Of RFC 6455, unless it names another.
    section: str
    group: str
    steps: tuple[Step, ...] = ()
    ending: Ending = Ending.GOES_ON
    #: What the peer has to do before the end, and what it may do as well.
    ok: tuple[Events, ...] = ((),)
    non_strict: tuple[Events, ...] = ()
    #: What comes of a peer that takes what it should refuse, where that is NON-STRICT alone.
    taken: Events | None = None
    #: The code in the peer's Close.
    codes: tuple[int, ...] = (1000,)
    #: Another code fails the case: else it is NON-STRICT.
    strict_code: bool = False
    #: Without a verdict, unless the peer hangs.
    informational: bool = False
    #: Pongs need not come: a peer may answer the last Ping alone (section 5.5.3).
    pongs_optional: bool = False
    #: Roles of the peer: `server`, `client`.
    peers: tuple[str, ...] = ("server", "client")
    request: Request = Request()
    answer: Answer = Answer()
    deflate: Deflate | None = None
    #: Times the time that the peer has.
    patience: float = 1.0
    #: Only with `--performance`.
    performance: bool = False
    #: After the case a server has to take a new connection.
    alive: bool = False

    @property
    def autobahn(self) -> str | None:
        """Autobahn's number of the case, None if Autobahn does not have it."""
        return self.id if self.id[0].isdigit() else None


def text(payload: str | bytes, fin: bool = True, **more: object) -> Part:
    return message("text", payload if isinstance(payload, bytes) else payload.encode(), fin, **more)


def binary(payload: bytes, fin: bool = True, **more: object) -> Part:
    return message("binary", payload, fin, **more)


def message(kind: str, payload: bytes, fin: bool = True, **more: object) -> Part:
    opcode = {"text": Opcode.TEXT, "binary": Opcode.BINARY, "more": Opcode.CONTINUATION}[kind]
    return Part(int(opcode), payload, fin, **more)  # type: ignore[arg-type]


def more(payload: bytes, fin: bool = True, **other: object) -> Part:
    return message("more", payload, fin, **other)


def ping(payload: bytes = b"", **more: object) -> Part:
    return Part(int(Opcode.PING), payload, **more)  # type: ignore[arg-type]


def pong(payload: bytes = b"", **more: object) -> Part:
    return Part(int(Opcode.PONG), payload, **more)  # type: ignore[arg-type]


def close(code: int | None = None, reason: bytes = b"", **more: object) -> Part:
    payload = b"" if code is None else code.to_bytes(2, "big") + reason
    return Part(int(Opcode.CLOSE), payload, **more)  # type: ignore[arg-type]
