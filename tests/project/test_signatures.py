"""Signatures and docstrings of all public names, as `inspect`, `help` and editors see them.

The compiled build tells them as the interpreted one does.
"""

import inspect
import json
import os
import pydoc
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import aiohttp_rawws
from aiohttp_rawws import Frame, Opcode, RawWebSocketSession, captures, compat, layers, testing

ROOT = Path(aiohttp_rawws.__file__).parent.parent
SWITCH = "AIOHTTP_RAWWS_NO_EXTENSIONS"

Table = dict[str, "tuple[str, str | None]"]

#: What is no signature: its types are those of data.
NOT_CALLABLE = ""


def public_names() -> "dict[str, Any]":
    return {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in (aiohttp_rawws, layers, compat, testing, captures)
        for name in module.__all__
    }


def members(kind: type) -> Iterator["tuple[str, Any]"]:
    """The public attributes of a class that are of this package, and its constructor's kin."""
    for base in kind.__mro__:
        if not base.__module__.startswith("aiohttp_rawws"):
            continue
        for name in vars(base):
            if not name.startswith("_"):
                yield name, inspect.getattr_static(kind, name)


def signature_of(value: Any) -> str:
    if not callable(value):
        return NOT_CALLABLE
    try:
        # A function that is a default shows its address.
        return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    except ValueError as error:
        return str(error)


def table() -> Table:
    """The signature and the docstring of everything public."""
    found: Table = {}
    for name, value in public_names().items():
        found[name] = signature_of(value), inspect.getdoc(value) if callable(value) else None
        if isinstance(value, type):
            for member, static in members(value):
                signature = signature_of(getattr(value, member, None))
                found[f"{name}.{member}"] = signature, inspect.getdoc(static)
    return found


