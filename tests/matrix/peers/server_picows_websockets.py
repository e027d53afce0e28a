"""`picows.websockets`, its asyncio server."""

from picows.websockets.asyncio.server import serve

from .of_websockets import server_by
from .serving import serve as run

if __name__ == "__main__":
    run("picows", server_by(serve))
