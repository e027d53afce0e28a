"""Which build runs: the compiled hot modules or their source, all of them or none."""

import importlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

import aiohttp_rawws
from aiohttp_rawws import _build

from .twins import FOLDER, built

#: The hot modules, as paths: they have their C types beside them.
HOT = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.pxd"))
SWITCH = "AIOHTTP_RAWWS_NO_EXTENSIONS"

#: The modules with an extension for this Python, left over ones included: they would run too.
BUILT = {
    name
    for name in (
        path.relative_to(FOLDER).as_posix().partition(".")[0] for path in FOLDER.rglob("*.*")
    )
    if built(name)
}
needs_extensions = pytest.mark.skipif(not BUILT, reason="no extension was built")

REPORT = """
import importlib, json, sys
import aiohttp_rawws
names = ["aiohttp_rawws." + name.replace("/", ".") for name in sys.argv[1:]]
files = [importlib.import_module(name).__file__ for name in names]
print(json.dumps({"compiled": aiohttp_rawws.COMPILED, "files": files}))
"""


def fresh_process(switch: "str | None") -> Any:
    """What a process of its own runs, with AIOHTTP_RAWWS_NO_EXTENSIONS set like that."""
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    environment["PYTHONPATH"] = str(FOLDER.parent)
    if switch is not None:
        environment[SWITCH] = switch
    command = [sys.executable, "-c", REPORT, *HOT]
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(answer.stdout)


def is_extension(file: str) -> bool:
    return file.endswith(tuple(EXTENSION_SUFFIXES))


def test_what_is_hot() -> None:
    assert {"mask", "frames", "codec", "layers/messages"} <= set(HOT)


def test_all_extensions_are_built_or_none() -> None:
    assert BUILT in (set(), set(HOT))


def test_the_switch_asks_for_the_interpreted_build() -> None:
    report = fresh_process("1")
    assert report["compiled"] is False
    assert report["files"] == [str(FOLDER / f"{name}.py") for name in HOT]


@needs_extensions
@pytest.mark.parametrize("switch", [None, ""])
def test_without_it_extensions_run_where_they_are_built(switch: "str | None") -> None:
    report = fresh_process(switch)
    assert report["compiled"] is True
    assert all(map(is_extension, report["files"]))


@pytest.mark.skipif(bool(BUILT), reason="extensions were built")
def test_without_it_sources_run_where_no_extension_is_built() -> None:
    assert fresh_process(None) == fresh_process("1")


def test_compiled_tells_what_runs_here() -> None:
    names = [f"aiohttp_rawws.{name}".replace("/", ".") for name in HOT]
    files = [importlib.import_module(name).__file__ for name in names]
    assert [is_extension(str(file)) for file in files] == [aiohttp_rawws.COMPILED] * len(HOT)


def test_this_run_is_the_expected_one() -> None:
    expected = os.environ.get("AIOHTTP_RAWWS_TEST_EXPECT")
    if expected is None:
        pytest.skip("AIOHTTP_RAWWS_TEST_EXPECT is not set")
    assert expected in ("compiled", "interpreted")
    assert aiohttp_rawws.COMPILED is (expected == "compiled")


# -- the same within this process, where every branch can be counted -----------------------


@pytest.fixture
def _finders() -> Iterator[None]:
    """Forget how folders are searched, and remember it again afterwards."""
    before = dict(sys.path_importer_cache)
    sys.path_importer_cache.clear()
    yield
    sys.path_importer_cache.clear()
    sys.path_importer_cache.update(before)


def run_build(file: "str | Path" = _build.__file__) -> bool:
    compiled: bool = runpy.run_path(str(file))["COMPILED"]
    return compiled


@pytest.mark.usefixtures("_finders")
@pytest.mark.parametrize("value", ["1", "0", "yes"])
def test_any_value_of_the_switch_counts(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(SWITCH, value)
    assert run_build() is False


@pytest.mark.usefixtures("_finders")
@pytest.mark.parametrize("value", [None, ""])
def test_compiled_is_whether_extensions_are_there(
    monkeypatch: pytest.MonkeyPatch, value: "str | None"
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(SWITCH, value)
    assert run_build() is bool(BUILT)


@pytest.mark.usefixtures("_finders")
@pytest.mark.parametrize("file", ["codec.py", None])
def test_not_compiled_without_an_extension(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: "str | None"
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    copy = tmp_path / "_build.py"
    copy.write_bytes(Path(_build.__file__).read_bytes())
    if file is not None:
        (tmp_path / file).touch()
    assert run_build(copy) is False
