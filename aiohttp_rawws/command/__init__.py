"""The command line, `python -m aiohttp_rawws`. Uses what any user of the package can use."""
