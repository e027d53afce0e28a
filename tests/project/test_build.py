"""The build that runs: all hot modules compiled, or all interpreted."""

import importlib
import json
import logging
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

import aiohttp_rawws
from aiohttp_rawws import _build
from tests.support.builds import FOLDER, built

#: The hot modules, as paths: they have their C types beside them.
HOT = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.pxd"))
SWITCH = "AIOHTTP_RAWWS_NO_EXTENSIONS"
COMPILED_FILES = ("__pycache__", "*.so", "*.pyd")

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
    assert {"wire/native", "wire/frames", "wire/parser", "layers/messages"} <= set(HOT)


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
@pytest.mark.parametrize("file", ["wire/parser.py", None])
def test_not_compiled_without_an_extension(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: "str | None"
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    copy = tmp_path / "_build.py"
    copy.write_bytes(Path(_build.__file__).read_bytes())
    if file is not None:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    assert run_build(copy) is False


# -- what is said about it -----------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The module in a folder of its own, where no extension was built."""
    copy = tmp_path / "_build.py"
    copy.write_bytes(Path(_build.__file__).read_bytes())
    (tmp_path / "wire").mkdir()
    (tmp_path / "wire/parser.py").touch()
    return copy


@pytest.mark.usefixtures("_finders")
def test_extensions_that_are_missing_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sources: Path
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    assert run_build(sources) is False
    ((logger, level, message),) = caplog.record_tuples
    assert (logger, level) == ("aiohttp_rawws", logging.WARNING)
    for hint in ("C compiler", "pip install --force-reinstall", "pip install -e .", f"{SWITCH}=1"):
        assert hint in message


@pytest.mark.usefixtures("_finders")
def test_nothing_is_told_who_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sources: Path
) -> None:
    monkeypatch.setenv(SWITCH, "1")
    assert run_build(sources) is False
    assert not caplog.records


@pytest.mark.usefixtures("_finders")
def test_nothing_is_told_where_there_are_no_extensions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sources: Path
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert run_build(sources) is False
    assert not caplog.records


@needs_extensions
@pytest.mark.usefixtures("_finders")
def test_nothing_is_told_where_extensions_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    assert run_build() is True
    assert not caplog.records


def test_the_package_tells_once(tmp_path: Path) -> None:
    """In a process of its own, which has not set up logging."""
    package = tmp_path / "site" / "aiohttp_rawws"
    shutil.copytree(FOLDER, package, ignore=shutil.ignore_patterns(*COMPILED_FILES))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import aiohttp_rawws, aiohttp_rawws.layers"],
        env={**os.environ, "PYTHONPATH": str(package.parent), SWITCH: ""},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    assert done.stderr.startswith("aiohttp_rawws runs without its compiled extensions")
    assert done.stderr.count("\n") == 1
