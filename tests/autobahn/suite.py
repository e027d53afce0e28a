"""The Autobahn|Testsuite, installed on demand from PyPI, and its two ways to fuzz.

It gets an environment of its own: it needs another autobahn and Twisted than anybody wants.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from .port import port

VERSION = "25.10.1"
#: 0.10.9 is the version that the suite is bound to; of the others the newest that work.
REQUIREMENTS = ("autobahn==0.10.9", "txaio==2.1.0", "Twisted>=22,<27", "six", "zope.interface")
#: C code for masking and UTF-8; without it the large cases of group 9 are slow.
ACCELERATION = "wsaccel==0.6.7"

#: The suite offers its client's or waits for its server's next case for ever.
TIMEOUT = 3600.0

ALIASES = {
    "core": ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"),
    "perf": ("9.*",),
    "deflate": ("12.*", "13.*"),
    # Two small messages and two large ones of each kind: 48 of the 216.
    "deflate-quick": tuple(
        f"{group}.{kind}.{size}"
        for group, kinds in ((12, 5), (13, 7))
        for kind in range(1, kinds + 1)
        for size in (1, 3, 5, 11)
    ),
    "all": ("*",),
}


class SuiteError(Exception):
    """The suite could not be installed, or did not run."""


@dataclass(frozen=True)
class Selection:
    """Cases by alias (`core`), pattern (`6.4.*`) or number (`9.1.1`)."""

    included: Sequence[str] = ("all",)
    excluded: Sequence[str] = ()

    def spec(self) -> dict[str, object]:
        return {
            "cases": _patterns(self.included),
            "exclude-cases": _patterns(self.excluded),
            "exclude-agent-cases": {},
        }


def _patterns(names: Sequence[str]) -> list[str]:
    return [pattern for name in names for pattern in ALIASES.get(name, (name,))]


def default_folder() -> Path:
    """Where the suite is installed unless somebody says otherwise: one for each Python."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (
        cache / "aiohttp_rawws" / f"autobahn-{VERSION}-py{sys.version_info[0]}{sys.version_info[1]}"
    )


