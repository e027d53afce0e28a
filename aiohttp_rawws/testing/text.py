"""Texts that are safe to show: what a peer has sent does not reach a terminal as it came."""

__all__ = ("printable",)


def printable(text: str) -> str:
    """Escape what cannot be printed."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
