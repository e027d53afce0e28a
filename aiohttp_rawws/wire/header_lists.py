"""Header lines, and the comma lists that several of them make (RFC 9110 section 5.6.1)."""

from collections.abc import Iterable, Sequence

from multidict import MultiMapping

__all__ = (
    "fold",
    "has_token",
    "lines",
    "only_line",
    "raw_lines",
    "tokens",
    "too_long",
    "wrong_length",
)

#: The limits of one comma list over all of its header lines: characters, and elements. No honest
#: peer comes near them, not even with tokens of several KiB as subprotocols.
LIST_SIZE = 64 * 1024
LIST_ELEMENTS = 1000


def lines(headers: MultiMapping[str], name: str) -> list[str]:
    """Return the values of all header lines of that name, without white space around them."""
    return [value.strip(" \t") for value in raw_lines(headers, name)]


def only_line(headers: MultiMapping[str], name: str) -> str | None:
    """Return the value of the header line of that name, None unless there is exactly one."""
    if name not in headers:
        return None
    values = headers.getall(name)
    return values[0].strip(" \t") if len(values) == 1 else None


def raw_lines(headers: MultiMapping[str], name: str) -> list[str]:
    """Return the values of all header lines of that name, as written."""
    # The headers of aiohttp 4.0 take no default.
    return headers.getall(name) if name in headers else []


def has_token(headers: MultiMapping[str], name: str, token: str) -> bool:
    """Return True if a token is in a comma list that is not too long."""
    if name not in headers:
        return False
    values = headers.getall(name)
    if len(values) == 1 and fold(values[0]) == token:
        return True
    return not is_too_long(values) and token in map(fold, tokens(headers, name))


def fold(text: str) -> str:
    """Return ASCII text in lower case. `str.lower` would turn the Kelvin sign into a k."""
    return text.lower() if text.isascii() else text


def tokens(headers: MultiMapping[str], name: str) -> tuple[str, ...]:
    """Return the elements of a comma list, over all header lines of that name, in order.

    Elements stay as written. Empty ones are dropped.
    """
    found = []
    for line in raw_lines(headers, name):
        for part in line.split(","):
            if element := part.strip(" \t"):
                found.append(element)
    return tuple(found)


def too_long(headers: MultiMapping[str], names: Iterable[str]) -> str | None:
    """Return the first header of `names` whose list is over the limits, None if none is."""
    for name in names:
        if name in headers and is_too_long(headers.getall(name)):
            return name
    return None


def is_too_long(values: Sequence[str]) -> bool:
    size = sum(map(len, values))
    # A list has no more elements than characters and lines.
    return size + len(values) > LIST_ELEMENTS and (
        size > LIST_SIZE or sum(value.count(",") + 1 for value in values) > LIST_ELEMENTS
    )


def wrong_length(headers: MultiMapping[str], names: Iterable[str]) -> str | None:
    """Return what is wrong with lists that are over the limits, None if none is."""
    name = too_long(headers, names)
    if name is None:
        return None
    return f"{name} is too long: it may have {LIST_ELEMENTS} elements, and {LIST_SIZE} characters."
