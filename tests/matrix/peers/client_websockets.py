"""`websockets`, its asyncio client."""

from websockets.asyncio.client import connect

from .attending import attend
from .of_websockets import client_by

if __name__ == "__main__":
    attend("websockets", client_by(connect))
