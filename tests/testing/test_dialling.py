"""URLs, as a client of the kit takes them."""

import ssl

import pytest

from aiohttp_rawws.testing.dialling import dial, host_of, target_of
from tests.support.handshakes import Opening
from tests.support.wire import ByHand, Wire


def test_the_parts_of_a_url() -> None:
    assert target_of("ws://h") == "/"
    assert target_of("ws://h/a%2Fb?c=%20#d") == "/a%2Fb?c=%20"
    urls = ("ws://h", "wss://u:p@h:443", "ws://h:443", "ws://[::1]:8/")
    assert [host_of(url) for url in urls] == ["h", "h", "h:443", "[::1]:8"]


@pytest.mark.parametrize("url", ["ftp://h", "h:80", "/x", ""])
async def test_another_kind_of_url(url: str) -> None:
    with pytest.raises(ValueError, match="a ws, wss, http or https URL is needed, got"):
        await dial(url)


@pytest.mark.parametrize("check", ["authorities", "nothing", "by default"])
async def test_certificates(by_hand: ByHand, client_tls: ssl.SSLContext, check: str) -> None:
    async def read(wire: Wire, opening: Opening) -> None:
        await wire.read_to_end()

    address = await by_hand(read, tls=True)
    if check == "by default":
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            await dial(address.url(), ssl=None)  # type: ignore[arg-type]
        return
    wire = await dial(address.url(), ssl=client_tls if check == "authorities" else False)
    await wire.write(b"GET / HTTP/1.1\r\n\r\n")
    await wire.close()
