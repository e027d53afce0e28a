"""Wrong arguments: each error says what was given, and what to write instead."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, Piece, RawWebSocketSession
from aiohttp_rawws.layers import (
    Heartbeat,
    Message,
    MessageAssembler,
    PermessageDeflate,
    broadcast,
    close_handshake,
    fragment,
    prepare,
    reply,
)
from tests.support.ends import both_ends
from tests.support.servers import Serve

# What is wrong here is what is tested.
make: Any = Frame
wrong: Any = None

DECODE = PermessageDeflate(is_client=True).decode
ENCODE = PermessageDeflate(is_client=True).encode
PIECE = Piece(2, True, False, False, False, 1, 0, b"x", True)
TEXT = "Frame.text(text) makes a frame of it"
BINARY = "Frame.binary(data) makes a frame of it"
OPCODE = "opcode must be an Opcode or an int from 0 to 15, got"
PAYLOAD = (
    "payload must be bytes-like, got str; "
    "Frame.text(text) makes a Text frame, text.encode() makes bytes"
)
CODE = "a close code must be an int, a CloseCode or None, got"
DEFLATE = (
    "PermessageDeflate needs is_client=True or is_client=False; PermessageDeflate.of(session) "
    "makes the one that a session has negotiated, and a route takes "
    "extensions=PermessageDeflate.accept"
)

#: Without a session: what is called, its arguments, and what the error says.
FRAMES: list[tuple[Callable[..., object], tuple[Any, ...], str]] = [
    (make, ("text", b"x"), f"{OPCODE} 'text'; Frame.text(...) makes a Text frame"),
    (make, ("PING",), f"{OPCODE} 'PING'; Frame.ping(...) makes a Ping frame"),
    (make, ("1",), f"{OPCODE} '1'; Frame.text(...) makes a Text frame"),
    (make, (b"data",), f"{OPCODE} b'data'; Frame.binary(...) makes a Binary frame"),
    (make, (b"x" * 1000,), f"{OPCODE} bytes; Frame.binary(...) makes a Binary frame"),
    (make, (1.0,), f"{OPCODE} 1.0; Frame.binary(...) makes a Binary frame"),
    (make, (1, "text"), PAYLOAD),
    (make, (1, 5), "payload must be bytes-like, got int"),
    (
        make.text,
        (b"bytes",),
        "a Text frame takes a str, got bytes; Frame(Opcode.TEXT, payload) takes its UTF-8 as bytes",
    ),
    (make.binary, ("text",), PAYLOAD),
    (make.continuation, ("text",), PAYLOAD),
    (make.ping, ("text",), PAYLOAD),
    (make.pong, ("text",), PAYLOAD),
    (make.close, ("1000",), f"{CODE} '1000'; the reason comes behind it: 1000, 'bye'"),
    (make.close, ("bye",), f"{CODE} 'bye'; the reason comes behind it: 1000, 'bye'"),
    (make.close, (1000.0,), f"{CODE} 1000.0; the reason comes behind it: 1000, 'bye'"),
    (
        make.close,
        (1000, b"bye"),
        "a close reason is a str, got b'bye'; without one leave it out or pass \"\"",
    ),
    (prepare, ("text",), f"prepare takes a Frame, got str; {TEXT}"),
]

LAYERS: list[tuple[Callable[..., object], tuple[Any, ...], str]] = [
    (MessageAssembler().feed, ("text",), f"feed takes a Frame or a Piece, got str; {TEXT}"),
    (MessageAssembler().feed, (b"x",), f"feed takes a Frame or a Piece, got bytes; {BINARY}"),
    (reply, ("text",), f"reply takes a Frame or a Piece, got str; {TEXT}"),
    (reply, (None,), "reply takes a Frame or a Piece, got NoneType"),
    (reply, (Message(1, "x"),), "reply takes a Frame or a Piece, got Message"),
    (fragment, ("text", 1), f"fragment takes a Frame, got str; {TEXT}"),
    (fragment, (Frame.ping(), "1"), "a control frame must not be fragmented (RFC 6455 5.4)"),
    (fragment, (Frame.binary(b""), "1"), "size must be a number of bytes (int), got '1'"),
    (fragment, (Frame.binary(b""), 1.5), "size must be a number of bytes (int), got 1.5"),
    (fragment, (Frame.binary(b""), 0), "size must be at least 1 byte, got 0"),
    (PermessageDeflate, (), DEFLATE),
    (PermessageDeflate, (None,), DEFLATE),
    (
        PermessageDeflate.accept,
        (None,),
        "accept takes the client's Sec-WebSocket-Extensions as a str, got None; "
        "for a route: extensions=PermessageDeflate.accept",
    ),
    (PermessageDeflate.of, ("x",), "PermessageDeflate.of takes a session, got 'x'"),
    (DECODE, (b"x",), f"decode takes a Frame, got bytes; {BINARY}"),
    (DECODE, (PIECE,), "decode takes a Frame, got Piece"),
    (ENCODE, ("x",), f"encode takes a Frame, got str; {TEXT}"),
    (Heartbeat, (None, 20, 20), "Heartbeat takes a session, got None"),
    (broadcast, ([], "text"), f"broadcast(sessions, frame) takes a Frame, got str; {TEXT}"),
    (broadcast, (Frame.ping(), []), "broadcast(sessions, frame) takes a Frame, got list"),
    (broadcast, (5, Frame.ping()), "broadcast takes sessions in a list or a set, got 5"),
    (broadcast, (["x"], Frame.ping()), "broadcast takes sessions, got 'x' among them"),
]

OPTIONS: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (
        MessageAssembler,
        {"max_message_size": "1"},
        "max_message_size must be a number of bytes (int), got '1'",
    ),
    (
        MessageAssembler,
        {"max_message_size": 1.5},
        "max_message_size must be a number of bytes (int), got 1.5",
    ),
    (MessageAssembler, {"max_fragments": "1"}, "max_fragments must be an int, got '1'"),
    (MessageAssembler, {"max_fragments": 0}, "max_fragments must be at least 1, got 0"),
    (PermessageDeflate.offer, {"level": "1"}, "level must be an int, got '1'"),
    (
        PermessageDeflate,
        {"is_client": False, "max_size": "1"},
        "max_size must be an int, got '1'",
    ),
]

#: What a session, or a layer over one, is asked for.
SESSIONS: list[tuple[str, Callable[[Any], Any], str]] = [
    ("send", lambda session: session.send("text"), f"send takes a Frame, got str; {TEXT}"),
    ("bytes", lambda session: session.send(b"x"), f"send takes a Frame, got bytes; {BINARY}"),
    (
        "piece",
        lambda session: session.send(PIECE),
        "send takes a Frame, got Piece; send_piece(piece) sends a Piece",
    ),
    (
        "send_nowait",
        lambda session: session.send_nowait("text"),
        f"send takes a Frame, got str; {TEXT}",
    ),
    (
        "send_piece",
        lambda session: session.send_piece("text"),
        f"send_piece takes a Frame or a Piece, got str; {TEXT}",
    ),
    (
        "write",
        lambda session: session.write("text"),
        "data must be bytes-like, got str; text.encode() makes bytes",
    ),
    (
        "write a frame",
        lambda session: session.write(Frame.ping()),
        "data must be bytes-like, got Frame; send(frame) sends a Frame",
    ),
    (
        "close",
        lambda session: session.close("1000"),
        f"{CODE} '1000'; the reason comes behind it: 1000, 'bye'",
    ),
    (
        "a long reason",
        lambda session: session.close(1000, "x" * 124),
        "a close reason has at most 123 bytes of UTF-8, got 124; truncate_reason(reason) cuts it",
    ),
    (
        "close_handshake",
        lambda session: close_handshake(session, "1000"),  # type: ignore[arg-type]
        f"{CODE} '1000'; the reason comes behind it: 1000, 'bye'",
    ),
    (
        "close_handshake of nothing",
        lambda _: close_handshake(wrong),
        "close_handshake takes a session, got None",
    ),
    (
        "close_handshake's timeout",
        lambda session: close_handshake(session, timeout=wrong),
        "timeout must be a number of seconds, got None",
    ),
    (
        "interval",
        lambda session: Heartbeat(session, "20", 20),  # type: ignore[arg-type]
        "interval must be a number of seconds, got '20'",
    ),
    (
        "timeout",
        lambda session: Heartbeat(session, 20, wrong),
        "timeout must be a number of seconds, got None",
    ),
    (
        "feed",
        lambda session: Heartbeat(session, 20, 20).feed("x"),  # type: ignore[arg-type]
        f"feed takes a Frame or a Piece, got str; {TEXT}",
    ),
    (
        "max_frame_size",
        lambda session: setattr(session, "max_frame_size", "1"),
        "max_frame_size must be a number of bytes (int), got '1'",
    ),
    (
        "max_backlog",
        lambda session: broadcast([session], Frame.ping(), max_backlog="1"),  # type: ignore[arg-type]
        "max_backlog must be an int, got '1'",
    ),
]


@pytest.mark.parametrize(("call", "arguments", "message"), FRAMES + LAYERS)
def test_it_says_what_to_write(
    call: Callable[..., object], arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*arguments)
    assert str(caught.value) == message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("call", "options", "message"), OPTIONS)
def test_it_says_what_an_option_is(
    call: Callable[..., object], options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [(call, message) for _, call, message in SESSIONS],
    ids=[name for name, _, _ in SESSIONS],
)
async def test_a_session_says_what_to_write(
    serve: Serve, call: Callable[[RawWebSocketSession], Any], message: str
) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises((TypeError, ValueError)) as caught:
            given = call(session)
            if isinstance(given, Awaitable):
                await given
        assert str(caught.value) == message
        # Nothing was sent.
        await session.send(Frame.ping())
        assert await wire.read(2) == b"\x89\x00"


async def test_one_session_is_not_several(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(TypeError, match="broadcast takes sessions in a list or a set, got"):
            broadcast(session, Frame.ping())  # type: ignore[arg-type]


def test_opcodes_are_still_what_they_were() -> None:
    assert Frame(Opcode.TEXT) == Frame(True)
    assert fragment(Frame.text("x"), 1)
