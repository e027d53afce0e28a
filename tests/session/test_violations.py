"""A peer that breaks a rule or sends too much: the error, or the frame that is let pass."""

import asyncio

import pytest

from aiohttp_rawws import (
    CloseCode,
    Frame,
    FrameTooBig,
    ProtocolError,
    RawWebSocketSession,
    Violation,
)
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import taken
from tests.support.waiting import turns
from tests.support.ways import EVERY_WAY, WAYS, Way, all_frames, by_pieces
from tests.support.wire import Wire

CLOSE = masked(0x88, b"\x03\xe8bye")

VIOLATIONS = {
    Violation.UNMASKED: b"\x81\x05Hello",
    Violation.RESERVED_BITS: masked(0xC1, b"rsv1"),
    Violation.RESERVED_OPCODE: masked(0x83),  # ktor's 83 00
    Violation.FRAGMENTED_CONTROL: masked(0x09, b"~"),
    Violation.LONG_CONTROL: masked(0x89, bytes(126)),
    Violation.UNEXPECTED_CONTINUATION: masked(0x80, b"of what?"),
    Violation.LENGTH_ENCODING: b"\x82\xfe\x00\x01\x00\x00\x00\x00x",
    Violation.CLOSE_PAYLOAD: masked(0x88, b"\x03"),
}
EACH_VIOLATION = pytest.mark.parametrize(
    "violation", VIOLATIONS, ids=lambda violation: str(violation.name)
)


@EACH_VIOLATION
@EVERY_WAY
async def test_frames_before_a_violation_are_delivered_then_it_is_raised(
    serve: Serve, way: Way, violation: Violation
) -> None:
    frames: list[Frame] = []
    before = masked(0x82, b"one") + masked(0x89, b"two")
    async with both_ends(serve, behind=before + VIOLATIONS[violation]) as (session, wire):
        with pytest.raises(ProtocolError) as caught:
            async for frame in way(session):
                frames.append(frame)
        assert frames == [Frame.binary(b"one"), Frame.ping(b"two")]
        assert caught.value.violation == violation
        assert caught.value.close_code == CloseCode.PROTOCOL_ERROR
        wire.send(masked(0x89, b"ignored") + b"\xff" * 100)
        await taken(session, wire)
        for every in WAYS:
            with pytest.raises(ProtocolError) as again:
                await anext(every(session))
            assert str(again.value) == str(caught.value)
            assert again.value.violation == violation


async def test_nothing_is_sent_about_a_violation_but_the_handler_can(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x83)) as (session, wire):
        with pytest.raises(ProtocolError) as caught:
            await session.receive()
        assert not session.closed
        await session.send(Frame.text("well"))
        await session.close(caught.value.close_code)
        # The Text stands first: nothing was sent before it.
        assert await wire.read(10) == b"\x81\x04well\x88\x02\x03\xea"


@BOTH
async def test_a_request_behind_the_upgrade_is_answered_with_a_close(
    serve: Serve, tls: bool
) -> None:
    """It breaks three rules at once; the peer gets told of all, and no reset."""

    async def handler(session: RawWebSocketSession) -> None:
        try:
            await session.receive()
        except ProtocolError as error:
            await session.close(error.close_code, str(error))

    address = await serve(application(handler), tls=tls)
    wire = await Wire.upgrade(address, behind=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, payload = await wire.read_frame()
    assert (head, payload[:2]) == (0x88, b"\x03\xea")
    assert payload[2:] == b"breaks RFC 6455: UNMASKED, RESERVED_BITS, RESERVED_OPCODE"
    if not tls:
        wire.end()
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_a_reason_that_is_not_utf8_has_a_close_code_of_its_own(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x88, b"\x03\xe8\xff")) as (session, wire):
        with pytest.raises(ProtocolError) as caught:
            await session.receive()
        assert caught.value.violation == Violation.CLOSE_PAYLOAD
        assert caught.value.close_code == CloseCode.INVALID_PAYLOAD
        assert session.close_received is None
        await session.close(caught.value.close_code)
        assert await wire.read(4) == b"\x88\x02\x03\xef"


@EACH_VIOLATION
async def test_a_violation_that_is_let_pass_is_told(serve: Serve, violation: Violation) -> None:
    lenient = Violation.ALL & ~violation
    async with both_ends(serve, behind=VIOLATIONS[violation], reject=lenient) as (session, wire):
        frame = await session.receive()
        assert frame.violations == violation
        wire.send(CLOSE)
        if violation is not Violation.CLOSE_PAYLOAD:
            assert await session.receive() == Frame.close(1000, "bye")
    assert VIOLATIONS[violation][0] == frame.encode()[0]


