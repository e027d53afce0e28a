"""Builds and installs: an sdist, wheels and an editable install, with a C compiler and without.

`AIOHTTP_RAWWS_REQUIRE_NODE=1` makes the skip without npx a failure.
"""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.checkers import PYRIGHT_PACKAGE

PACKAGE = ROOT / "aiohttp_rawws"
#: The hot modules have their C types beside them.
HOT = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in PACKAGE.rglob("*.pxd"))
SWITCH = "AIOHTTP_RAWWS_NO_EXTENSIONS"
SMOKE = ROOT / "tests" / "support" / "smoke.py"
#: In bytes. The tools are the kit for tests, the captures and the command: Python alone.
MAX_WHEEL_SIZE = 950_000
MAX_SIZE_WITHOUT_TOOLS = 800_000
TOOLS = ("testing", "captures", "command")

pytestmark = [
    # Which build is tested makes no difference to what is built.
    pytest.mark.skipif(bool(os.environ.get(SWITCH)), reason="built once, by the compiled run"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is built is what git tracks"),
]


def run(*command: "str | Path", cwd: Path, **environment: str) -> str:
    """What a command prints; this Python's, where it begins with an option."""
    python = [sys.executable] if str(command[0]).startswith("-") else []
    done = subprocess.run(
        [*python, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(kind: str, source: Path, target: Path, **environment: str) -> tuple[Path, str]:
    """Build a wheel or an sdist of a folder by its own build backend; what it printed."""
    code = (
        f"import sys; from setuptools import build_meta;print(build_meta.build_{kind}(sys.argv[1]))"
    )
    out = run("-c", code, target, cwd=source, **environment)
    return target / out.splitlines()[-1], out


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """The files that git tracks, or would if they were added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = run(*command, cwd=ROOT).split("\0")
    return [name for name in names if name and (ROOT / name).exists()]


@pytest.fixture(scope="session")
def checkout(tracked: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean checkout of the files as they are now, without what builds left in the folder."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in tracked:
        target = checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.test")
    run("git", "init", "--quiet", cwd=checkout)
    run("git", "add", "--all", cwd=checkout)
    run("git", *who, "commit", "--quiet", "--message", "all", cwd=checkout)
    run("git", *who, "tag", "--annotate", "--message", "released", "v1.2.3", cwd=checkout)
    return checkout


@pytest.fixture(scope="session")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", checkout, tmp_path_factory.mktemp("sdist"))[0]


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = unpacked(sdist, tmp_path_factory.mktemp("unpacked"))
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))[0]


def installed(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def metadata(wheel: Path) -> "email.message.Message[str, str]":
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode())


def test_the_sdist_holds_what_is_tracked(
    sdist: Path, tracked: Sequence[str], tmp_path: Path
) -> None:
    source = unpacked(sdist, tmp_path)
    files = (path for path in source.rglob("*") if path.is_file())
    names = {path.relative_to(source).as_posix() for path in files}
    made = {"PKG-INFO"} | {name for name in names if ".egg-info/" in name}
    assert names - made == set(tracked)


def test_tests_run_from_the_sdist(sdist: Path, tmp_path: Path) -> None:
    """Their helpers are there; that the tests pass is for the other tests to say."""
    source = unpacked(sdist, tmp_path)
    options = ("-q", "-p", "no:cacheprovider")
    run("-m", "pytest", *options, "--collect-only", cwd=source, **{SWITCH: "1"})
    run("-m", "pytest", *options, "tests/session/test_transports.py", cwd=source, **{SWITCH: "1"})


def test_the_wheel_holds_the_compiled_modules_and_their_sources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in HOT:
        assert f"{name}.py" in names
        compiled = [n for n in names if n.startswith(f"{name}.")]
        assert [n for n in compiled if n.endswith((".so", ".pyd"))]
    assert "aiohttp_rawws/py.typed" in names
    assert {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")} <= set(names)
    assert not [name for name in names if name.endswith(".c")]
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"aiohttp_rawws", "pytest_aiohttp_rawws.py"}


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_SIZE
    with zipfile.ZipFile(wheel) as archive:
        tools = tuple(f"aiohttp_rawws/{room}/" for room in TOOLS)
        sizes = [
            each.compress_size for each in archive.infolist() if not each.filename.startswith(tools)
        ]
    assert sum(sizes) < MAX_SIZE_WITHOUT_TOOLS


def test_the_wheel_works(wheel: Path, tmp_path: Path) -> None:
    folder = installed(wheel, tmp_path / "site")
    out = run("-W", "error", SMOKE, cwd=tmp_path, PYTHONPATH=str(folder))
    assert out.split() == ["works", "True", str(folder / "aiohttp_rawws" / "__init__.py")]


def test_the_wheel_brings_the_fixtures(wheel: Path, tmp_path: Path) -> None:
    folder = installed(wheel, tmp_path / "site")
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, "--fixtures")
    (tmp_path / "test_x.py").write_text("")
    out = run("-m", "pytest", *options, "test_x.py", cwd=tmp_path, PYTHONPATH=str(folder))
    for name in ("raw_websocket_pair", "raw_websocket_client", "raw_websocket_server"):
        assert f"{name} -- " in out
    assert "fixtures defined from pytest_aiohttp_rawws" in out


def test_the_version_is_the_tags(wheel: Path, tmp_path: Path) -> None:
    """The wheel was built from an sdist, which git knows nothing of."""
    assert metadata(wheel)["Version"] == "1.2.3"
    folder = installed(wheel, tmp_path / "site")
    code = "import aiohttp_rawws; print(aiohttp_rawws.__version__)"
    assert run("-c", code, cwd=tmp_path, PYTHONPATH=str(folder)) == "1.2.3\n"


def test_a_shallow_clone_without_tags_has_a_version(checkout: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run("git", "clone", "-q", "--depth=1", "--no-tags", checkout.as_uri(), clone, cwd=tmp_path)
    name = build("sdist", clone, tmp_path)[0].name
    assert re.fullmatch(r"aiohttp_rawws-0\.1\.0\.dev\d+\+g\w+\.tar\.gz", name)


def test_the_readmes_links_are_absolute(wheel: Path) -> None:
    text = metadata(wheel).get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]*)\)", text)
    home = "https://github.com/aiohttp-rawws/aiohttp_rawws"
    assert f"{home}/raw/HEAD/docs/images/demo.png" in links
    assert f"{home}/blob/HEAD/docs/proxy.md" in links
    assert not [link for link in links if not link.startswith("https://")]


def test_the_readmes_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]*)\)", (ROOT / "README.md").read_text())
    names = [link.partition("#")[0] for link in links if not link.startswith("https://")]
    assert names
    assert not [name for name in names if not (ROOT / name).exists()]


def test_without_a_compiler_it_installs_interpreted_and_says_so(
    sdist: Path, tmp_path: Path
) -> None:
    source = unpacked(sdist, tmp_path / "source")
    wheel, said = build("wheel", source, tmp_path, CC="no-such-compiler")
    assert 'building extension "aiohttp_rawws.session.reader" failed' in said
    folder = installed(wheel, tmp_path / "site")
    out = run("-W", "error", SMOKE, cwd=tmp_path, PYTHONPATH=str(folder))
    warning, answer = out.splitlines()
    assert warning.startswith("aiohttp_rawws runs without its compiled extensions")
    assert answer.split() == ["works", "False", str(folder / "aiohttp_rawws" / "__init__.py")]


def test_extensions_are_installed_all_or_none(sdist: Path, tmp_path: Path) -> None:
    """One that cannot be compiled leaves an interpreted package, not one that cannot be used."""
    compiler = tmp_path / "compiler"
    fails = 'case "$*" in *frames.c*) exit 1;; esac'
    compiler.write_text(f'#!/bin/sh\n{fails}\nexec cc "$@" -O0\n')
    compiler.chmod(0o755)
    source = unpacked(sdist, tmp_path / "source")
    wheel, said = build("wheel", source, tmp_path, CC=str(compiler))
    assert 'building extension "aiohttp_rawws.wire.frames" failed' in said
    assert 'building extension "aiohttp_rawws.wire.native" failed' not in said
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.endswith((".so", ".pyd"))]


def test_the_build_in_pure_python_is_for_any_platform(sdist: Path, tmp_path: Path) -> None:
    source = unpacked(sdist, tmp_path / "source")
    wheel, _ = build("wheel", source, tmp_path, **{SWITCH: "1"})
    assert wheel.name == "aiohttp_rawws-1.2.3-py3-none-any.whl"


# -- an editable install, as type checkers see it ------------------------------------------

APP = """
# pyright: strict
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame, Opcode, RawWebSocketSession


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        ping = frame.opcode == Opcode.PING
        await session.send(Frame.pong(frame.payload) if ping else frame)


def application() -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/ws", echo)])
    return app
"""
#: A checker that sees the types rejects it.
WRONG = """
from aiohttp_rawws import Frame

text: str = Frame.ping().payload
"""


@pytest.fixture(scope="session")
def editable(checkout: Path) -> Path:
    """The Python of an environment made by the README's command, without what follows it."""
    readme = (checkout / "README.md").read_text()
    command = re.search(
        r"^(python -m venv \.venv && \.venv/bin/pip install -e \.) &&", readme, re.M
    )
    assert command is not None
    python = Path(sys.executable).parent
    path = os.pathsep.join([str(python), os.environ["PATH"]])
    run("sh", "-c", command[1], cwd=checkout, PATH=path)
    return checkout / ".venv" / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder, with code that is right and code that is wrong."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


def complaints(*command: "str | Path", cwd: Path) -> str:
    """What a checker finds, which has to be something."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_an_editable_install_is_compiled(editable: Path, project: Path) -> None:
    code = "import app, aiohttp_rawws; app.application(); print(aiohttp_rawws.COMPILED)"
    assert run(editable, "-c", code, cwd=project) == "True\n"


def test_mypy_follows_an_editable_install(editable: Path, project: Path) -> None:
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", editable)
    assert "Success" in run(*mypy, "app.py", cwd=project)
    assert 'expression has type "bytes"' in complaints(*mypy, "wrong.py", cwd=project)


def test_pyright_follows_an_editable_install(editable: Path, project: Path) -> None:
    if shutil.which("npx") is None:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_NODE") == "1"
        (pytest.fail if required else pytest.skip)("npx was not found: install npm")
    pyright = ("npx", "--yes", PYRIGHT_PACKAGE, "--pythonpath", editable)
    assert "0 errors, 0 warnings" in run(*pyright, "app.py", cwd=project)
    assert '"bytes" is not assignable to "str"' in complaints(*pyright, "wrong.py", cwd=project)
