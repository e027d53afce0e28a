"""How a preset is tried: what of a peer's behaviour is looked at, and for how long."""

from dataclasses import dataclass

from aiohttp_rawws.testing import Preset
from aiohttp_rawws.testing.presets import PRESETS

__all__ = ("CLIENTS", "KINDS", "SERVERS", "Bounds", "Case", "case", "cases", "script_role")

SERVERS, CLIENTS = KINDS = ("servers", "clients")

#: A peer that pings is needed: it runs with a heartbeat of this many seconds.
HEARTBEAT = 4.0
PINGING = {"no-pong", "late-pong", "wrong-pong", "half-open"}
#: The peer has to be the one that closes.
CLOSING = {"never-closes"}
#: The fault lasts to the end of the script.
LASTING = {
    "no-pong",
    "late-pong",
    "wrong-pong",
    "never-closes",
    "gigabyte",
    "stall-in-header",
    "stall-in-mask",
    "stall-in-payload",
    "never-reads",
    "half-open",
    "answer-stalled",
    "request-stalled",
}
#: Nothing can be sent behind the fault: the stream has ended, or a frame is not finished.
MUTE = {
    "length-top-bit",
    "close-twice",
    "data-after-close",
    "close-1005",
    "close-1006",
    "close-999",
    "close-one-octet",
    "close-bad-utf8",
    "end-without-close",
    "end-in-payload",
}
#: The peer may be waiting for a clock of its own, so it is given the time.
PATIENT = {
    "stall-in-header",
    "stall-in-mask",
    "stall-in-payload",
    "answer-stalled",
    "request-stalled",
    "answer-slow",
    "request-slow",
    "never-closes",
    "never-reads",
    "half-open",
}
#: The first frame that is sent is right. Its echo is none of the fault.
RIGHT_FIRST = {"deflate-window-exceeded", "deflate-context-kept", "start-inside-message"}
#: The fault costs CPU time: few of them run at a time.
LOUD = {
    "ping-flood",
    "empty-fragment-flood",
    "deflate-bomb",
    "answer-header-flood",
    "request-header-flood",
}
#: The memory of the peer is measured.
MEASURED = LOUD | {"gigabyte", "never-reads"}
#: Nothing comes back on the wire. What the application is told counts.
UNSEEN = {"half-open", "never-reads"}


@dataclass(frozen=True)
class Bounds:
    """How long a peer is watched, in seconds."""

    #: Where it has to act at once.
    prompt: float = 10.0
    #: Where it has much to do, or pings first.
    long: float = 20.0
    #: Where it may have a clock of its own.
    patient: float = 100.0
    #: For signs of life of the program, and for what the application is told.
    health: float = 5.0


@dataclass(frozen=True)
class Case:
    """A preset against peers of one kind: "servers" or "clients"."""

    preset: Preset
    kind: str

    @property
    def name(self) -> str:
        return self.preset.name

    @property
    def pinging(self) -> bool:
        """True if the peer runs with a heartbeat."""
        return self.name in PINGING

    @property
    def mode(self) -> str:
        """What the application of the peer does: "echo" or "close"."""
        return "close" if self.name in CLOSING else "echo"

    @property
    def lasting(self) -> bool:
        """True if the fault lasts to the script's end. A right peer may wait for ever."""
        return self.name in LASTING

    @property
    def probes(self) -> bool:
        """True if a probe can follow the fault."""
        return self.name not in LASTING | MUTE

    @property
    def patient(self) -> bool:
        return self.name in PATIENT

    @property
    def loud(self) -> bool:
        return self.name in LOUD

    @property
    def must_fail(self) -> bool:
        """True if the fault breaks a rule, and lets the peer fail the connection at once."""
        return bool(self.preset.section) and not self.lasting

    @property
    def measured(self) -> bool:
        return self.name in MEASURED

    @property
    def told(self) -> bool:
        """True if what the application is told counts, not what is on the wire."""
        return self.name in UNSEEN or self.name.startswith("reset-")

    @property
    def deflate(self) -> bool:
        """True if the fault is one only where compression was negotiated."""
        return self.name.startswith("deflate-") and self.name != "deflate-not-negotiated"

    @property
    def right_first(self) -> bool:
        """True if the first frame that is sent is right, and the fault comes behind it."""
        return self.name in RIGHT_FIRST

    @property
    def in_handshake(self) -> bool:
        """True if the fault is what the handshake says of compression."""
        return self.name == "deflate-wrong-window"

    def bound(self, bounds: Bounds) -> float:
        """Return how long a peer is watched."""
        if self.patient:
            return bounds.patient
        return bounds.long if self.loud or self.pinging else bounds.prompt


def script_role(kind: str) -> str:
    """Return the role of the script that peers of a kind meet."""
    return "client" if kind == SERVERS else "server"


def case(name: str, kind: str) -> Case:
    return Case(PRESETS[name], kind)


def cases(kind: str, names: "set[str] | None" = None) -> list[Case]:
    """Return the cases for one kind of peers, of all presets or of those named."""
    role = script_role(kind)
    return [
        Case(preset, kind)
        for preset in PRESETS.values()
        if role in preset.roles and (names is None or preset.name in names)
    ]
