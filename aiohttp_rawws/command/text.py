"""Texts that are safe to show. What a peer sends never reaches a terminal as it came."""

import re

__all__ = ("TEXT_SHOWN", "escaped", "preview")

#: The bytes of a payload that are shown.
TEXT_SHOWN = 80
HEX_SHOWN = 32

#: Control characters other than tab and line ends. A payload with one is shown in hexadecimal.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def escaped(text: str) -> str:
    """Return a line in which the backslash and all that cannot be printed is escaped."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        each if each.isprintable() and each != "\\" else each.encode("unicode_escape").decode()
        for each in text
    )


def preview(payload: bytes, *, cut: bool = False, whole: bool = False) -> str:
    """Return the start of a payload: quoted text, or hexadecimal digits if it is not text.

    Dots behind it say that more follows, also if the payload was `cut` before. With `whole` all
    that is there is shown.
    """
    shown = payload if whole else payload[:TEXT_SHOWN]
    text = text_of(shown, cut=cut or len(shown) < len(payload))
    if text is None:
        shown = payload if whole else payload[:HEX_SHOWN]
        text = shown.hex(" ")
    elif text:
        text = f'"{escaped(text)}"'
    return f"{text}..." if cut or len(shown) < len(payload) else text


def text_of(data: bytes, *, cut: bool) -> str | None:
    """Return data as text, or None if it is something else.

    With `cut` the data may end within a character, which is left out.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if not (cut and error.reason == "unexpected end of data"):
            return None
        text = data[: error.start].decode()
    return None if CONTROL.search(text) else text
