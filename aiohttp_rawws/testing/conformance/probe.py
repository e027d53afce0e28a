"""The first connection to a server: is there one that echoes? It tells in one line if not."""

from yarl import URL

from .case import Case, Ending, Rounds, Send, Until, ping, text
from .judge import shown
from .seen import Seen

__all__ = ("PROBE", "fault_of", "needs_echo")

HELLO = ("text", b"Is this an echo?")
PONG = ("pong", b"probe")

#: A message and a Ping: a server that answers the Ping alone is there, and does not echo.
PROBE = Case(
    "",
    "",
    "",
    "",
    (Send((text(HELLO[1]), ping(PONG[1]))), Until(2)),
    Ending.GONE,
    ok=((HELLO, PONG), (PONG, HELLO)),
)

#: What a refusal asks for.
HINTS = {
    "400": "does it need a subprotocol, or another header?",
    "401": "it needs a header, Authorization",
    "403": "does it need a header: Authorization, Cookie, Origin?",
    "407": "it needs a header, Proxy-Authorization",
}


def needs_echo(case: Case) -> bool:
    """Tell whether a server has to send back messages in a case."""
    events = [event for each in case.ok for event in each]
    return any(kind in ("text", "binary") for kind, _ in events) or any(
        isinstance(step, Rounds) for step in case.steps
    )


def fault_of(seen: Seen, url: URL, seconds: float, *, echoes: bool) -> str:
    """Return why a server cannot be checked, "" if it can be, or does not answer at all."""
    if seen.status == "end" and seen.faults:
        return f"what the server answers to the handshake is no HTTP: {seen.faults[0]}"
    if seen.status == "end":
        tls = " Has it TLS? Then the URL begins with wss." if url.scheme in ("ws", "http") else ""
        return f"the server ends the connection in place of an answer to the handshake.{tls}"
    if seen.status != "101":
        return refusal(seen, url) if seen.status else ""
    return echo_fault(seen, seconds) if echoes else ""


def echo_fault(seen: Seen, seconds: float) -> str:
    messages = [event for event in seen.events if event[0] in ("text", "binary")]
    if messages and messages[0][1] == HELLO[1]:
        # One that sends it back as the other kind of message echoes, and has a fault.
        return ""
    if not messages and (seen.faults or not (seen.events or seen.is_over)):
        return ""
    if messages:
        what = f"{shown(messages[:1])} came back for {shown([HELLO])}"
    elif seen.close is not None:
        what = "it closes" + ("" if seen.code is None else f" with {seen.code}")
    elif seen.end is not None:
        what = "it ends the connection"
    else:
        what = f"it answers a Ping, and no message came back within {seconds:g} s"
    return f"the server does not echo: {what}"


def refusal(seen: Seen, url: URL) -> str:
    hint = HINTS.get(seen.status, f"is there a WebSocket at {url.path}?")
    location = "" if seen.answer is None else seen.answer.headers.get("Location", "")
    if seen.status.startswith("3") and location:
        hint = f"it redirects to {location!r}"
    return f"the server answers {seen.status} to a right opening handshake: {hint}"
