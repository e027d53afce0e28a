"""One connection in asyncio. Knows no aiohttp."""
