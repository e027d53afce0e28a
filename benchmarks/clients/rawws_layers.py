"""aiohttp_rawws with its layers: whole messages, pings and closes answered, as aiohttp does."""

from ..servers.rawws_layers import echo
from .rawws import run_rawws

if __name__ == "__main__":
    run_rawws(echo)
