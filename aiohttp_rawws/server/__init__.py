"""The upgrade in aiohttp's server. Nothing else knows that server from inside."""
