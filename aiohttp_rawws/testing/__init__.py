"""Peers that misbehave on purpose, for tests of clients and servers in any language."""

from .conformance.case import Grade
from .conformance.client import check_client
from .conformance.report import Report, Result
from .conformance.server import check
from .errors import NotHttp, PeerEnded, PeerError, PeerSilent
from .http import HttpHead
from .wire import Wire

__all__ = (
    "Grade",
    "HttpHead",
    "NotHttp",
    "PeerEnded",
    "PeerError",
    "PeerSilent",
    "Report",
    "Result",
    "Wire",
    "check",
    "check_client",
)
