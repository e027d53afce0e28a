"""The version that is installed."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ("__version__",)

try:
    __version__ = version("aiohttp_rawws")
except PackageNotFoundError:
    # A checkout that runs without being installed.
    __version__ = "0.0.0"
