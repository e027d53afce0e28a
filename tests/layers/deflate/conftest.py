"""Every test of the layer runs with zlib and with zlib-ng."""

import zlib

import pytest
import zlib_ng.zlib_ng

from aiohttp_rawws.layers import deflate_coding as deflate


@pytest.fixture(params=[zlib, zlib_ng.zlib_ng], ids=["zlib", "zlib-ng"], autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflate, "zlib", request.param)
    monkeypatch.setattr(deflate, "IDLE", {})
