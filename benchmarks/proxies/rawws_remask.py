"""aiohttp_rawws: fresh masking keys towards the upstream."""

from .rawws import run_proxy

if __name__ == "__main__":
    run_proxy(remask=True)
