"""RFC 6455 as bytes and values. Knows neither asyncio nor aiohttp."""
