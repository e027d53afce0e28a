"""What stands between the two sides of a relay: nothing by default."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ..session.checks import check_int, check_seconds
from ..wire.frames import Frame

__all__ = ("Edit", "Edited", "Farewell", "Plan", "Tap")

#: Called with the direction and each frame that takes it. One with a `tap_limit` takes
#: `Frame | Piece`.
Tap: TypeAlias = Callable[[str, Frame], object]

#: The frames that go on instead of one: None stands for that frame itself.
Edited: TypeAlias = Frame | Iterable[Frame] | None

Edit: TypeAlias = Callable[[str, Frame], Edited | Awaitable[Edited]]

#: The code and the reason of a Close.
Farewell: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of one relay; `relay` explains them.

    Raise TypeError for a value of a wrong type, ValueError for one out of range.
    """

    tap: Tap | None = None
    tap_limit: int | None = None
    edit: Edit | None = None
    remask: bool = False
    idle: float | None = None
    lifetime: float | None = None
    heartbeat: tuple[float, float] | None = None
    goodbye: Farewell | None = None

    def __post_init__(self) -> None:
        if self.tap is not None and (
            not callable(self.tap) or inspect.iscoroutinefunction(self.tap)
        ):
            raise TypeError(
                f"tap must be a plain function of a direction and a frame, got {self.tap!r}"
            )
        if self.tap_limit is not None:
            check_int("tap_limit", self.tap_limit, least=0)
            if self.tap is None:
                raise ValueError("tap_limit= is for a tap: give tap= too")
        if self.edit is not None and not callable(self.edit):
            raise TypeError(
                f"edit must be a function of a direction and a frame, got {self.edit!r}"
            )
        for name in ("idle", "lifetime"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name), positive=True)
        if self.heartbeat is not None:
            check_heartbeat(self.heartbeat)
        if self.goodbye is not None:
            check_farewell("goodbye", self.goodbye)


def check_heartbeat(heartbeat: object) -> None:
    if not isinstance(heartbeat, tuple) or len(heartbeat) != 2:
        raise TypeError(f"heartbeat must be (interval, timeout) in seconds, got {heartbeat!r}")
    check_seconds("the interval of heartbeat", heartbeat[0], positive=True)
    check_seconds("the timeout of heartbeat", heartbeat[1], positive=True)


def check_farewell(name: str, farewell: object) -> None:
    """Raise TypeError for anything but a code and a reason, ValueError where no Close has them."""
    if not isinstance(farewell, tuple) or len(farewell) != 2:
        raise TypeError(f'{name} must be (code, reason), as (1001, ""), got {farewell!r}')
    Frame.close(*farewell)
