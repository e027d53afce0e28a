"""Peers that misbehave on purpose, for tests of clients and servers in any language."""

from .chaos import ChaosProxy, FaultRecord, chaos
from .errors import NotHttp, PeerEnded, PeerError, PeerSilent
from .http import HttpHead
from .wire import Wire

__all__ = (
    "ChaosProxy",
    "FaultRecord",
    "HttpHead",
    "NotHttp",
    "PeerEnded",
    "PeerError",
    "PeerSilent",
    "Wire",
    "chaos",
)
