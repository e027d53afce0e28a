"""aiohttp's own `WebSocketResponse` with its defaults: it compresses."""

from .aiohttp_websocket import app_of, run_aiohttp

if __name__ == "__main__":
    run_aiohttp(app_of(compress=True))
