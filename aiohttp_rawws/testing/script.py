"""Scripts: what a peer does on one connection, step by step."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import openings, steps
from .patterns import Pattern, pattern_of
from .player import Split
from .steps import Step, ToSend

__all__ = ("Script",)


class Script:
    """The steps of a peer, server or client, in the order in which they were added.

        script = Script().expect("text").send(Frame.text("hi")).until("ping", count=3).reset()

    A script that does not begin with `answer` or `request` begins with a right handshake, and
    `Script(handshake=False)` with none. Behind its last step the connection ends with a FIN.

    Each method adds a step and returns the script. `name` stands in reports. `timeout` bounds
    each wait for the peer, in seconds. A script is not changed by being played, and can be played
    many times.
    """

    def __init__(
        self, name: str = "script", *, timeout: float = 10.0, handshake: bool = True
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.handshake = handshake
        self.steps: list[Step] = []

    def __repr__(self) -> str:
        return f"<Script {self.name!r}: {'; '.join(str(step) for step in self.steps)}>"

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def add(self, step: Step) -> "Script":
        """Add a step: anything with `async def run(player)`, and a str for reports."""
        self.steps.append(step)
        return self

    def whole(self, is_client: bool) -> list[Step]:
        """Return the steps with the handshake that a peer of this role begins with."""
        opening = (openings.Answer, openings.Request)
        if not self.handshake or (self.steps and isinstance(self.steps[0], opening)):
            return list(self.steps)
        return [openings.Request() if is_client else openings.Answer(), *self.steps]

    # -- the handshake ---------------------------------------------------------------------

    def answer(self, status: int = 101, **options: Any) -> "Script":
        """Answer the request, rightly or not. The options are those of `Answer`."""
        return self.add(openings.Answer(status, **options))

    def request(self, path: str = "/", **options: Any) -> "Script":
        """Send a request, right or not. The options are those of `Request`."""
        return self.add(openings.Request(path, **options))

    # -- waiting ---------------------------------------------------------------------------

    def expect(self, *patterns: Pattern, within: float | None = None) -> "Script":
        """The next frames are like these, one each."""
        for pattern in patterns:
            self.add(steps.Expect(pattern_of(pattern), within))
        return self

    def until(self, pattern: Pattern, *, count: int = 1, within: float | None = None) -> "Script":
        """Wait for the `count`th frame like this. Others are passed over."""
        return self.add(steps.Until(pattern_of(pattern), count, within))

    def expect_end(
        self, how: str = "any", *, passing: bool = False, within: float | None = None
    ) -> "Script":
        """The peer ends its stream, by "FIN", "RST" or "any". `passing` lets frames come before."""
        return self.add(steps.ExpectEnd(how, passing, within))

    def echo(self, until: Pattern | None = None, *, count: int = 1, pongs: bool = True) -> "Script":
        """Echo data, answer pings and a Close: to the `count`th frame like this, or to the end."""
        wanted = None if until is None else pattern_of(until)
        return self.add(steps.Echo(wanted, count, pongs))

    def branch(
        self,
        cases: Mapping[Any, "Script"] | Iterable[tuple[Pattern, "Script"]],
        otherwise: "Script | None" = None,
        *,
        within: float | None = None,
    ) -> "Script":
        """Read a frame, and go on with the first script whose pattern it is like."""
        pairs = cases.items() if isinstance(cases, Mapping) else cases
        found = tuple((pattern_of(pattern), tuple(script)) for pattern, script in pairs)
        rest = None if otherwise is None else tuple(otherwise)
        return self.add(steps.Branch(found, rest, within))

    # -- sending ---------------------------------------------------------------------------

    def send(
        self,
        *frames: ToSend,
        masked: bool | None = None,
        split: Split = (),
        gap: float = 0.0,
        times: int = 1,
        cut: int | None = None,
    ) -> "Script":
        """Send frames, or what functions make of the last frame that was seen.

        A client masks them and a server does not, unless `masked` is given. `split` are the
        offsets where one write ends and the next begins ("each", "random"), `gap` the seconds
        between. `cut` sends only so many octets of each frame.
        """
        return self.add(steps.Send(frames, masked, split, gap, times, cut))

    def send_octets(
        self, data: bytes, *, split: Split = (), gap: float = 0.0, times: int = 1
    ) -> "Script":
        """Send octets as they are."""
        return self.add(steps.SendOctets(bytes(data), split, gap, times))

    def pause(self, seconds: float) -> "Script":
        """Send nothing for some seconds. What comes meanwhile is there for the next steps."""
        return self.add(steps.Pause(seconds))

    def stall(self, seconds: float | None = None, *, reads: bool = True) -> "Script":
        """Send nothing more, until the peer ends its stream or `seconds` pass.

        `reads=False` reads nothing either, so that the peer cannot send.
        """
        return self.add(steps.Stall(seconds, reads))

    # -- ending ----------------------------------------------------------------------------

    def close(
        self, code: int | None = 1000, reason: str = "", *, within: float | None = None
    ) -> "Script":
        """Send a Close and wait for the peer's. Frames before it are passed over."""
        return self.add(steps.CloseHandshake(code, reason, within))

    def half_close(self) -> "Script":
        """Send a FIN and read on. Not on TLS."""
        return self.add(steps.HalfClose())

    def reset(self) -> "Script":
        """End the connection with a RST."""
        return self.add(steps.Reset())

    # -- composing -------------------------------------------------------------------------

    def repeat(self, times: int, script: "Script") -> "Script":
        """Do the steps of another script some times."""
        return self.add(steps.Repeat(times, tuple(script)))

    def then(self, script: "Script") -> "Script":
        """Add the steps of another script."""
        self.steps.extend(script)
        return self
