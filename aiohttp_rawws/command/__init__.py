"""The command `python -m aiohttp_rawws`."""
