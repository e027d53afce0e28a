"""Make an installed autobahntestsuite 25.10.1, which is for Python 2 only, run on Python 3.

Only the WebSocket fuzzing modes are kept, fuzzingclient and fuzzingserver.

The idea: every `str` of the suite becomes an octet string (see octets.py), so the case files keep
working unchanged; FuzzingProtocol makes bytes of it on its way into autobahn, and an octet string
of bytes on their way out. All else is syntax (print, except, has_key, xrange, relative imports).

Each replacement says how often its text must occur: another suite than this one is refused.
"""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

MARK = ".py3-ported"
HEAD = "from autobahntestsuite._py3 import _b, _s, _hex, _resource\n"
MODULES = "caseset|report|spectemplate|fuzzing|case|choosereactor|_version"

#: What stands there, what is to stand there, and how often it does.
Replacement = tuple[str, str, int]


class PortError(Exception):
    """The installed suite is not the one that this was written for."""


def port(root: Path) -> None:
    """Port the package in the folder `root` in place; a second call changes nothing."""
    if (root / MARK).exists():
        return
    sources = {path: _case(path) for path in sorted((root / "case").glob("*.py"))}
    sources[root / "caseset.py"] = _caseset(root / "caseset.py")
    sources[root / "report.py"] = _report(root / "report.py")
    sources[root / "spectemplate.py"] = _headed(_syntax(_read(root / "spectemplate.py")))
    sources[root / "fuzzing.py"] = _fuzzing(root / "fuzzing.py")
    sources[root / "__init__.py"] = _init(root / "_version.py")
    for path, source in sources.items():
        compile(source, str(path), "exec")
    for path, source in sources.items():
        path.write_text(source, encoding="utf-8")
    for path in set(root.glob("*.py")) - set(sources) - {root / "_version.py"}:
        path.unlink()
    shutil.copy(Path(__file__).with_name("octets.py"), root / "_py3.py")
    (root / MARK).touch()


def _read(path: Path) -> str:
    """The source with each octet beyond ASCII as an escape, so that a literal holds its octets."""
    source = path.read_bytes().decode("latin-1").replace("\r\n", "\n")
    source = re.sub(r"(?m)^#.*coding[:=].*$", "#", source, count=1)
    return re.sub(r"[\x80-\xff]", lambda match: f"\\x{ord(match.group()):02x}", source)


SYNTAX = (
    (r"(?m)^([ \t]*)print[ \t]*$", r"\1print()"),
    (r"(?m)^([ \t]*)print[ \t]+(?!\()(\S.*)$", r"\1print(\2, flush=True)"),
    (r"(?m)^([ \t]*except[ \t]+[\w.]+)[ \t]*,[ \t]*(\w+)[ \t]*:", r"\1 as \2:"),
    (r"([\w.\[\]]+)\.has_key\(([^()]+)\)", r"(\2 in \1)"),
    (r"xrange\(", "range("),
    (r"unichr\(", "chr("),
    (r"binascii\.(?:b2a_hex|hexlify)\(", "_hex("),
    (r"\(object, Case,? ?\)", "(Case, )"),
    (r'pkg_resources\.resource_filename\("autobahntestsuite",\s*', "_resource("),
    (r",?[ ]*\bpkg_resources\b[ ]*(,?)", r"\1"),
)


def _syntax(source: str) -> str:
    for pattern, replacement in SYNTAX:
        source = re.sub(pattern, replacement, source)
    return source


def _headed(source: str) -> str:
    """With the import of the helpers, before the first line that is no comment."""
    code = re.search(r"(?m)^(?!#|\s*$)", source)
    start = code.start() if code else len(source)
    return source[:start] + HEAD + source[start:]


def _replaced(source: str, replacements: Iterable[Replacement]) -> str:
    for old, new, times in replacements:
        if source.count(old) != times:
            raise PortError(f"{old!r} occurs {source.count(old)} times, not {times}")
        source = source.replace(old, new)
    return source


CASES: dict[str, tuple[Replacement, ...]] = {
    "case6_x_x.py": (("v.validate(vss[:i])", "v.validate(_b(vss[:i]))", 1),),
    "case10_1_1.py": (("len(self.payload) / self.p", "len(self.payload) // self.p", 1),),
    "case9_9_1.py": (
        ("from zope.interface import implements", "from zope.interface import implementer", 1),
        (
            "class FrameProducer:",
            "@implementer(interfaces.IPushProducer)\nclass FrameProducer:",
            1,
        ),
        ("   implements(interfaces.IPushProducer)\n", "", 1),
    ),
    "case12_x_x.py": (
        (
            "def onMessage(self, msg, binary):\n",
            "def onMessage(self, msg, binary):\n   msg = _b(msg)\n",
            1,
        ),
    ),
    # The pickles tell apart what is equal but not identical; equal is what is meant.
    "case.py": (("pickle.dumps(obj1) == pickle.dumps(obj2)", "obj1 == obj2", 1),),
}

