"""Octets that take their time."""

from ..player import Player

__all__ = ("write_spread",)


async def write_spread(player: Player, data: bytes) -> None:
    """Send octets one by one, spread over the script's timeout."""
    await player.write(data, split="each", gap=player.wire.timeout / len(data))
