"""One direction of a relay: what one side sends goes to the other, and so does its end."""

import asyncio
import contextlib

from ..server.logs import describe, logger, warn
from ..session.deadline import in_time
from ..session.ending import delivered, end_patiently, peer_end, reset
from ..session.kernel import error_of, is_gone
from ..session.session import RawWebSocketSession, connection_of
from ..session.traffic import traffic_of
from ..wire.errors import ProtocolError
from ..wire.names import CloseCode
from .backpressure import END_POLL, Backpressure
from .clocks import Heart
from .compression import Compression
from .edit import EndRelay
from .farewell import Farewells
from .first_end import FirstEnd
from .injection import Injection
from .pipeline import EditEnded, Pipeline
from .plan import Plan
from .target import Target

__all__ = ("Direction",)


class Direction:
    """One direction of a relay: the target sends what the source receives.

    `compressions` are those of the source and of the target.
    """

    opposite: "Direction"

    def __init__(
        self,
        source: RawWebSocketSession,
        target: RawWebSocketSession,
        side: str,
        label: str,
        first_end: FirstEnd,
        plan: Plan,
        compressions: "tuple[Compression | None, Compression | None]",
    ) -> None:
        self.label = label
        #: No more frames will come from the source: it has sent its Close, or is gone.
        self.done = asyncio.Event()
        #: The source's end of stream was passed on, too.
        self.ended = False
        self._session = source
        self._request = source.request or target.request
        self._source = connection_of(source)
        self._target = connection_of(target)
        self._side = side
        self._first_end = first_end
        self._backpressure = Backpressure(self._source, self._target, side, first_end)
        #: The pings to the source, whose pongs do not pass.
        self.heart = None if plan.heartbeat is None else Heart(source, side)
        #: What has passed.
        self.passed = passed = Target(target, plan, compressions[1])
        #: Sends frames of the caller's own.
        self.injection = Injection(self._source.reader, passed)
        self._pipeline = Pipeline(
            source,
            passed,
            label,
            plan,
            compressions[0],
            self.heart,
            self._backpressure,
            None if plan.on_start is None else self.injection,
        )

    async def run(self) -> None:
        """Pass on all that comes, then the end."""
        try:
            await self._pass_all()
        except ProtocolError as error:
            await self._drop(error)
            return
        source = self._source
        if source.receiver.close_received is not None:
            self._first_end.note(self._side, "close")
        await peer_end(source)
        if not source.link.is_gone():
            self._first_end.note(self._side, "end of stream")
            await self._pass_end()
        await self._wait_for_other()
        if source.link.lost:
            await self._pass_loss()

    def counters(self) -> tuple[int, ...]:
        """Return numbers that change whenever a byte moves, but for the relay's own pings."""
        if self.heart is not None:
            received = self._session.bytes_received - self.heart.octets
            return received, self._target.writer.waiting(), self.passed.injected
        return tuple(traffic_of(self._session)[:2])

    async def _pass_all(self) -> None:
        try:
            await self._pipeline.run()
        except EditEnded as ended:
            raise self._farewells(ended.error) from ended.error
        finally:
            self.done.set()
            self.opposite.notify()

    def _farewells(self, error: Exception) -> Farewells:
        """Return the end of a relay whose `edit` has raised an error."""
        if isinstance(error, EndRelay):
            self._first_end.note(self._side, "edit")
            return Farewells(self._source, (error.code, error.reason), self._target, error.other)
        who = "a relay" if self._request is None else describe(self._request)
        logger.error("The edit of %s failed at a frame of %s", who, self._side, exc_info=error)
        self._first_end.note(self._side, "edit", error)
        failed = (CloseCode.INTERNAL_ERROR, "")
        return Farewells(self._source, failed, self._target, failed)

    # -- the end ---------------------------------------------------------------------------

    def notify(self) -> None:
        """Have this direction look again how the other one stands."""
        self._source.changes.notify()

    async def _drop(self, error: ProtocolError) -> None:
        self._first_end.note(self._side, "violation", error)
        request = self._request
        who = self._side if request is None else f"{self._side} of {describe(request)}"
        warn(request, "Relay dropped: %s broke the protocol: %s", who, error)
        await end_patiently(self._target)
        self._source.abort()

    async def _pass_end(self) -> None:
        """End the target's sending half; with TLS, which has none, its connection."""
        source, target = self._source, self._target
        if target.link.transport.can_write_eof():
            target.write_eof()
            self._note_end()
            if not await delivered(target):
                self._backpressure.give_up()
            return
        if source.receiver.close_received is not None:
            # The reply to that Close may be on its way.
            with contextlib.suppress(TimeoutError):
                await in_time(self.opposite.done.wait(), target.linger)
        await end_patiently(target)
        self._note_end()

    def _note_end(self) -> None:
        self.ended = True
        self.opposite.notify()

    async def _wait_for_other(self) -> None:
        """Wait until the source is lost, or the other direction has passed its end, too.

        The source may have closed one half of its connection, or both. If nothing can be sent to
        it any more, the target is ended.
        """
        source, target = self._source, self._target
        sock = source.link.get_extra_info("socket")
        while not (source.link.lost or self.opposite.ended):
            # One that is closing will be lost in a moment, and then its error is known.
            if not source.link.is_gone() and (is_gone(sock) or self.opposite.done.is_set()):
                await (reset(target) if error_of(sock) else end_patiently(target))
                return
            await source.changes.wait_within(END_POLL)

    async def _pass_loss(self) -> None:
        """End the target's connection as the source's was."""
        error = self._source.link.exception
        if error is not None:
            self._first_end.note(self._side, "lost", error)
            await reset(self._target)
        else:
            self._first_end.note(self._side, "end of stream")
            await end_patiently(self._target)
