"""The matrix: what WebSocket libraries do with each preset of `aiohttp_rawws.testing`.

`python -m tests.matrix` fills it; docs/matrix.md shows it.
"""
