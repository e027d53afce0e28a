"""The payloads of a peer's data frames, inflated where they are compressed."""

import zlib

from aiohttp_rawws import Frame

__all__ = ("Payloads",)

TAIL = b"\x00\x00\xff\xff"
#: How much is inflated at a time, in bytes.
PART = 2**20


class Payloads:
    """Called with each data frame of a peer, in order, it returns what the frame says.

    Of very much the end is returned. A frame that cannot be inflated is taken as it stands.
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
            data = self._inflate.decompress(frame.payload + TAIL * frame.fin, PART)
            while rest := self._inflate.unconsumed_tail:
                data = self._inflate.decompress(rest, PART)
        except zlib.error:
            self._failed = True
            return frame.payload
        return data
