"""The end of each preset for our own endpoints, as the documents have it."""

import dataclasses
from dataclasses import dataclass

from tests.support.survivors import Plan

#: The timeout of scripts, in seconds: one that never comes, and one that the test waits for.
LONG, SHORT = 30.0, 0.5
#: That of presets which last as long as it.
WHOLE = 1.0
TO_THE_END = Plan()


@dataclass(frozen=True)
class Met:
    """What our sides meet in one preset, as the documents have it.

    `raw` by a raw session, `by_messages` by a WebSocketSession, `through` by one whose messages a
    proxy passes on. `relay` is the end that the proxy tells, "" where nothing was relayed. `close`
    is the code of the Close that the misbehaving peer gets from a WebSocketSession.
    """

    raw: str
    by_messages: str
    through: str
    #: Who ended, "peer" for the preset and "other" for the side behind the proxy; and why.
    relay: str = ""
    close: "int | None" = None
    plan: Plan = TO_THE_END
    timeout: float = LONG


def violation(rule: str, code: int = 1002) -> Met:
    """A rule that the raw session sees, and that the proxy does not let pass."""
    error = f"ProtocolError {rule} {code}"
    return Met(error, error, "EndOfStream 1006", "peer violation", code)


def content(error: str, frames: int = -1) -> Met:
    """What only one sees who reads messages. A raw session gets its frames, and so does a proxy."""
    raw = error if frames < 0 else "closed 1000"
    return Met(raw, error, error, "other close", int(error[-4:]), Plan(frames))


def lost(relay: str = "peer lost") -> Met:
    """The peer ends without a Close."""
    return Met("EndOfStream", "EndOfStream 1006", "EndOfStream 1006", relay)


def silent() -> Met:
    """Only a heartbeat finds out."""
    end = "EndOfStream 1006"
    return Met("TimeoutError", end, end, "other lost", plan=Plan(pulse=True))


def fine(messages: int, *, timeout: float = LONG) -> Met:
    """All goes well: we close after some messages."""
    closed, plan = "closed 1000", Plan(messages, messages)
    return Met(closed, closed, closed, "other close", 1000, plan, timeout)


def before(error: str, *, through: str = "", timeout: float = LONG) -> Met:
    """No session comes about."""
    return Met(error, error, through or error, timeout=timeout)


CLOSED = Met("EndOfStream", "EndOfStream 1000", "EndOfStream 1000", "peer close", 1000)
UTF8 = content("ProtocolError NONE 1007", 2)
RSV1 = "ProtocolError RESERVED_BITS 1002"
# aiohttp tells a reset that comes ahead of the request by the other error.
RESET = before("ClientOSError or ClientConnectionResetError", through="HandshakeRefused 502")
WRONG = before("HandshakeRefused 101", through="HandshakeRefused 502")

