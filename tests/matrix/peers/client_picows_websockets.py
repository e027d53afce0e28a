"""`picows.websockets`, its asyncio client."""

from picows.websockets.asyncio.client import connect

from .attending import attend
from .of_websockets import client_by

if __name__ == "__main__":
    attend("picows", client_by(connect))
