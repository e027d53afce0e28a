"""What stands between the two sides of a relay: nothing by default."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..session.checks import check_int, check_seconds
from ..wire.frames import Frame

if TYPE_CHECKING:
    from .injection import RelayHandle

__all__ = ("Deflate", "Edit", "Edited", "Farewell", "OnStart", "Plan", "Tap")

#: Called with the direction and each frame that takes it. One with a `tap_limit` takes
#: `Frame | Piece`.
Tap: TypeAlias = Callable[[str, Frame], object]

#: The frames that go on instead of one: None stands for that frame itself.
Edited: TypeAlias = Frame | Iterable[Frame] | None

Edit: TypeAlias = Callable[[str, Frame], Edited | Awaitable[Edited]]

#: How two sides are relayed that need not have the same permessage-deflate.
Deflate: TypeAlias = Literal["decode", "offload"]

#: Called with a relay that runs.
OnStart: TypeAlias = Callable[["RelayHandle"], object]

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
    messages: bool = False
    deflate: Deflate | None = None
    remask: bool = False
    idle: float | None = None
    lifetime: float | None = None
    heartbeat: tuple[float, float] | None = None
    goodbye: Farewell | None = None
    on_start: OnStart | None = None

    def __post_init__(self) -> None:
        check_function("tap", "a direction and a frame", self.tap)
        check_function("on_start", "a RelayHandle", self.on_start)
        if self.tap_limit is not None:
            check_int("tap_limit", self.tap_limit, least=0)
            if self.tap is None:
                raise ValueError("tap_limit= is for a tap: give tap= too")
        if self.edit is not None and not callable(self.edit):
            raise TypeError(
                f"edit must be a function of a direction and a frame, got {self.edit!r}"
            )
        if self.messages and self.edit is None:
            raise ValueError("messages= is for an edit: give edit= too")
        if self.deflate not in (None, "decode", "offload"):
            kind = ValueError if isinstance(self.deflate, str) else TypeError
            raise kind(f'deflate must be "decode" or "offload", got {self.deflate!r}')
        for name in ("idle", "lifetime"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name), positive=True)
        if self.heartbeat is not None:
            check_heartbeat(self.heartbeat)
        if self.goodbye is not None:
            check_farewell("goodbye", self.goodbye)

    @property
    def takes_whole_frames(self) -> bool:
        """True if frames are shown or changed, so that each is held until it is whole."""
        return self.edit is not None or (self.tap is not None and self.tap_limit is None)


def check_function(name: str, takes: str, function: object) -> None:
    if function is None or (callable(function) and not inspect.iscoroutinefunction(function)):
        return
    raise TypeError(f"{name} must be a plain function of {takes}, got {function!r}")


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
