"""aiohttp's `WebSocketResponse`, with its defaults but without a limit."""

from benchmarks.servers import run_application
from benchmarks.servers.aiohttp_websocket import app_of

from . import about

if __name__ == "__main__":
    run_application(app_of(compress=True), about("aiohttp"))
