"""aiohttp_rawws: a tap is shown every frame, and does nothing with it."""

from aiohttp_rawws import Frame

from .rawws import run_proxy


def tap(direction: str, frame: Frame) -> None:
    pass


if __name__ == "__main__":
    run_proxy(tap=tap)
