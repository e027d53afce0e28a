"""The negotiation of permessage-deflate: functions over the text of headers (RFC 7692 7)."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

__all__ = (
    "HEADER",
    "Parameters",
    "Value",
    "agreement",
    "answer_of",
    "answer_to",
    "header_value",
    "offers_of",
)

HEADER = "Sec-WebSocket-Extensions"
NAME = "permessage-deflate"

#: The limits of a header: extensions and parameters that are read, and characters of a quoted
#: value. Honest peers send far less, and this much is little work.
MAX_ELEMENTS = 100
MAX_QUOTED = 256
#: The part of a header that an error quotes, in characters.
SHOWN = 20

# RFC 6455 section 9.1: an extension, first or behind ",", or a parameter behind ";". The pattern
# never tries the same text from two places: the time is linear.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = rf'"((?:[^"\\]|\\.){{0,{MAX_QUOTED}}})"'
ELEMENT = re.compile(rf"([,;]|^)[ \t]*(?:({TOKEN})(?:[ \t]*=[ \t]*(?:({TOKEN})|{QUOTED}))?)?[ \t]*")

# RFC 7692 section 7.1.2: decimal, without leading zeroes.
WINDOW_BITS = {str(bits): bits for bits in range(8, 16)}


class Parameters(NamedTuple):
    """The parameters of an offer or an answer (RFC 7692 section 7.1). None is a missing one.

    `client_max_window_bits` of an offer is 15 if it has no value: that limits nothing.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None


class Value(str):
    """The value of a header, with zlib's settings for `PermessageDeflate.of`. They are not sent."""

    __slots__ = ("level", "mem_level")

    level: int
    mem_level: int


def extensions(header: str) -> list[tuple[str | None, list[tuple[str, str | None]]]]:
    """Return the extensions of a header, each with its parameters; ValueError for a malformed one.

    An empty element is allowed and means nothing (RFC 9110 section 5.6.1): its name is None. Only
    the first MAX_ELEMENTS elements are read.
    """
    result: list[tuple[str | None, list[tuple[str, str | None]]]] = []
    position = 0
    for _ in range(MAX_ELEMENTS):
        if position == len(header):
            break
        start = position
        found = ELEMENT.match(header, start)
        separator, name, value, quoted = found.groups() if found else (None,) * 4
        position = found.end() if found else start
        if quoted is not None:
            value = re.sub(r"\\(.)", r"\1", quoted)
        if position > start and separator != ";" and value is None:
            result.append((name, []))
        elif separator == ";" and name is not None and result and result[-1][0] is not None:
            result[-1][1].append((name, value))
        else:
            raise ValueError(
                f"it is malformed from {excerpt(header[start : start + 2 * SHOWN])} on"
            )
    return result


def excerpt(text: str) -> str:
    """Return text of the peer as an error message shows it."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def parameters_of(pairs: list[tuple[str, str | None]], *, is_offer: bool) -> Parameters:
    """Return the parameters of one permessage-deflate; ValueError for a wrong one (section 7.1)."""
    known: dict[str, Any] = {}
    for name, text in pairs:
        if name not in Parameters._fields:
            raise ValueError(f"the parameter {name[:SHOWN]} is unknown")
        if name in known:
            raise ValueError(f"{name} stands there twice")
        if name.endswith("takeover"):
            if text is not None:
                raise ValueError(f"{name} has a value, {excerpt(text)}")
            known[name] = True
        elif text is None and is_offer and name.startswith("client"):
            known[name] = 15
        elif text in WINDOW_BITS:
            known[name] = WINDOW_BITS[text]
        else:
            given = "no value" if text is None else excerpt(text)
            raise ValueError(f"{name} must be 8 to 15, got {given}")
    return Parameters(**known)


def offers_of(headers: Iterable[str]) -> Iterator[Parameters]:
    """Yield the offers of permessage-deflate that are well-formed, in the client's order."""
    try:
        offers = extensions(", ".join(headers))
    except ValueError:
        return
    for name, pairs in offers:
        if name == NAME:
            try:
                offered = parameters_of(pairs, is_offer=True)
            except ValueError:
                continue
            yield offered


def answer_to(offered: Parameters, wanted: Parameters) -> Parameters:
    """Return the answer of a server that wants `wanted` to a client that offers `offered`."""
    server_bits = min(offered.server_max_window_bits or 15, wanted.server_max_window_bits or 15)
    client_bits = min(offered.client_max_window_bits or 15, wanted.client_max_window_bits or 15)
    return Parameters(
        # The answer must have what the client asks of the server (sections 7.1.1.1, 7.1.2.1). It
        # may have the client's hints, which save memory.
        offered.server_no_context_takeover or wanted.server_no_context_takeover,
        offered.client_no_context_takeover or wanted.client_no_context_takeover,
        server_bits if server_bits < 15 or offered.server_max_window_bits else None,
        # Section 7.1.2.2: must not be in the answer unless it was offered.
        client_bits if client_bits < 15 and offered.client_max_window_bits else None,
    )


def answer_of(header: str | None) -> Parameters | None:
    """Return what a server has agreed on, None without it; ValueError for a malformed answer."""
    found = [pairs for name, pairs in extensions(header or "") if name == NAME]
    if len(found) > 1:
        raise ValueError(f"{NAME} stands there twice")
    return parameters_of(found[0], is_offer=False) if found else None


def agreement(answer: Parameters, offers: Iterable[Parameters]) -> Parameters:
    """Return what holds on a client that has sent `offers`; ValueError if no offer fits."""
    wrong = f"{NAME} was not offered"
    for offered in offers:
        wrong = misfit(answer, offered)
        if not wrong:
            # The hints of an offer bind the client whatever the answer (7.1.1.2 and 7.1.2.2).
            bits = min(answer.client_max_window_bits or 15, offered.client_max_window_bits or 15)
            return answer._replace(
                client_no_context_takeover=answer.client_no_context_takeover
                or offered.client_no_context_takeover,
                client_max_window_bits=bits,
            )
    raise ValueError(wrong)


def misfit(answer: Parameters, offered: Parameters) -> str:
    """Return why an answer does not fit an offer, "" if it does."""
    if offered.server_no_context_takeover and not answer.server_no_context_takeover:
        return "server_no_context_takeover was asked for and is missing"
    if (answer.server_max_window_bits or 15) > (offered.server_max_window_bits or 15):
        return f"server_max_window_bits={offered.server_max_window_bits} was asked for"
    if offered.server_max_window_bits and not answer.server_max_window_bits:
        return "server_max_window_bits was asked for and is missing"
    if answer.client_max_window_bits and not offered.client_max_window_bits:
        return "client_max_window_bits was not offered"
    return ""


def header_value(parameters: Parameters, level: int, mem_level: int) -> Value:
    """Return parameters as the value of a header."""
    parts = [NAME]
    if parameters.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if parameters.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if parameters.server_max_window_bits:
        parts.append(f"server_max_window_bits={parameters.server_max_window_bits}")
    if parameters.client_max_window_bits == 15:
        # Without its value it means the same, and every server knows that form.
        parts.append("client_max_window_bits")
    elif parameters.client_max_window_bits:
        parts.append(f"client_max_window_bits={parameters.client_max_window_bits}")
    value = Value("; ".join(parts))
    value.level = level
    value.mem_level = mem_level
    return value
