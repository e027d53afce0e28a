"""Misbehaviour by name: what a peer does wrong, as a script for each role that can do it.

    script = preset("no-pong").script("server")
    async with script_server(script) as server:
        ...  # let a client connect to server.url

Each preset begins well where that makes sense: the handshake is right, a client says "Hello", and
the fault comes behind the peer's first message, or after a fifth of the script's timeout without
one. Behind the fault it reads on to the peer's end, for the length of the timeout at most.
docs/presets.md lists them all.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from ..preset import Preset
from . import (
    closing,
    deflate,
    endings,
    floods,
    fragments,
    framing,
    handshake_client,
    handshake_server,
    keepalive,
    pace,
    sizes,
    text,
)

__all__ = ("PRESETS", "preset")

GROUNDS = (
    keepalive,
    closing,
    text,
    framing,
    fragments,
    sizes,
    pace,
    floods,
    endings,
    deflate,
    handshake_server,
    handshake_client,
)

#: All presets by their names, in the order of the grounds they stand on.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {each.name: each for ground in GROUNDS for each in ground.PRESETS}
)


def preset(name: str) -> Preset:
    """Return the preset of this name. ValueError, with the names near it, if there is none."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`play --presets` lists them"
    raise ValueError(f"there is no preset {name!r}; {hint}")