MEETS: dict[str, Met] = {
    "no-pong": silent(),
    "late-pong": silent(),
    "wrong-pong": fine(1),
    "never-closes": Met(
        "closed None",
        "closed 1006",
        "closed 1006",
        "other close",
        1000,
        Plan(1, 1, close_timeout=0.1),
    ),
    "close-twice": CLOSED,
    "data-after-close": CLOSED,
    **{
        name: violation("CLOSE_PAYLOAD")
        for name in ("close-1005", "close-1006", "close-999", "close-one-octet")
    },
    "text-bad-utf8": UTF8,
    "text-cut-character": UTF8,
    "text-unfinished-character": UTF8,
    "text-character-in-two": fine(2),
    "close-bad-utf8": violation("CLOSE_PAYLOAD", 1007),
    "unmasked-client": violation("UNMASKED"),
    "masked-server": violation("MASKED"),
    **{name: violation("RESERVED_BITS") for name in ("rsv1", "rsv2", "rsv3")},
    **{f"opcode-{n}": violation("RESERVED_OPCODE") for n in (*range(3, 8), *range(11, 16))},
    "length-top-bit": violation("LENGTH_ENCODING"),
    "length-16-too-long": violation("LENGTH_ENCODING"),
    "length-64-too-long": violation("LENGTH_ENCODING"),
    "fragmented-ping": violation("FRAGMENTED_CONTROL"),
    "fragmented-close": violation("FRAGMENTED_CONTROL"),
    "long-ping": violation("LONG_CONTROL"),
    "long-close": violation("LONG_CONTROL"),
    "continuation-first": violation("UNEXPECTED_CONTINUATION"),
    "start-inside-message": violation("EXPECTED_CONTINUATION"),
    "gigabyte": content("FrameTooBig NONE 1009"),
    "octet-by-octet": fine(2),
    "stall-in-header": silent(),
    "stall-in-mask": silent(),
    "stall-in-payload": silent(),
    "never-reads": silent(),
    "ping-flood": fine(2),
    "empty-fragment-flood": fine(2),
    "reset-at-once": RESET,
    "reset-in-handshake": RESET,
    "reset-after-handshake": lost(),
    "reset-between-messages": lost(),
    "reset-in-header": lost(),
    "reset-in-payload": lost(),
    "reset-between-fragments": lost(),
    "reset-after-close": dataclasses.replace(CLOSED, close=None),
    "end-without-close": lost("peer end of stream"),
    "end-in-payload": lost("peer end of stream"),
    "half-open": silent(),
    "deflate-bomb": content("FrameTooBig NONE 1009", 2),
    "deflate-window-exceeded": content("ProtocolError NONE 1007", 3),
    "deflate-wrong-window": Met(
        "closed 1000",
        "ProtocolError NONE 1002",
        "ProtocolError NONE 1002",
        "other lost",
        plan=Plan(1),
    ),
    "deflate-context-kept": content("ProtocolError NONE 1007", 3),
    "deflate-rsv1-on-continuation": content(RSV1, 2),
    "deflate-rsv1-on-ping": content(RSV1, 1),
    "deflate-not-negotiated": violation("RESERVED_BITS"),
    "deflate-cut": content("ProtocolError NONE 1007", 2),
    "deflate-garbage": content("ProtocolError NONE 1007", 2),
    "answer-wrong-accept": WRONG,
    "answer-no-accept": WRONG,
    "answer-unoffered-protocol": WRONG,
    "answer-unoffered-extension": WRONG,
    "answer-200": before("HandshakeRefused 200"),
    # The redirect leads back to the preset; at the proxy the visitor follows it, to nothing.
    "answer-301": before("HandshakeRefused 301", through="HandshakeRefused 404"),
    "answer-401": before("HandshakeRefused 401"),
    "answer-header-flood": before("ClientResponseError", through="HandshakeRefused 502"),
    "answer-slow": fine(1, timeout=WHOLE),
    "answer-stalled": before("TimeoutError", through="left"),
    "answer-with-bytes-behind": fine(2),
}
#: Where a server meets something else than a client.
NOBODY = before("no answer", timeout=SHORT)
AT_A_SERVER: dict[str, Met] = {
    "reset-at-once": NOBODY,
    "reset-in-handshake": NOBODY,
    # It does not read on while it cannot send, and so cannot know that the peer is silent.
    "never-reads": Met(
        "SessionClosed or EndOfStream",
        "SessionClosed or EndOfStream 1006",
        "SessionClosed or EndOfStream 1006",
        "peer lost",
        timeout=WHOLE,
    ),
    # The offer is declined.
    "deflate-wrong-window": fine(1),
    "request-no-key": before("status 400"),
    "request-wrong-version": before("status 426"),
    "request-post": before("status 405"),
    # What is no upgrade is forwarded as plain HTTP.
    "request-http-1-0": before("status 400", through="status 426"),
    "request-header-flood": before("status 400"),
    "request-slow": fine(1, timeout=WHOLE),
    "request-stalled": NOBODY,
    "request-with-bytes-behind": fine(1),
}


def at_a_server(name: str) -> Met:
    return AT_A_SERVER.get(name) or MEETS[name]