def other_build() -> Table:
    """The table of the build that does not run here."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(SWITCH, None)
    if aiohttp_rawws.COMPILED:
        environment[SWITCH] = "1"
    code = (
        "import json, aiohttp_rawws; from tests.project import test_signatures as tests;"
        "print(json.dumps([aiohttp_rawws.COMPILED, tests.table()]))"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    compiled, found = json.loads(answer.stdout)
    if compiled is aiohttp_rawws.COMPILED:
        pytest.skip("no extension was built")
    return {name: (signature, docstring) for name, (signature, docstring) in found.items()}


HERE = table()


def test_both_builds_tell_the_same() -> None:
    assert other_build() == HERE


@pytest.mark.parametrize(
    "name", [name for name, value in public_names().items() if callable(value)]
)
def test_a_public_name_has_a_signature_and_a_docstring(name: str) -> None:
    signature, docstring = HERE[name]
    # Some errors are made as any other.
    assert signature.startswith("(") or issubclass(public_names()[name], Exception)
    assert docstring


@pytest.mark.parametrize(
    "name",
    [
        f"{name}.{member}"
        for name, kind in public_names().items()
        if isinstance(kind, type)
        for member, _ in members(kind)
    ],
)
def test_a_public_attribute_has_a_signature_and_a_docstring(name: str) -> None:
    signature, docstring = HERE[name]
    assert signature.startswith("(") or signature == NOT_CALLABLE
    class_name, _, member = name.rpartition(".")
    kind = public_names()[class_name]
    if member not in getattr(kind, "__dataclass_fields__", ()):
        assert docstring
    elif not kind.__module__.startswith("aiohttp_rawws.captures."):
        # It has no place for a docstring: that of the class tells of it, or a comment above it.
        # The lines of a capture are described by docs/captures.md.
        assert f"`{member}`" in str(inspect.getdoc(kind)) or member in commented(kind)


def commented(kind: type) -> "set[str]":
    """The fields of a dataclass that have a comment of `#:` above them, also of its bases."""
    found: set[str] = set()
    for base in kind.__mro__[:-1]:
        blocks = re.findall(
            r"(?m)^    #: .*\n(?:    #.*\n)*((?:    \w+: .*\n)+)", inspect.getsource(base)
        )
        found.update(re.findall(r"(?m)^    (\w+):", "".join(blocks)))
    return found


ATTRIBUTES = {
    Frame: "fin is_control mask opcode payload payload_text rsv1 rsv2 rsv3 violations",
    RawWebSocketSession: "request response protocol extensions exception masking is_client closed",
    layers.MessageAssembler: "max_fragments max_message_size validate_utf8",
}


@pytest.mark.parametrize("kind", ATTRIBUTES, ids=lambda kind: kind.__name__)
def test_help_shows_every_attribute(kind: type) -> None:
    shown = pydoc.plain(pydoc.render_doc(kind))
    for name in ATTRIBUTES[kind].split():
        docstring = inspect.getdoc(inspect.getattr_static(kind, name))
        assert docstring
        assert f" |  {name}\n" in shown
        assert f" |      {docstring.splitlines()[0]}" in shown


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (
            Frame,
            "(opcode: 'int', payload: 'BytesLike' = b'', fin: 'bool' = True, *, "
            "rsv1: 'bool' = False, rsv2: 'bool' = False, rsv3: 'bool' = False, "
            "mask: 'BytesLike | None' = None) -> 'None'",
        ),
        (Frame.text, "(text: 'str', fin: 'bool' = True) -> 'Frame'"),
        (Frame.encode, "(self) -> 'bytes'"),
        (
            layers.MessageAssembler,
            "(*, max_message_size: 'int' = 16777216, max_fragments: 'int' = 131072, "
            "validate_utf8: 'bool' = True) -> 'None'",
        ),
        (layers.MessageAssembler.feed, "(self, item: 'Frame | Piece') -> 'Message | None'"),
        (layers.reply, "(frame: 'Frame | Piece') -> 'Frame | None'"),
        (RawWebSocketSession.receive, "(self) -> 'Frame'"),
        (RawWebSocketSession.send, "(self, frame: 'Frame') -> 'None'"),
    ],
)
def test_signatures(function: Any, signature: str) -> None:
    assert str(inspect.signature(function)) == signature


def test_a_subclass_has_the_signature_of_its_own_constructor() -> None:
    class Same(Frame):
        pass

    class Initialized(Frame):
        def __init__(self, number: int) -> None:
            super().__init__(Opcode.BINARY, bytes([number]))

    class Made(Frame):
        def __new__(cls, number: int) -> "Made":
            return super().__new__(cls)

    class Below(Initialized):
        pass

    assert inspect.signature(Same) == inspect.signature(Frame)
    assert list(inspect.signature(Initialized).parameters) == ["number"]
    assert list(inspect.signature(Made).parameters) == ["number"]
    assert list(inspect.signature(Below).parameters) == ["number"]
    assert not hasattr(Frame.ping(), "__signature__")


def test_without_the_source_a_signature_is_missing_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not aiohttp_rawws.COMPILED:
        pytest.skip("the source is what runs")
    monkeypatch.setattr(sys.modules[Frame.__module__], "__file__", "/nowhere/frames.so")
    assert not hasattr(Frame, "__signature__")
    assert pydoc.render_doc(Frame)


# -- mocks ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*iscoroutinefunction.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ["receive", "send", "send_piece", "drain", "close"])
async def test_an_autospec_has_what_can_be_awaited(name: str) -> None:
    session = mock.create_autospec(RawWebSocketSession, instance=True)
    getattr(session, name).return_value = "answer"
    arguments = ["frame"] if name.startswith("send") else []
    assert await getattr(session, name)(*arguments) == "answer"
    getattr(session, name).assert_awaited_once_with(*arguments)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="inspect has marks from Python 3.12 on")
@pytest.mark.parametrize("name", ["receive", "send"])
def test_inspect_takes_it_for_a_coroutine_function(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(RawWebSocketSession, name))


# -- editors -------------------------------------------------------------------------------

FRAME = {"payload", "payload_text", "opcode", "fin", "rsv1", "mask", "is_control", "replace"}
SESSION = {"receive", "send", "close", "request", "response", "masking", "is_client"}

#: What is written, up to the cursor, and what is among the completions.
WRITTEN = {
    "f = await session.receive()\nf.": FRAME,
    "async for f in session:\n    f.": FRAME,
    "async for b in session.batches():\n    b[0].": FRAME,
    "async for p in session.pieces():\n    p.": {"offset", "length", "last"},
    "session.": SESSION,
}


def written(code: str) -> str:
    head = "from aiohttp_rawws import *\nfrom aiohttp_rawws import layers\n"
    body = textwrap.indent(code, "    ")
    return f"{head}async def handler(session: RawWebSocketSession) -> None:\n{body}"


def script(code: str) -> Any:
    """What jedi says of a text, with the cursor at its end.

    It loads extensions only from the paths of an installation: here the checkout is as good.
    """
    jedi = pytest.importorskip("jedi")
    project = jedi.Project(ROOT, load_unsafe_extensions=True, added_sys_path=[str(ROOT)])
    try:
        return jedi.Script(written(code), project=project)
    except (NotImplementedError, jedi.InvalidPythonEnvironment) as error:
        pytest.skip(f"jedi does not run on this Python: {error}")


@pytest.mark.parametrize("code", WRITTEN, ids=lambda code: code.split("\n")[-1].strip())
def test_jedi_completes(code: str) -> None:
    names = {each.name for each in script(code).complete()}
    assert WRITTEN[code] <= names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("Frame(", ["opcode", "payload", "fin", "rsv1", "rsv2", "rsv3", "mask"]),
        ("layers.MessageAssembler(", ["max_message_size", "max_fragments", "validate_utf8"]),
        ("ProtocolError(", ["violation", "close_code", "message"]),
        ("session.send(", ["frame"]),
        ("session.close(", ["code", "reason"]),
    ],
)
def test_jedi_shows_parameters(code: str, names: "list[str]") -> None:
    [signature] = script(code).get_signatures()
    shown = [each.name for each in signature.params if each.name != "*"]
    assert shown[: len(names)] == names
