"""The options of a relay."""

from typing import Any

import pytest

from aiohttp_rawws.proxy.plan import Plan


async def coroutine_function(direction: str, frame: object) -> None: ...


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tap": 1}, "TypeError: tap must be a plain function"),
    ({"tap": coroutine_function}, "TypeError: tap must be a plain function"),
    ({"tap_limit": 1}, "ValueError: tap_limit= is for a tap"),
    ({"tap": print, "tap_limit": -1}, "ValueError: tap_limit must be at least 0"),
    ({"tap": print, "tap_limit": "1"}, "TypeError: tap_limit must be an int"),
    ({"edit": 1}, "TypeError: edit must be a function"),
    ({"messages": True}, "ValueError: messages= is for an edit"),
    ({"messages": True, "tap": print}, "ValueError: messages= is for an edit"),
    ({"deflate": "on"}, 'ValueError: deflate must be "decode" or "offload", got \'on\''),
    ({"deflate": True}, "TypeError: deflate must be"),
    ({"on_start": 1}, "TypeError: on_start must be a plain function"),
    ({"on_start": coroutine_function}, "TypeError: on_start must be a plain function"),
    ({"idle": 0}, "ValueError: idle must be"),
    ({"idle": "1"}, "TypeError: idle must be"),
    ({"lifetime": -1}, "ValueError: lifetime must be"),
    ({"lifetime": float("inf")}, "ValueError: lifetime must be"),
    ({"heartbeat": 1}, "TypeError: heartbeat must be"),
    ({"heartbeat": (1, 2, 3)}, "TypeError: heartbeat must be"),
    ({"heartbeat": (0, 1)}, "ValueError: the interval of heartbeat"),
    ({"heartbeat": (1, None)}, "TypeError: the timeout of heartbeat"),
    ({"goodbye": 1001}, "TypeError: goodbye must be"),
    ({"goodbye": (1006, "")}, "ValueError: .*1006"),
    ({"goodbye": (1001, "x" * 124)}, "ValueError: "),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=str)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Plan(**options)
    with pytest.raises(RuntimeError, match=f"^{message}"):
        raise RuntimeError(f"{type(caught.value).__name__}: {caught.value}")


def test_right_options() -> None:
    Plan()
    Plan(
        tap=print,
        tap_limit=0,
        edit=coroutine_function,
        messages=True,
        deflate="decode",
        remask=True,
        idle=0.1,
        lifetime=1,
        heartbeat=(1, 2.5),
        goodbye=(1001, ""),
        on_start=print,
    )