@dataclass(frozen=True)
class Suite:
    python: Path
    """The interpreter of the environment that the suite is installed in."""

    @classmethod
    def install(cls, folder: Path) -> "Suite":
        """The suite in the environment `folder`, which is made where there is none.

        Takes half a minute the first time. Raises `SuiteError`.
        """
        python = folder.absolute() / "bin" / "python"
        if not _succeeds(python, "-c", "import autobahntestsuite._py3, autobahntestsuite.fuzzing"):
            print(f"installing the suite in {folder}", file=sys.stderr, flush=True)
            _install(folder, python)
        return cls(python)

    def fuzz_servers(
        self,
        urls: Mapping[str, str],
        selection: Selection,
        folder: Path,
        timeout: float = TIMEOUT,
    ) -> list[str]:
        """Run the cases against the servers, one after the other; the numbers of the cases.

        `urls` names them. The reports are added to `folder`, the suite's own words are its
        `log.txt`. After `timeout` seconds it is stopped, and there are no reports.
        """
        servers = [{"agent": agent, "url": url} for agent, url in urls.items()]
        with self._running("fuzzingclient", {"servers": servers}, selection, folder) as process:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                print(f"stopped after {timeout} seconds", file=sys.stderr)
        return _cases(folder)

    def fuzz_client(
        self,
        agent: str,
        command: Sequence[str],
        selection: Selection,
        folder: Path,
        timeout: float = TIMEOUT,
    ) -> list[str]:
        """Run the cases with a client, which `command` starts; the numbers of the cases.

        It finds the suite's URL and its own name in AUTOBAHN_URL and AUTOBAHN_AGENT. The rest is
        as with `fuzz_servers`, but the reports tell of what was done by the end of `timeout`.
        Raises `SuiteError` if the client does not start.
        """
        url = f"ws://127.0.0.1:{_free_port()}"
        with self._running("fuzzingserver", {"url": url}, selection, folder) as process:
            if _listens(url, process):
                _run_client(agent, command, url, timeout)
                asyncio.run(_ask_for_reports(url, agent))
        return _cases(folder)

    @contextmanager
    def _running(
        self, mode: str, spec: dict[str, object], selection: Selection, folder: Path
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """The suite's process, which ends with the block; then its reports are in `folder`."""
        # In a folder of its own, so that no report of an earlier run passes for one of this.
        with tempfile.TemporaryDirectory() as name:
            reports = Path(name) / "reports"
            reports.mkdir()
            file = Path(name) / "spec.json"
            file.write_text(json.dumps(spec | selection.spec() | {"outdir": str(reports)}))
            with open(reports / "log.txt", "wb") as log:
                process = subprocess.Popen(
                    [self.python, "-I", Path(__file__).with_name("wstest.py"), mode, file],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
                try:
                    yield process
                finally:
                    process.kill()
                    process.wait()
            shutil.copytree(reports, folder, dirs_exist_ok=True)


def _succeeds(*command: "str | Path") -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _run(*command: "str | Path") -> str:
    """What a command prints; SuiteError with it if the command fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode:
        raise SuiteError(f"{' '.join(map(str, command))}:\n{done.stdout}")
    return done.stdout


def _install(folder: Path, python: Path) -> None:
    _run(sys.executable, "-m", "venv", folder)
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "-q")
    _run(*pip, "--use-pep517", *REQUIREMENTS)
    if not _succeeds(*pip, "--only-binary=:all:", ACCELERATION):
        print("no wheel of wsaccel for this Python: group 9 will be slow", file=sys.stderr)
    site = Path(
        _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    # What says it is for Python 2.7 is only installed for Python 2.7.
    platform = ("--python-version=2.7", "--implementation=py", "--abi=none", "--platform=any")
    unchecked = ("--no-deps", "--no-compile", "--upgrade", "--only-binary=:all:")
    _run(*pip, *unchecked, *platform, "--target", site, f"autobahntestsuite=={VERSION}")
    port(site / "autobahntestsuite")
    _run(python, "-c", "import autobahntestsuite.fuzzing")


def _cases(folder: Path) -> list[str]:
    """The numbers of the cases that the suite said it would run."""
    log = (folder / "log.txt").read_text(errors="replace")
    announced = re.search(r"^Cases = (\[.*\])", log, re.MULTILINE)
    if announced is None:
        raise SuiteError(f"the suite did not start:\n{log[-2000:]}")
    if announced[1] == "[]":
        raise SuiteError("no case is selected")
    for failure in re.findall(r"^Connection to .* failed .*", log, re.MULTILINE):
        print(failure, file=sys.stderr)
    return re.findall(r"'([\d.]+)'", announced[1])


def _run_client(agent: str, command: Sequence[str], url: str, timeout: float) -> None:
    environment = {**os.environ, "AUTOBAHN_URL": url, "AUTOBAHN_AGENT": agent}
    try:
        status = subprocess.run(command, env=environment, timeout=timeout).returncode
    except OSError as error:
        raise SuiteError(f"the client did not start: {error}") from None
    except subprocess.TimeoutExpired:
        print(f"client stopped after {timeout} seconds", file=sys.stderr)
    else:
        if status:
            print(f"client ended with status {status}", file=sys.stderr)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port_number: int = listener.getsockname()[1]
        return port_number


def _listens(url: str, process: "subprocess.Popen[bytes]") -> bool:
    """Wait for the suite to listen; False if it ends instead, or takes over 20 seconds."""
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    for _ in range(200):
        try:
            socket.create_connection(address, 1).close()
        except OSError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
        else:
            return True
    return False


async def _ask_for_reports(url: str, agent: str) -> None:
    """The suite writes them when it is asked to, and closes once they are written."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/updateReports?agent={agent}") as connection,
        ):
            await connection.receive(timeout=300)
    except aiohttp.ClientError as error:
        print(f"the suite wrote no reports: {error}", file=sys.stderr)
