"""Peers that misbehave on purpose, for tests of clients and servers in any language."""

from .errors import NotHttp, PeerEnded, PeerError, PeerSilent
from .http import HttpHead
from .wire import Wire

__all__ = ("HttpHead", "NotHttp", "PeerEnded", "PeerError", "PeerSilent", "Wire")
