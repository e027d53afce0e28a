"""permessage-deflate as the check speaks it (RFC 7692): made of zlib alone."""

import zlib
from dataclasses import dataclass

from .case import Deflate

__all__ = ("Codec", "Terms", "TermsError", "accept", "offer")

NAME = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"
#: The size that an echo may have once it is inflated, in bytes.
MAX_MESSAGE = 64 * 2**20


class TermsError(Exception):
    """The answer of the peer is none to what was offered."""


@dataclass(frozen=True)
class Terms:
    """What was negotiated, for either compressor."""

    server_takeover: bool = True
    client_takeover: bool = True
    server_bits: int = 15
    client_bits: int = 15

    @classmethod
    def of(cls, header: str) -> "Terms":
        """Read the answer of a server, with which a connection opens. Raises TermsError."""
        found = parse(header)
        if len(found) != 1 or found[0].pop("", None) != NAME:
            raise TermsError(f"Sec-WebSocket-Extensions {header!r} was not offered")
        terms = found[0]
        known = {each: terms.pop(each, None) for each in PARAMETERS}
        if terms:
            raise TermsError(f"unknown parameters in {header!r}")
        return cls(
            known["server_no_context_takeover"] is None,
            known["client_no_context_takeover"] is None,
            bits(known["server_max_window_bits"]),
            bits(known["client_max_window_bits"]),
        )


PARAMETERS = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)


def bits(value: str | None) -> int:
    if value is None:
        return 15
    if not value.isascii() or not value.isdigit() or not 8 <= int(value) <= 15:
        raise TermsError(f"window bits {value!r}")
    return int(value)


def parse(header: str) -> list[dict[str, str]]:
    """Return the offers of a header, each with its name as the parameter ""."""
    offers = []
    for each in header.split(","):
        name, *parameters = (word.strip() for word in each.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        offers.append({"": name} | {key.strip(): value.strip(' "') for key, _, value in pairs})
    return offers


def offer(deflate: Deflate) -> str:
    """Return what the check offers to a server."""
    offers = []
    for no_takeover, window in deflate.wanted:
        words = [NAME, "client_no_context_takeover", "client_max_window_bits"]
        words += ["server_no_context_takeover"] if no_takeover else []
        words += [f"server_max_window_bits={window}"] if window else []
        offers.append("; ".join(words))
    return ", ".join(offers)


def accept(deflate: Deflate, header: str) -> str | None:
    """Return the answer to the offers of a client, None if none allows what is wanted."""
    for no_takeover, window in deflate.wanted:
        for each in parse(header):
            if each[""] != NAME or (window and "client_max_window_bits" not in each):
                continue
            own = each.get("server_max_window_bits")
            if own == "8":
                # zlib has no such window for what it compresses raw.
                continue
            words = [NAME]
            words += ["server_no_context_takeover"] if "server_no_context_takeover" in each else []
            words += [f"server_max_window_bits={own}"] if own else []
            words += ["client_no_context_takeover"] if no_takeover else []
            words += [f"client_max_window_bits={window}"] if window else []
            return "; ".join(words)
    return None


class Codec:
    """The two ends of compression on one connection: what the check sends, and what it gets."""

    def __init__(self, terms: Terms, is_client: bool) -> None:
        out = (terms.client_bits, terms.client_takeover)
        into = (terms.server_bits, terms.server_takeover)
        (self._out_bits, self._out_takeover), (self._in_bits, self._in_takeover) = (
            (out, into) if is_client else (into, out)
        )
        self._deflate = self._new_deflate()
        self._inflate = zlib.decompressobj(-self._in_bits)

    def _new_deflate(self) -> "zlib._Compress":
        return zlib.compressobj(1, zlib.DEFLATED, -max(self._out_bits, 9))

    def compress(self, payload: bytes) -> bytes:
        """Return a message as it is sent."""
        if not self._out_takeover:
            self._deflate = self._new_deflate()
        data = self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return data[:-4] if payload else b"\x00"

    def decompress(self, payload: bytes) -> bytes:
        """Return the message that was received. Raises zlib.error."""
        if not self._in_takeover:
            self._inflate = zlib.decompressobj(-self._in_bits)
        data = self._inflate.decompress(payload + TAIL, MAX_MESSAGE)
        if self._inflate.eof:
            # A final block: what comes next begins a stream of its own.
            self._inflate = zlib.decompressobj(-self._in_bits)
        return data
