"""Two sessions joined so that neither peer can tell that it does not speak to the other.

Each direction passes on what its source receives, and at last how that ended: a Close as the
frame it is, a FIN as a FIN, a reset as a reset. Nothing is answered and nothing made up, unless
the caller asks for it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn

from ..session.kernel import probe
from ..session.session import RawWebSocketSession, connection_of
from ..wire.names import CloseCode
from .clocks import Expired, PeerLost, expire, expire_when_idle
from .direction import Direction, Farewells, FirstEnd
from .farewell import say_goodbye
from .plan import Edit, Farewell, Plan, Tap

__all__ = ("RelayStats", "join", "relay")

#: The Close of a relay that a clock ends (RFC 6455 section 7.4.1).
EXPIRED = (CloseCode.GOING_AWAY, "")


@dataclass(frozen=True, slots=True)
class RelayStats:
    """The result of a relay.

    - `frames` and `bytes`: how many frames, and bytes of payload, have passed in each direction,
      "a->b" and "b->a".
    - `ended_first`: the side whose peer ended first, "a" or "b"; "" where a clock ended both.
    - `reason`: how that peer ended. "close": it sent a Close. "end of stream": a FIN without one.
      "lost": its connection was lost, by a reset for example, or it sent nothing after a ping.
      "violation": it broke the protocol. "edit": `edit` ended both at a frame of that peer.
      "idle" and "lifetime": a clock ended both.
    - `error`: the exception of a loss, a violation or of `edit`, else None.

    In a proxy the sides and the directions are both called "client" and "upstream".
    """

    frames: dict[str, int]
    bytes: dict[str, int]
    ended_first: str
    reason: str
    error: BaseException | None


async def relay(
    a: RawWebSocketSession,
    b: RawWebSocketSession,
    *,
    tap: Tap | None = None,
    tap_limit: int | None = None,
    edit: Edit | None = None,
    remask: bool = False,
    idle: float | None = None,
    lifetime: float | None = None,
    heartbeat: tuple[float, float] | None = None,
    goodbye: Farewell | None = None,
) -> RelayStats:
    """Join two sessions until both have ended.

    Every frame passes, in order, with its boundaries, RSV bits and payload. A frame of any size
    passes while it is still arriving: `max_frame_size` does not apply. A slow side slows the other.
    `receive_limit` and the write buffers bound the memory.

    The end of one peer's connection becomes the end of the other's, behind all that was sent
    before: a FIN is a FIN (a full close over TLS, which has no halves), a reset is a reset. After a
    violation of the protocol the frames before it are flushed, both connections are dropped, and
    the logger `aiohttp_rawws` tells the reason. Frames that `reject` lets pass go on as they stood:
    unmasked or masked, with a longer form of their length, behind a Close.

    - `tap(direction, frame)` is called with each frame before it goes on. `direction` is "a->b" or
      "b->a". Frames are assembled for it, so `max_frame_size` applies. An exception of the tap ends
      the relay. It must not keep the loop for long.
    - `tap_limit=N` shows the tap a `Piece` with at most the first N bytes of each data frame, and
      its true `length`, once, as soon as they are there. Frames of any size flow on meanwhile.
      Control frames are shown whole, each as a `Frame`.
    - `edit(direction, frame)`, a plain or a coroutine function, gives the frames that go on
      instead: None for the frame as it is, a Frame, or an iterable of frames. An empty one drops
      the frame. A Close may be replaced and not dropped. `max_frame_size` applies. A tap comes
      first. `EndRelay` in it ends the relay with a Close to each side. Any other exception is
      logged and is a Close 1011 to both. Both connections are ended then, and the relay returns.
    - `remask=True` gives the frames towards a server fresh masking keys. By default they keep the
      keys they came with. Ask for it where clients are not trusted, and something may stand before
      the server that takes the octets for another protocol (RFC 6455 section 10.3).
    - `idle` seconds without a byte either way, and `lifetime` seconds in all, end the relay: a
      Close 1001 goes to both sides. Both connections end after the peers' Closes, or after
      `linger`. A side in the middle of a frame is only ended. An idle relay is noticed within an
      eighth of its time.
    - `heartbeat=(interval, timeout)`, in seconds, pings both sides. The pongs do not pass. If
      nothing comes from a side within `timeout` after a ping, both are reset. A side in the middle
      of a frame is not pinged. Each frame is looked at then, which costs time.
    - `goodbye=(code, reason)` is the Close that a relay sends to each side when it is cancelled,
      before it ends both. With None, the default, it leaves the sessions as they are.

    Once one side has ended, the other gets all that was sent for it, however slowly it reads. If it
    takes nothing for ten times `linger`, both are reset. A side that has closed one half of its
    connection may receive for as long as both peers are there. Over TCP its system is asked, so
    that a peer that has left is noticed within minutes. (This holds on Linux. Elsewhere an end that
    stands behind unread input is noticed once the input is read.)

    Neither session may be received from meanwhile. Both still belong to the caller, who ends them.
    After a cancellation without `goodbye`, a session in the middle of a frame can only be ended.

    Raises TypeError for anything but sessions and for options of a wrong type, ValueError for the
    same session twice, for options out of range, and for sessions that have not negotiated the
    same extensions: frames of one mean nothing to the other.
    """
    plan = Plan(tap, tap_limit, edit, remask, idle, lifetime, heartbeat, goodbye)
    return await join(a, b, plan, names=("a", "b"), directions=("a->b", "b->a"))


async def join(
    a: RawWebSocketSession,
    b: RawWebSocketSession,
    plan: Plan,
    *,
    names: tuple[str, str],
    directions: tuple[str, str],
) -> RelayStats:
    """`relay`, with names for the two sides and the two directions."""
    check_sessions(a, b)
    first_end = FirstEnd()
    there = Direction(a, b, names[0], directions[0], first_end, plan)
    back = Direction(b, a, names[1], directions[1], first_end, plan)
    there.opposite, back.opposite = back, there
    both = (connection_of(a), connection_of(b))
    for each in both:
        probe(each.link.get_extra_info("socket"))
    try:
        await run_until_end([there.run(), back.run()], clocks_of(plan, there, back))
    except Farewells as farewells:
        await say_goodbye(*farewells.closes)
    except Expired as expired:
        first_end.note("", str(expired))
        await say_goodbye(*((each, EXPIRED) for each in both))
    except PeerLost as lost:
        first_end.note(lost.side, "lost", lost)
        for each in both:
            each.abort()
    except asyncio.CancelledError:
        if plan.goodbye is not None:
            await say_goodbye(*((each, plan.goodbye) for each in both))
        raise
    finally:
        # Nothing of a relay waits for the garbage collector.
        del there.opposite, back.opposite
    return RelayStats(
        {direction.label: direction.frames for direction in (there, back)},
        {direction.label: direction.octets for direction in (there, back)},
        first_end.side,
        first_end.reason,
        first_end.error,
    )


def clocks_of(plan: Plan, there: Direction, back: Direction) -> list[Coroutine[Any, Any, NoReturn]]:
    """Return the clocks that may end a relay."""
    clocks = []
    if plan.lifetime is not None:
        clocks.append(expire(plan.lifetime))
    if plan.idle is not None:
        clocks.append(expire_when_idle(lambda: there.counters() + back.counters(), plan.idle))
    if plan.heartbeat is not None:
        hearts = [direction.heart for direction in (there, back) if direction.heart is not None]
        clocks += [heart.beat(*plan.heartbeat) for heart in hearts]
    return clocks


async def run_until_end(
    directions: list[Coroutine[Any, Any, None]], clocks: list[Coroutine[Any, Any, NoReturn]]
) -> None:
    """Run until both directions have ended, or one of them or a clock raises."""
    tasks = [asyncio.ensure_future(each) for each in directions]
    timers = [asyncio.ensure_future(each) for each in clocks]
    try:
        both: asyncio.Future[Any] = asyncio.gather(*tasks)
        if timers:
            # A clock never returns: it raises.
            await asyncio.wait([both, *timers], return_when=asyncio.FIRST_COMPLETED)
            for each in (both, *timers):
                if each.done():
                    each.result()
        else:
            await both
    finally:
        for task in (*tasks, *timers):
            task.cancel()
        await asyncio.gather(*tasks, *timers, return_exceptions=True)


def check_sessions(a: RawWebSocketSession, b: RawWebSocketSession) -> None:
    for session in (a, b):
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"relay takes two sessions, got {session!r}")
    if a is b:
        raise ValueError("relay takes two different sessions, got the same one twice")
    if a.extensions != b.extensions:
        raise ValueError(
            "the two sessions have not negotiated the same extensions: "
            f"{a.extensions!r} and {b.extensions!r}"
        )
