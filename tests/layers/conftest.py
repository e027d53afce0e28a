"""Fixtures of the tests of the layers."""

import pytest

from aiohttp_rawws.session import traffic


@pytest.fixture(params=["the system tells", "the session tells"])
def counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure progress by Linux's TCP_INFO, and by the session's own counters."""
    if request.param == "the session tells":
        monkeypatch.setattr(traffic, "tcp_counts", lambda sock: None)
