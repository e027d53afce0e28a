"""Two sessions joined. Knows how both sides of aiohttp are used, neither from inside."""
