"""The upgrade in aiohttp's client. Nothing else knows that client from inside."""
