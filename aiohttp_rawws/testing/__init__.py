"""Peers that misbehave on purpose, for tests of clients and servers in any language.

script = Script().expect("text").send(Frame.ping(b"1")).expect(Frame.pong(b"1")).reset()
async with script_server(script) as server:
    ...  # let a client connect to server.url
    server.check()
"""

from . import presets
from .chaos import ChaosProxy, FaultRecord, chaos
from .conformance.case import Grade
from .conformance.client import check_client
from .conformance.report import Report, Result
from .conformance.server import check
from .errors import NotHttp, PeerEnded, PeerError, PeerSilent, ScriptFailed, Unexpected
from .http import HttpHead
from .joined import RawWebSocketPair, raw_client, raw_pair
from .patterns import FrameLike
from .player import Played, Player, play
from .playing import Scripts, ScriptServer, play_client, script_server
from .preset import Preset
from .script import Script
from .script_file import ScriptFileError, load_script
from .transcript import Entry, Transcript
from .wire import Wire

__all__ = (
    "ChaosProxy",
    "Entry",
    "FaultRecord",
    "FrameLike",
    "Grade",
    "HttpHead",
    "NotHttp",
    "PeerEnded",
    "PeerError",
    "PeerSilent",
    "Played",
    "Player",
    "Preset",
    "RawWebSocketPair",
    "Report",
    "Result",
    "Script",
    "ScriptFailed",
    "ScriptFileError",
    "ScriptServer",
    "Scripts",
    "Transcript",
    "Unexpected",
    "Wire",
    "chaos",
    "check",
    "check_client",
    "load_script",
    "play",
    "play_client",
    "presets",
    "raw_client",
    "raw_pair",
    "script_server",
)
