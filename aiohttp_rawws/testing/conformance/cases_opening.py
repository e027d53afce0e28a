"""The opening handshake, which Autobahn does not look at."""

from collections.abc import Iterator

from .case import Answer, Case, Changes, Ending, Request, Send, ping, text
from .opening import odd_key

__all__ = ("cases",)

HELLO = b"Hello, world!"
ECHO = (("text", HELLO),)


def cases() -> Iterator[Case]:
    yield from requests()
    yield from odd_requests()
    yield from refused_requests()
    yield from answers()
    yield from refused_answers()


# -- the peer is a server --------------------------------------------------------------------


def requests() -> Iterator[Case]:
    """What a server has to take."""

    def case(name: str, sentence: str, section: str = "4.2.1", **request: object) -> Case:
        return Case(
            f"opening.{name}",
            sentence,
            section,
            "opening",
            (Send((text(HELLO),)),),
            ok=(ECHO,),
            peers=("server",),
            request=Request(**request),  # type: ignore[arg-type]
        )

    def changed(name: str, sentence: str, change: Changes, section: str = "4.2.1") -> Case:
        return case(name, sentence, section, change=change)

    yield case("octet-by-octet", "The request comes octet by octet.", chop=1)
    yield case("in-threes", "The request comes in writes of three octets.", chop=3)
    yield changed("upgrade-case", "The token of Upgrade is WebSocket.", {"Upgrade": "WebSocket"})
    several: Changes = {"Connection": "keep-alive, Upgrade"}
    yield changed("connection-list", "Connection has two tokens.", several)
    lines: Changes = {"Connection": ("keep-alive", "Upgrade")}
    yield changed("connection-lines", "Connection has two lines.", lines)
    small: Changes = dict.fromkeys(
        ("host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"), "{}"
    )
    yield changed("small-letters", "The names of the headers are in small letters.", small)
    many: Changes = {f"X-Header-{number}": "x" * 20 for number in range(50)}
    yield changed("many-headers", "The request has 50 headers more.", many)
    unknown: Changes = {"Sec-WebSocket-Extensions": "x-unknown; level=1, x-other"}
    sentence = "An extension that nobody knows is offered: it is left out of the answer."
    yield changed("unknown-extension", sentence, unknown, "9.1")
    protocol: Changes = {"Sec-WebSocket-Protocol": "unknown.example, {}"}
    sentence = "A subprotocol that nobody knows is offered: the connection opens without it."
    yield changed("unknown-protocol", sentence, protocol, "4.2.2")
    origin: Changes = {"Origin": "http://localhost"}
    sentence = "The request has an Origin, as those of browsers."
    yield case("origin", sentence, change=origin, non_strict=("403",))


def odd_requests() -> Iterator[Case]:
    """What a server may take or refuse."""
    yield Case(
        "opening.frame-behind",
        "A frame stands right behind the request, before the answer.",
        "4.1",
        "opening",
        (),
        ok=(ECHO,),
        informational=True,
        peers=("server",),
        request=Request(behind=(text(HELLO),), ok=("101", "4xx", "5xx", "end")),
    )


def refused_requests() -> Iterator[Case]:
    """What a server has to refuse. To end TCP without an answer is NON-STRICT."""

    def case(
        name: str,
        sentence: str,
        change: Changes,
        section: str = "4.2.1",
        opened: bool = False,
        **request: object,
    ) -> Case:
        return Case(
            f"opening.{name}",
            f"{sentence}: the request is refused.",
            section,
            "opening",
            (),
            ok=((),),
            peers=("server",),
            request=Request(
                change=change,
                ok=("4xx", "5xx"),
                non_strict=("end", "2xx", "3xx", *(("101",) if opened else ())),
                **request,  # type: ignore[arg-type]
            ),
        )

    key = "Sec-WebSocket-Key"
    version = "Sec-WebSocket-Version"
    yield case("post", "The method is POST", {"Content-Length": "0"}, method="POST")
    yield case("http-1.0", "The version of HTTP is 1.0", {}, version="HTTP/1.0")
    yield case("no-host", "There is no Host", {"Host": None}, opened=True)
    yield case("no-upgrade", "There is no Upgrade", {"Upgrade": None})
    yield case("other-upgrade", "Upgrade names another protocol", {"Upgrade": "h2c"})
    yield case("longer-upgrade", "Upgrade is websocket2", {"Upgrade": "websocket2"})
    yield case("no-connection", "There is no Connection", {"Connection": None})
    yield case("other-connection", "Connection is keep-alive", {"Connection": "keep-alive"})
    yield case("no-key", "There is no key", {key: None})
    yield case("empty-key", "The key is empty", {key: ""})
    yield case("short-key", "The key has 12 bytes", {key: odd_key(12)}, opened=True)
    yield case("long-key", "The key has 20 bytes", {key: odd_key(20)}, opened=True)
    yield case("broken-key", "The key is not base64", {key: "!" * 24}, opened=True)
    two: Changes = {key: (odd_key(16), odd_key(16))}
    yield case("two-keys", "There are two keys", two, "11.3.1", opened=True)
    yield case("no-version", "There is no version", {version: None})
    yield case("version-x", "The version is no number", {version: "x"})
    sentence = "The version is 99, and the answer tells which it could be"
    yield case("version-99", sentence, {version: "99"}, "4.2.2", needs=version)


