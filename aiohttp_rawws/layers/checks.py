"""The arguments of layers, checked where they are given."""

import math

from ..wire.arguments import shown

__all__ = ("check_int", "check_seconds")


def check_int(name: str, value: object, *, least: int = 1) -> None:
    """TypeError for what is no int, ValueError for one below `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_seconds(name: str, value: object, *, positive: bool = False) -> None:
    """TypeError for what is no number, ValueError for one that is negative or not finite."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, got {shown(value)}")
    if not math.isfinite(value) or value < 0 or (positive and not value):
        kind = "positive" if positive else "not negative"
        raise ValueError(f"{name} must be finite and {kind}, got {value}")
