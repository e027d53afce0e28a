"""`websockets`, its asyncio server."""

from websockets.asyncio.server import serve

from .of_websockets import server_by
from .serving import serve as run

if __name__ == "__main__":
    run("websockets", server_by(serve))
