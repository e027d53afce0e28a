"""Octets in, deliveries out: where the faults happen to the octets."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ...wire.header import Header, read_header
from .plan import MAX_WHOLE, Plan, Planner
from .records import FaultRecord
from .showing import shown

__all__ = ("END", "RESET", "Delivery", "Injector")

#: How a stream ends: with a FIN, or with a RST.
END = "end"
RESET = "reset"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Octets that pass in one write, and when and how."""

    octets: bytes = b""
    #: False if a frame goes on in the next delivery.
    is_whole: bool = True
    delay: float = 0.0
    stall: float = 0.0
    #: Pass behind the next whole delivery, if there is one within so many seconds.
    hold: float | None = None
    #: Where the write is cut, and the seconds between the parts.
    cuts: tuple[int, ...] = ()
    gap: float = 0.0
    #: END or RESET, behind the octets.
    ending: str | None = None

    @property
    def is_plain(self) -> bool:
        return not (self.delay or self.stall or self.cuts or self.ending or self.hold is not None)


class FrameInPassing:
    """A frame of which some octets have come."""

    __slots__ = ("header", "is_gathered", "passed", "plan")

    def __init__(self, header: Header, plan: Plan | None) -> None:
        self.header = header
        self.plan = plan
        #: The frame is held until it is whole.
        self.is_gathered = plan is not None and header.length <= MAX_WHOLE
        #: How many octets have passed, or were dropped.
        self.passed = 0

    @property
    def left(self) -> int:
        return self.header.total - self.passed


class Injector:
    """Follows the frames of one direction, and injects the faults that its planner decides.

    A frame without a fault passes as it comes, part by part. A frame with one is held until it is
    whole, up to MAX_WHOLE. The faults depend on the frames alone, not on how they are cut into
    reads. `on_fault` is called with each fault, in the order of the frames.
    """

    def __init__(self, planner: Planner, on_fault: Callable[[FaultRecord], object]) -> None:
        self._planner = planner
        self._on_fault = on_fault
        self._octets = bytearray()
        self._frame: FrameInPassing | None = None
        # A delivery waits for the next frame, which so must be one of its own.
        self._is_holding = False
        #: A fault has ended the stream: nothing more passes, whatever comes.
        self.is_over = False
        #: A fault has stopped it for ever.
        self.is_stalled = False

    @property
    def is_cut(self) -> bool:
        """True once a fault has ended the stream, with a FIN or a RST."""
        return self.is_over and not self.is_stalled

    def feed(self, data: bytes) -> list[Delivery]:
        """Return what passes once `data` has come."""
        if self.is_over:
            return []
        self._octets += data
        return list(self._merged())

    def finish(self) -> list[Delivery]:
        """Return what passes of the frame that the stream ends in."""
        if self._frame is not None:
            self._frame.is_gathered = False
        deliveries = list(self._deliveries())
        if self._octets and not self.is_over:
            # A header that is not whole.
            deliveries.append(Delivery(bytes(self._octets), is_whole=False))
        return deliveries

    def _merged(self) -> Iterator[Delivery]:
        """Yield the deliveries. What stood together and has no fault stays together."""
        run: list[Delivery] = []
        for delivery in self._deliveries():
            if delivery.is_plain and not self._is_holding:
                run.append(delivery)
                continue
            yield from joined(run)
            run = []
            yield delivery
            self._is_holding = delivery.hold is not None or (
                self._is_holding and not delivery.is_whole
            )
        yield from joined(run)

    def _deliveries(self) -> Iterator[Delivery]:
        while not self.is_over:
            if self._frame is None:
                header = read_header(self._octets)
                if header is None:
                    return
                self._frame = FrameInPassing(header, self._planner.plan(header))
            frame = self._frame
            size = min(frame.left, len(self._octets))
            if not size or (frame.is_gathered and size < frame.left):
                return
            octets = bytes(self._octets[:size])
            del self._octets[:size]
            if not frame.passed and frame.plan is not None:
                self._tell(frame.header, frame.plan, octets)
            delivery = made(frame, octets)
            frame.passed += size
            if not frame.left:
                self._frame = None
            if delivery is not None:
                self.is_stalled = delivery.stall == math.inf
                self.is_over = self.is_stalled or delivery.ending is not None
                yield delivery

    def _tell(self, header: Header, plan: Plan, octets: bytes) -> None:
        planner, told = self._planner, shown(header, octets)
        for fault, detail in plan.done:
            self._on_fault(
                FaultRecord(
                    planner.connection, planner.direction, planner.number, fault, detail, told
                )
            )


def made(frame: FrameInPassing, octets: bytes) -> Delivery | None:
    """Return how the next octets of a frame pass, None if they do not."""
    plan, start = frame.plan, frame.passed
    is_whole = len(octets) == frame.left
    if plan is None:
        return Delivery(octets, is_whole)
    # Time passes once, before the first octet.
    begin = Delivery(delay=plan.delay, stall=0.0 if start else plan.stall)
    if plan.reset:
        return replace(begin, ending=RESET)
    if plan.drop:
        return None
    octets = flipped(octets, plan.flips, start)
    if plan.end_at is not None and plan.end_at <= start + len(octets):
        return replace(begin, octets=octets[: plan.end_at - start], ending=END)
    cuts = {each - start for each in plan.cuts}
    return replace(
        begin,
        octets=octets * plan.copies,
        is_whole=is_whole,
        hold=plan.hold,
        cuts=tuple(sorted(each for each in cuts if 0 < each < len(octets))),
        gap=plan.gap,
    )


def flipped(octets: bytes, flips: list[int], start: int) -> bytes:
    """Return octets with bits flipped: bit 0 is the first one of the frame, its FIN."""
    changed = bytearray(octets)
    for flip in flips:
        octet, bit = divmod(flip, 8)
        if 0 <= octet - start < len(changed):
            changed[octet - start] ^= 0x80 >> bit
    return bytes(changed)


def joined(run: list[Delivery]) -> Iterator[Delivery]:
    """Yield plain deliveries as one."""
    if run:
        yield Delivery(b"".join(each.octets for each in run), run[-1].is_whole)
