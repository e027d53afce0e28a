"""The command `python -m aiohttp_rawws`. Uses only what every user of the package can use."""