async def test_a_new_message_within_a_message(serve: Serve) -> None:
    behind = masked(0x01, b"a") + masked(0x82, b"b")
    async with both_ends(serve, behind=behind) as (session, _):
        assert await session.receive() == Frame.text("a", fin=False)
        with pytest.raises(ProtocolError) as caught:
            await session.receive()
    assert caught.value.violation == Violation.EXPECTED_CONTINUATION


async def test_nothing_is_rejected_with_none(serve: Serve) -> None:
    behind = b"".join([*VIOLATIONS.values(), masked(0x81, b"after the Close")])
    async with both_ends(serve, behind=behind, reject=Violation.NONE) as (session, wire):
        wire.end()
        frames = await all_frames(session)
    flagged = Violation.NONE
    for frame in frames:
        flagged |= frame.violations
    assert len(frames) == len(VIOLATIONS) + 1
    assert flagged == Violation.ALL & ~Violation.MASKED & ~Violation.EXPECTED_CONTINUATION


@pytest.mark.parametrize("reject", [Violation.ALL, Violation.NONE], ids=["all", "none"])
async def test_a_length_with_its_top_bit_set_always_raises(serve: Serve, reject: Violation) -> None:
    behind = masked(0x89) + b"\x82\xff\x80" + bytes(7)
    async with both_ends(serve, behind=behind, reject=reject) as (session, _):
        assert await session.receive() == Frame.ping()
        with pytest.raises(ProtocolError) as caught:
            await session.receive()
    assert caught.value.violation == Violation.LENGTH_ENCODING
    assert not isinstance(caught.value, FrameTooBig)


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "not waiting"])
async def test_a_violation_is_raised_as_soon_as_its_octets_are_there(
    serve: Serve, late: bool
) -> None:
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        await turns(5 * late)
        wire.send(b"\xc1\x85")  # RSV1, and not even a masking key
        with pytest.raises(ProtocolError):
            await receiving


# -- frames that are too big -----------------------------------------------------------------


@EVERY_WAY
async def test_1024_bytes_against_a_limit_of_1023(serve: Serve, way: Way) -> None:
    if way is by_pieces:
        pytest.skip("pieces are of frames of any size")
    behind = masked(0x82, bytes(1023)) + masked(0x82, bytes(1024)) + masked(0x89)
    frames: list[Frame] = []
    async with both_ends(serve, behind=behind, max_frame_size=1023) as (session, wire):
        assert session.max_frame_size == 1023
        with pytest.raises(FrameTooBig, match="1024") as caught:
            async for frame in way(session):
                frames.append(frame)
        assert frames == [Frame.binary(bytes(1023))]
        assert (caught.value.size, caught.value.limit) == (1024, 1023)
        assert caught.value.violation == Violation.NONE
        for _ in range(3):
            with pytest.raises(FrameTooBig, match="1024") as again:
                await session.receive()
            assert again.value.close_code == CloseCode.MESSAGE_TOO_BIG
        await session.close(caught.value.close_code)
        assert await wire.read(4) == b"\x88\x02\x03\xf1"


async def test_too_big_is_known_from_the_header(serve: Serve) -> None:
    async with both_ends(serve, reject=Violation.NONE) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        await turns()
        wire.send(b"\x82\xff" + (2**40).to_bytes(8, "big"))
        with pytest.raises(FrameTooBig) as caught:
            await receiving
    assert caught.value.size == 2**40


async def test_the_limit_can_be_raised_while_running(serve: Serve) -> None:
    async with both_ends(serve, max_frame_size=10) as (session, wire):
        wire.send(masked(0x82, bytes(10)))
        assert await session.receive() == Frame.binary(bytes(10))
        session.max_frame_size = 11
        wire.send(masked(0x82, bytes(11)))
        assert await session.receive() == Frame.binary(bytes(11))


async def test_the_limit_can_be_raised_for_the_frame_that_waits(serve: Serve) -> None:
    behind = masked(0x89) + masked(0x82, bytes(11))
    async with both_ends(serve, behind=behind, max_frame_size=10) as (session, wire):
        assert await session.receive() == Frame.ping()
        session.max_frame_size = 11
        assert await session.receive() == Frame.binary(bytes(11))
        wire.send(masked(0x8A))
        assert await session.receive() == Frame.pong()


async def test_the_limit_can_be_lowered_while_running(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        session.max_frame_size = 10
        wire.send(masked(0x82, bytes(11)))
        with pytest.raises(FrameTooBig):
            await session.receive()


@pytest.mark.parametrize("size", [0, -1])
async def test_the_limit_is_at_least_one_byte(serve: Serve, size: int) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(ValueError, match="at least 1"):
            session.max_frame_size = size


async def test_the_limit_may_be_as_good_as_none(serve: Serve) -> None:
    async with both_ends(serve, max_frame_size=2**100) as (session, wire):
        session.max_frame_size = 2**64
        wire.send(masked(0x82, bytes(1000)))
        assert await session.receive() == Frame.binary(bytes(1000))
