"""Scripts: what a peer does on one connection, step by step."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import openings, steps
from .arguments import Split, check_flag, check_seconds
from .http import HeaderLines, HttpHead
from .patterns import Pattern, pattern_of
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
        if not isinstance(name, str):
            raise TypeError(f"the name of a script is a str, got {name!r}")
        check_seconds("timeout", timeout)
        check_flag("handshake", handshake)
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
        if isinstance(step, type) or not callable(getattr(step, "run", None)):
            raise TypeError(f"a step has a method run(player), got {step!r}")
        self.steps.append(step)
        return self

    def whole(self, is_client: bool) -> list[Step]:
        """Return the steps with the handshake that a peer of this role begins with."""
        opening = (openings.Answer, openings.Request)
        if not self.handshake or (self.steps and isinstance(self.steps[0], opening)):
            return list(self.steps)
        return [openings.Request() if is_client else openings.Answer(), *self.steps]

    # -- the handshake ---------------------------------------------------------------------

    def answer(
        self,
        status: int = 101,
        *,
        headers: HeaderLines = (),
        body: bytes = b"",
        accept: str | None = None,
        protocol: str | None = None,
        extensions: str | None = None,
        raw: bytes | Callable[[HttpHead], bytes] | None = None,
        behind: bytes = b"",
        split: Split = (),
        gap: float = 0.0,
        cut: int | None = None,
    ) -> "Script":
        """Read the request and answer it: by default with a right 101.

        `headers` are a mapping, which replaces those of a right answer ("" leaves one out), or
        pairs, which are added. `accept`, `protocol` and `extensions` are the values of these
        headers. `raw` is sent in place of all: octets, or a function of the request's head.
        `behind` are octets behind it in the same write. `split`, `gap` and `cut` are as in `send`.
        """
        return self.add(
            openings.Answer(
                status, headers, body, accept, protocol, extensions, raw, behind, split, gap, cut
            )
        )

    def request(
        self,
        path: str = "/",
        *,
        headers: HeaderLines = (),
        host: str = "localhost",
        protocols: Sequence[str] = (),
        extensions: str | None = None,
        raw: bytes | None = None,
        behind: bytes = b"",
        split: Split = (),
        gap: float = 0.0,
        cut: int | None = None,
        status: int | None = 101,
        method: str = "GET",
        version: str = "HTTP/1.1",
    ) -> "Script":
        """Send a request, by default a right one, and read the head of the answer.

        `status` is that of the answer that is expected: None is any, and 0 waits for none. The
        accept of a 101 is checked. `headers`, `raw` and `behind` are as in `answer`.
        """
        return self.add(
            openings.Request(
                path,
                headers,
                host,
                protocols,
                extensions,
                raw,
                behind,
                split,
                gap,
                cut,
                status,
                method,
                version,
            )
        )

    # -- waiting ---------------------------------------------------------------------------

    def expect(self, *patterns: Pattern, within: float | None = None) -> "Script":
        """Expect that the next frames are like these, one each."""
        if not patterns:
            raise TypeError('expect takes a pattern: "any" is any frame')
        for pattern in patterns:
            self.add(steps.Expect(pattern_of(pattern), within))
        return self

    def until(self, pattern: Pattern, *, count: int = 1, within: float | None = None) -> "Script":
        """Wait for the `count`th frame like this. Others are passed over.

        Each of the `count` may take `within` seconds, by default the script's timeout.
        """
        return self.add(steps.Until(pattern_of(pattern), count, within))

    def expect_end(
        self, how: str = "any", *, passing: bool = False, within: float | None = None
    ) -> "Script":
        """Expect that the peer ends its stream: by "FIN", "RST" or "any".

        `passing` lets frames come before.
        """
        return self.add(steps.ExpectEnd(how, passing, within))

    def echo(self, until: Pattern | None = None, *, count: int = 1, pongs: bool = True) -> "Script":
        """Echo data, answer pings and a Close: to the `count`th frame like this, or to the end.

        `pongs=False` answers no pings.
        """
        wanted = None if until is None else pattern_of(until)
        return self.add(steps.Echo(wanted, count, pongs))

    def branch(
        self,
        cases: Mapping[Any, "Script"] | Iterable[tuple[Pattern, "Script"]],
        otherwise: "Script | None" = None,
        *,
        within: float | None = None,
    ) -> "Script":
        """Read a frame, and go on with the first script whose pattern it is like.

        `otherwise` is for a frame like none of them, which is a failure without it.
        """
        pairs = cases.items() if isinstance(cases, Mapping) else cases
        found = tuple((pattern_of(pattern), steps_of(script)) for pattern, script in pairs)
        rest = None if otherwise is None else steps_of(otherwise)
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
        offsets in each frame where one write ends and the next begins ("each" octet, or some at
        "random"), `gap` the seconds between them. `cut` sends only so many octets of each frame.
        """
        return self.add(steps.Send(frames, masked, split, gap, times, cut))

    def send_octets(
        self, data: bytes, *, split: Split = (), gap: float = 0.0, times: int = 1
    ) -> "Script":
        """Send octets as they are."""
        return self.add(steps.SendOctets(data, split, gap, times))

    def pause(self, seconds: float) -> "Script":
        """Send nothing for some seconds. What comes meanwhile is there for the next steps."""
        return self.add(steps.Pause(seconds))

    def stall(self, seconds: float | None = None, *, reads: bool = True) -> "Script":
        """Send nothing more, until the peer ends its stream or `seconds` pass.

        They are the script's timeout by default. `reads=False` reads nothing either, so that the
        peer cannot send, and does not see its end.
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
        return self.add(steps.Repeat(times, steps_of(script)))

    def then(self, script: "Script") -> "Script":
        """Add the steps of another script."""
        self.steps.extend(steps_of(script))
        return self


def steps_of(script: object) -> tuple[Step, ...]:
    """Return the steps of a script. TypeError for anything else."""
    if not isinstance(script, Script):
        raise TypeError(f"a Script is needed, got {script!r}")
    return tuple(script)
