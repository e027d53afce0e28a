"""The payloads of a peer's data frames, inflated where they are compressed."""

import zlib

from aiohttp_rawws import Frame

__all__ = ("Payloads",)

TAIL = b"\x00\x00\xff\xff"
#: How much a frame is inflated to, in bytes.
MOST = 2**20


class Payloads:
    """Called with each data frame of a peer, in order, it returns what the frame says.

    A frame that cannot be inflated, or whose payload is too much, is taken as it stands.
    """

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=-15)
        self._compressed = False
        self._failed = False

    def __call__(self, frame: Frame) -> bytes:
        if frame.opcode:
            self._compressed = frame.rsv1
        if not self._compressed or self._failed:
            return frame.payload
        try:
            data = self._inflate.decompress(frame.payload + TAIL * frame.fin, MOST)
        except zlib.error:
            self._failed = True
            return frame.payload
        self._failed = bool(self._inflate.unconsumed_tail)
        return data
