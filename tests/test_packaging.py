"""A wheel and an sdist build, and the package works from each, with a C compiler and without."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOT = ("mask", "frames", "codec", "connection", "layers/messages")

# Which build is tested makes no difference to what is built.
pytestmark = pytest.mark.skipif(
    bool(os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS")), reason="built once, by the compiled run"
)

SERVE = """
import asyncio, aiohttp, aiohttp_rawws
from aiohttp import web

async def echo(session):
    async for frame in session:
        await session.send(frame)

async def main():
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.router.add_raw_websocket("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/") as ws:
            await ws.send_str("works")
            print(await ws.receive_str(), aiohttp_rawws.COMPILED, aiohttp_rawws.__file__)
    await runner.cleanup()

asyncio.run(main())
"""


def run(*command: "str | Path", cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
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


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of what git tracks: a clean checkout, without what builds left in the folder."""
    checkout = tmp_path_factory.mktemp("checkout")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, files.split("\0")):
        target = checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return build("sdist", checkout, tmp_path_factory.mktemp("sdist"))[0]


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = unpacked(sdist, tmp_path_factory.mktemp("unpacked"))
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))[0]


def installed(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_sdist_holds_the_sources_and_no_caches(sdist: Path, tmp_path: Path) -> None:
    source = unpacked(sdist, tmp_path)
    names = {path.relative_to(source).as_posix() for path in source.rglob("*")}
    for name in HOT:
        assert f"aiohttp_rawws/{name}.py" in names
        assert f"aiohttp_rawws/{name}.pxd" in names
    assert {"aiohttp_rawws/mask.pyx", "aiohttp_rawws/py.typed", "LICENSE", "README.md"} <= names
    assert not [name for name in names if name.endswith((".c", ".so", ".pyd", ".pyc"))]


def test_the_wheel_holds_the_compiled_modules_and_their_sources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in HOT:
        assert f"aiohttp_rawws/{name}.py" in names
        compiled = [n for n in names if n.startswith(f"aiohttp_rawws/{name}.")]
        assert [n for n in compiled if n.endswith((".so", ".pyd"))]
    assert "aiohttp_rawws/py.typed" in names
    layers = (ROOT / "aiohttp_rawws" / "layers").glob("*.py")
    assert {path.relative_to(ROOT).as_posix() for path in layers} <= set(names)
    assert not [name for name in names if name.endswith(".c")]
    assert not [name for name in names if name.startswith(("tests", "demo", "benchmarks"))]


def test_the_wheel_works(wheel: Path, tmp_path: Path) -> None:
    folder = installed(wheel, tmp_path / "site")
    out = run("-W", "error", "-c", SERVE, cwd=tmp_path, PYTHONPATH=str(folder))
    assert out.split() == ["works", "True", str(folder / "aiohttp_rawws" / "__init__.py")]


def test_without_a_compiler_it_installs_interpreted_and_says_so(
    sdist: Path, tmp_path: Path
) -> None:
    source = unpacked(sdist, tmp_path / "source")
    wheel, said = build("wheel", source, tmp_path, CC="no-such-compiler")
    assert 'building extension "aiohttp_rawws.connection" failed' in said
    folder = installed(wheel, tmp_path / "site")
    out = run("-W", "error", "-c", SERVE, cwd=tmp_path, PYTHONPATH=str(folder))
    assert out.split() == ["works", "False", str(folder / "aiohttp_rawws" / "__init__.py")]
