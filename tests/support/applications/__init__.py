"""Applications from PyPI as processes, and the gateway of docs/proxy.md before them."""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT
from tests.support.ports import free_port

FOLDER = Path(__file__).parent
REQUIREMENTS = ("jupyterlab>=4.4,<5", "nicegui>=3,<4", "sse-starlette>=3,<4", "uvicorn<1")
#: In seconds: JupyterLab is slow to begin, and to end its kernels.
TIME_TO_BEGIN = 60
TIME_TO_END = 30


def installed() -> Path:
    """Return the Python of an environment with the applications, made at the first call.

    It is in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`). This takes a minute or two, and
    half a gigabyte.
    """
    wanted = "\n".join((sys.version, *REQUIREMENTS)).encode()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "aiohttp_rawws" / f"apps-{hashlib.sha256(wanted).hexdigest()[:12]}"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        done.touch()
    return python


class Process:
    """A program that listens on a port of this machine, and what it has printed."""

    def __init__(self, port: int, *command: object, **environment: str) -> None:
        self.port = port
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        # NiceGUI behaves otherwise where this one is set.
        own = {name: os.environ[name] for name in os.environ.keys() - {"PYTEST_CURRENT_TEST"}}
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=own | environment,
            stdout=self._output,
            stderr=self._output,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        # The process writes where its own descriptor stands.
        return os.pread(self._output.fileno(), 2**20, 0).decode(errors="replace")

    def wait_until_it_listens(self) -> None:
        limit = time.monotonic() + TIME_TO_BEGIN
        while time.monotonic() < limit and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        raise AssertionError(f"it does not listen: {self.printed}")

    def stop(self) -> tuple[int, str]:
        """Ask the program to end; return its exit status and what it has printed."""
        self._process.terminate()
        try:
            return self._process.wait(TIME_TO_END), self.printed
        finally:
            self._process.kill()
            self._process.wait()
            self._output.close()


@contextlib.contextmanager
def running(port: int, *command: object, **environment: str) -> Iterator[Process]:
    process = Process(port, *command, **environment)
    try:
        process.wait_until_it_listens()
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def jupyterlab(folder: Path, *options: str) -> Iterator[Process]:
    """Run JupyterLab with its files in `folder`. Its token is "token"."""
    port = free_port()
    homes = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = (
        *(installed(), "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"),
        "--IdentityProvider.token=token",
        # By what is exposed a test reads the terminal, which is drawn on a canvas.
        "--LabApp.expose_app_in_browser=True",
    )
    with running(port, *command, *options, HOME=str(folder), **homes) as process:
        yield process


@contextlib.contextmanager
def application(name: str) -> Iterator[Process]:
    """Run one of the programs beside this file."""
    port = free_port()
    with running(port, installed(), FOLDER / f"{name}.py", port) as process:
        yield process


@contextlib.contextmanager
def gateway(code: str, handler: str, port: int, loop: str, folder: Path) -> Iterator[str]:
    """Run examples of docs/proxy.md; yield the URL. It must log nothing, and end when asked to."""
    file = folder / "shown.py"
    file.write_text(code)
    command = (sys.executable, "-W", "error", "-m", f"{__name__}.gateway")
    process = Process(port, *command, file, handler, port, loop)
    try:
        process.wait_until_it_listens()
        yield process.url
    finally:
        status, printed = process.stop()
    assert (status, printed) == (0, "")