# -- the peer is a client --------------------------------------------------------------------


def answers() -> Iterator[Case]:
    """What a client has to send, and to take."""

    def case(name: str, sentence: str, section: str = "4.1", **answer: object) -> Case:
        return Case(
            f"opening.{name}",
            sentence,
            section,
            "opening",
            (Send((text(HELLO),)),),
            ok=(ECHO,),
            peers=("client",),
            answer=Answer(**answer),  # type: ignore[arg-type]
        )

    yield case("answer", "The client's request is right, and it takes the usual answer.")
    yield case("answer-octet-by-octet", "The answer comes octet by octet.", chop=1)
    sentence = "A frame stands right behind the answer, in the same write."
    yield case("answer-with-frame", sentence, joined=True)
    small: Changes = dict.fromkeys(("upgrade", "connection", "sec-websocket-accept"), "{}")
    sentence = "The names of the headers are in small letters."
    yield case("answer-small-letters", sentence, change=small)
    yield case("answer-upgrade-case", "Upgrade is WebSocket.", change={"Upgrade": "WebSocket"})
    sentence = "Connection has two tokens."
    yield case("answer-connection-list", sentence, change={"Connection": "keep-alive, upgrade"})
    yield case("answer-reason", "The reason is not the usual one.", status="101 Web Socket")
    many: Changes = {f"X-Header-{number}": "x" * 20 for number in range(50)}
    yield case("answer-many-headers", "The answer has 50 headers more.", change=many)


def refused_answers() -> Iterator[Case]:
    """What a client has to refuse: it ends TCP, and sends nothing. A Close is NON-STRICT."""

    def case(name: str, sentence: str, change: Changes, **answer: object) -> Case:
        return Case(
            f"opening.answer-{name}",
            f"{sentence}: the client ends the connection.",
            "4.1",
            "opening",
            (Send((text(HELLO), ping(HELLO))),),
            Ending.ENDS,
            ok=((),),
            peers=("client",),
            answer=Answer(change=change, refused=True, **answer),  # type: ignore[arg-type]
        )

    accept = "Sec-WebSocket-Accept"
    yield case("wrong-accept", "Sec-WebSocket-Accept is wrong", {accept: odd_key(20)})
    yield case("no-accept", "There is no Sec-WebSocket-Accept", {accept: None})
    yield case("no-upgrade", "There is no Upgrade", {"Upgrade": None})
    yield case("other-upgrade", "Upgrade names another protocol", {"Upgrade": "h2c"})
    yield case("no-connection", "There is no Connection", {"Connection": None})
    yield case("other-connection", "Connection is keep-alive", {"Connection": "keep-alive"})
    protocol: Changes = {"Sec-WebSocket-Protocol": "unknown.example"}
    yield case("unasked-protocol", "A subprotocol that was not offered", protocol)
    extension: Changes = {"Sec-WebSocket-Extensions": "x-unknown"}
    yield case("unasked-extension", "An extension that was not offered", extension)
    for status in ("200 OK", "401 Unauthorized", "404 Not Found", "503 Service Unavailable"):
        body: Changes = {"Content-Length": "4", "Connection": "close", "Upgrade": None}
        yield case(status[:3], f"The status is {status}", body, status=status, body=b"body")
