"""Measurements of aiohttp_rawws beside its peers; README.md tells how to run and to read them."""
