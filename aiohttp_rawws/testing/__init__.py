"""Peers that misbehave on purpose, for tests of clients and servers in any language."""

from .check.case import Grade
from .check.client import check_client
from .check.report import Report, Result
from .check.server import check
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
