"""Checks of arguments that are numbers."""

import math

from ..wire.arguments import shown

__all__ = ("check_int", "check_seconds")


def check_int(name: str, value: object, *, least: int = 1) -> None:
    """Raise TypeError for anything but an int, ValueError for one below `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_seconds(name: str, value: object, *, positive: bool = False) -> None:
    """Raise TypeError for anything but a number, ValueError for a negative or infinite one.

    With `positive`, ValueError for 0, too.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, got {shown(value)}")
    if not math.isfinite(value) or value < 0 or (positive and not value):
        kind = "positive" if positive else "not negative"
        raise ValueError(f"{name} must be finite and {kind}, got {value}")
