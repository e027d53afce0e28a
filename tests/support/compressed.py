"""Peers of a relay that speak in frames, compressed or not."""

from aiohttp_rawws import Frame
from aiohttp_rawws.layers import PermessageDeflate
from aiohttp_rawws.wire.frames import make_frame
from tests.support.octets import MASK
from tests.support.relays import Between, unmasked
from tests.support.wire import Wire

NAME = "permessage-deflate"

#: What the visitor and the upstream have negotiated.
LEGS = {
    "both": (NAME, f"{NAME}; client_no_context_takeover"),
    "the visitor": (NAME, ""),
    "the upstream": ("", NAME),
}


class Peer:
    """One peer of a relay."""

    def __init__(self, wire: Wire, *, is_client: bool, is_compressed: bool) -> None:
        self.wire = wire
        self.is_client = is_client
        self.deflate = PermessageDeflate(is_client=is_client) if is_compressed else None

    def send(self, *frames: Frame) -> None:
        for frame in frames:
            encoded = frame if self.deflate is None else self.deflate.encode(frame)
            self.wire.send(encoded.replace(mask=MASK if self.is_client else None).encode())

    async def receive_raw(self) -> Frame:
        """Return the next frame as it is on the wire."""
        head, payload = await (self.wire.read_frame() if self.is_client else unmasked(self.wire))
        return make_frame(head, payload, None, 0)

    async def receive(self) -> Frame:
        frame = await self.receive_raw()
        assert frame.rsv1 <= (self.deflate is not None)
        return frame if self.deflate is None else self.deflate.decode(frame)


def peers(it: Between) -> tuple[Peer, Peer]:
    """Return the visitor and the upstream of a relay."""
    return (
        Peer(it.visitor, is_client=True, is_compressed=it.a.extensions is not None),
        Peer(it.upstream, is_client=False, is_compressed=it.b.extensions is not None),
    )