#: The texts for the report: octets become characters.
DESCRIPTIONS = """
for _c in Cases:
   _c.DESCRIPTION = _b(_c.DESCRIPTION).decode('utf8', 'replace')
"""


def _case(path: Path) -> str:
    source = re.sub(r"(?m)^from (case\w*) import", r"from .\1 import", _syntax(_read(path)))
    if path.name == "case6_x_x.py":
        source = _without_self_tests(source)
    source = _headed(_replaced(source, CASES.get(path.name, ())))
    return source + DESCRIPTIONS if path.name == "__init__.py" else source


def _without_self_tests(source: str) -> str:
    """The cases without what the file holds to try itself."""
    start, cases = source.index("def test_utf8("), source.index("Case6_X_X = []")
    source = source[:start] + source[cases:]
    return source[: source.index("def encode(c):")]


def _caseset(path: Path) -> str:
    return _headed(_syntax(_read(path))).replace("'\\.'", "r'\\.'")


def _report(path: Path) -> str:
    """The style sheets alone; the fuzzing modes do without the generator."""
    source = _headed(_syntax(_read(path)))
    source = source[: source.index("REPORT_DIR_PERMISSIONS =")]
    return _replaced(source, [("import jinja2\n", "", 1)])


def _init(version: Path) -> str:
    found = re.search(r"__version__ = ['\"](.+?)['\"]", version.read_text())
    if found is None:
        raise PortError(f"no version in {version}")
    return f'version = __version__ = "{found[1]}"\n'


OPTIONAL_SSL = """from twisted.internet import reactor
try:
   from twisted.internet import ssl  # needs pyOpenSSL; only for wss://
except ImportError:
   ssl = None
"""

#: Of autobahn's methods, those that the cases give octet strings to.
METHODS = """   MAX_WIRE_LOG_DATA = 256

   ## Python 3: octet strings (latin-1 str) of the cases become bytes here
   ##
   def sendFrame(self, opcode, payload = b"", fin = True, rsv = 0, mask = None, payload_len = None,
                 chopsize = None, sync = False):
      payload = _b(payload)
      if payload_len is not None:
         # autobahn 0.10.9 divides with "/" here: do the repetition ourselves
         payload = (payload * (payload_len // len(payload) + 1))[:payload_len]
      return self._base().sendFrame(self, opcode, payload, fin, rsv, _b(mask), None, chopsize, sync)

   def sendMessage(self, payload, isBinary = False, fragmentSize = None, sync = False,
                   doNotCompress = False):
      payload = _b(payload)
      return self._base().sendMessage(self, payload, isBinary, fragmentSize, sync, doNotCompress)

   def sendMessageFrameData(self, payload, sync = False):
      return self._base().sendMessageFrameData(self, _b(payload), sync)

   def sendMessageFrame(self, payload, sync = False):
      return self._base().sendMessageFrame(self, _b(payload), sync)

   def sendCloseFrame(self, code = None, reasonUtf8 = None, isReply = False):
      return self._base().sendCloseFrame(self, code, _b(reasonUtf8), isReply)

   def _base(self):
      return WebSocketServerProtocol if self.factory.isServer else WebSocketClientProtocol
"""

FUZZING: tuple[Replacement, ...] = (
    ("from twisted.internet import reactor, ssl\n", OPTIONAL_SSL, 1),
    (
        "self.contextFactory = ssl.ClientContextFactory()",
        "self.contextFactory = ssl.ClientContextFactory() if ssl else None",
        1,
    ),
    (
        "def asciiLogData(data, maxlen = 64, replace = False):\n",
        "def asciiLogData(data, maxlen = 64, replace = False):\n   data = _b(data)\n",
        1,
    ),
    (
        "         dd = data[:maxlen] + ellipses\n",
        "         dd = data[:maxlen] + _b(ellipses)\n",
        1,
    ),
    ("p = ''.join(payload)", "p = b''.join(payload)", 1),
    (
        "(len(payload), asciiLogData(payload)),",
        "(len(payload), asciiLogData(_b(payload))),",
        1,
    ),
    ("self.runCase.onMessage(msg, binary)", "self.runCase.onMessage(_s(msg), binary)", 1),
    ("self.runCase.onPong(payload)", "self.runCase.onPong(_s(payload))", 1),
    ('log.msg("Pong received: " + payload)', 'log.msg("Pong received: " + _s(payload))', 1),
    ('.encode("utf-8"))\n', ")\n", 1),
    ("ll.encode('utf8')", "ll", 1),
    (
        "(os.path.join(outdir, report_filename), 'w')",
        "(os.path.join(outdir, report_filename), 'w', encoding = 'utf-8')",
        4,
    ),
    ("json.dumps(case, sort_keys", "json.dumps(case, default = _s, sort_keys", 1),
    ("   MAX_WIRE_LOG_DATA = 256\n", METHODS, 1),
    ("print(t, flush=True)", "print(t)", 1),
)


def _fuzzing(path: Path) -> str:
    source = _syntax(_read(path))
    source = re.sub(rf"(?m)^from ({MODULES}) import", r"from .\1 import", source)
    return _headed(_replaced(source, FUZZING))
