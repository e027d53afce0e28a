"""picows: a callback for each frame, answered at once from the memory it was read into."""

import ssl

from picows import ws_connect

from ..servers.picows_listener import VERSION, Echo
from . import run


async def echo(url: str, tls: ssl.SSLContext | None) -> None:
    transport, _ = await ws_connect(Echo, url, ssl_context=tls, max_frame_size=2**30)
    await transport.wait_disconnected()


if __name__ == "__main__":
    run(echo, VERSION)
