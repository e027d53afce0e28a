"""Checks of what a script is given: a mistake is told where the script is written."""

import math
from collections.abc import Iterable, Sequence

__all__ = (
    "Split",
    "check_choice",
    "check_count",
    "check_flag",
    "check_octets",
    "check_seconds",
    "check_seed",
    "check_text",
    "split_of",
)

#: The offsets where one write ends and the next begins; "each" for each octet, "random" for some.
Split = Iterable[int] | str


def check_seconds(name: str, value: object, *, optional: bool = False) -> None:
    """Raise TypeError or ValueError for anything but a finite number of seconds from 0."""
    if value is None and optional:
        return
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is a finite number of seconds from 0, got {value!r}")


def check_count(
    name: str, value: object, least: int = 0, most: int = 2**63, *, optional: bool = False
) -> None:
    """Raise TypeError or ValueError for anything but a whole number in this range."""
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, got {value!r}")
    if not least <= value <= most:
        limits = f"from {least}" if most == 2**63 else f"from {least} to {most}"
        raise ValueError(f"{name} is a whole number {limits}, got {value}")


def check_seed(seed: object) -> None:
    """Raise TypeError for anything but a whole number, or None."""
    if seed is not None and not isinstance(seed, int):
        raise TypeError(f"seed is a whole number, got {seed!r}")


def check_flag(name: str, value: object, *, optional: bool = False) -> None:
    """Raise TypeError for anything but True and False."""
    if not isinstance(value, bool) and not (value is None and optional):
        raise TypeError(f"{name} is true or false, got {value!r}")


def check_octets(name: str, value: object, *, optional: bool = False) -> None:
    """Raise TypeError for anything but bytes."""
    if not isinstance(value, bytes) and not (value is None and optional):
        hint = "; text.encode() makes bytes" if isinstance(value, str) else ""
        raise TypeError(f"{name} is bytes, got {value!r}{hint}")


def check_text(
    name: str, value: object, encoding: str = "latin-1", *, optional: bool = False
) -> None:
    """Raise TypeError for anything but a str, ValueError for one that this encoding has not."""
    if value is None and optional:
        return
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, got {value!r}")
    try:
        value.encode(encoding)
    except UnicodeEncodeError:
        raise ValueError(f"{name} has a character that {encoding} has not: {value!r}") from None


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError for anything but one of these words."""
    if value not in choices:
        raise ValueError(f"{name} is {' or '.join(map(repr, choices))}, got {value!r}")


def split_of(split: Split) -> tuple[int, ...] | str:
    """Return where to split as a word or a tuple. TypeError or ValueError for anything else."""
    if split in ("each", "random"):
        return str(split)
    if isinstance(split, Iterable) and not isinstance(split, (str, bytes)):
        offsets = tuple(split)
        if all(isinstance(each, int) and each > 0 for each in offsets):
            return offsets
    raise ValueError(f"split is offsets from 1, 'each' or 'random', got {split!r}")
