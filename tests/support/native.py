"""Output and payload memory, filled as a transport fills it."""

from typing import Any

from tests.support.octets import MASK, xor

KEYS = (None, MASK, bytes(4), b"\xff\x00\xff\x01")


def masked(payload: bytes, key: "bytes | None") -> bytes:
    return payload if key is None else xor(payload, key)


def output(mask: Any, data: bytes = b"") -> Any:
    out = mask.Output()
    out.put(data, None)
    return out


def arrive(payload: Any, wire: bytes) -> None:
    """Read bytes in place, in as few reads as there is room for."""
    while wire:
        view = payload.view()
        count = min(len(view), len(wire))
        view[:count] = wire[:count]
        payload.wrote(count)
        wire = wire[count:]


def rooms(payload: Any, wire: bytes) -> "list[int]":
    """Read bytes in place; return the room before each read."""
    seen = []
    while wire:
        view = payload.view()
        seen.append(len(view))
        arrive(payload, wire[: len(view)])
        wire = wire[len(view) :]
    return seen
