"""Fixtures of the tests of the layers."""

import pytest

from aiohttp_rawws.session import traffic


@pytest.fixture(params=["the system tells", "the session tells"])
def counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What moves is known by what Linux tells, and by what the session knows everywhere."""
    if request.param == "the session tells":
        monkeypatch.setattr(traffic, "tcp_counts", lambda sock: None)
