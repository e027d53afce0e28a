"""The errors of the command line, and its help."""

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import aiohttp
import pytest
import trustme

from aiohttp_rawws import __version__
from aiohttp_rawws.__main__ import main
from tests.support import ROOT
from tests.support.command import End, complaint, without_uvloop
from tests.support.waiting import PATIENCE

# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("65536 ws://h", "LISTEN: not PORT, :PORT, HOST:PORT or [IPV6]:PORT with a port from 0"),
        ("http ws://h", "LISTEN: not PORT,"),
        ("::1:80 ws://h", "LISTEN: not PORT,"),
        ("[h:80 ws://h", "LISTEN: not PORT,"),
        ("\u0661 ws://h", "LISTEN: not PORT,"),
        ("0 ftp://h", "UPSTREAM: not a ws, wss, http or https URL, nor unix:PATH: 'ftp://h'"),
        ("0 h:80", "UPSTREAM: not a ws, wss, http or https URL, nor unix:PATH: 'h:80'"),
        ("0 ws:///x", "UPSTREAM: not a ws, wss, http or https URL, nor unix:PATH: 'ws:///x'"),
        ("0 ws://h:port", "UPSTREAM: "),
        ("0 ws://h?x", "UPSTREAM: the query is the visitor's, leave it out: 'ws://h?x'"),
        ("0 ws://h/?", "UPSTREAM: the query is the visitor's"),
        ("0 ws://h#x", "UPSTREAM: the query is the visitor's"),
        ("0 ws://u:p@h", "UPSTREAM: no user or password here: use --header Authorization:"),
        ("0 ws://h --header X", "--header: not NAME:VALUE: 'X'"),
        ("0 ws://h --header :x", "--header: not NAME:VALUE: ':x'"),
        ("0 ws://h --header X:a\nb", "--header: not NAME:VALUE: 'X:a\\nb'"),
        ("0 ws://h --header te:x", "--header: te is set by the proxy"),
        ("0 ws://h --header sec-websocket-KEY:x", "sec-websocket-KEY is set by the proxy"),
        ("0 ws://h --drop-header a:b", "--drop-header: 'a:b' is no name of a header"),
        ("0 ws://h --drop-header te", "--drop-header: TE is not for headers="),
        ("0 ws://h --host a/b", "--host: host must be the value of a Host header, got 'a/b'"),
        ("0 ws://h --trusted 10.0.0.0/33", "--trusted: trusted: "),
        ("0 ws://h --idle 0", "--idle: not a number of seconds above 0: '0'"),
        ("0 ws://h --strip-prefix x", "--strip-prefix: not the beginning of a path, like /apps/x"),
        ("0 ws://h --strip-prefix /x?", "--strip-prefix: not the beginning of a path"),
        ("0 ws://h --timeout 0", "--timeout: not a number of seconds above 0: '0'"),
        ("0 ws://h --timeout nan", "--timeout: not a number of seconds above 0: 'nan'"),
        ("0 ws://h --timeout inf", "--timeout: not a number"),
        ("0 ws://h --timeout soon", "--timeout: not a number"),
        ("0 ws://h --payload-limit 0", "--payload-limit: not a number of bytes, like 65536"),
        ("0 ws://h --payload-limit 1T", "--payload-limit: not a number of bytes"),
        (
            "0 ws://h --capture x --payload-limit 1G",
            "error: --capture keeps up to 128M of a payload",
        ),
        ("unix: ws://h", "LISTEN: not the path of a Unix socket: ''"),
        ("0 https://unix:/s:/", "UPSTREAM: there is no TLS to a Unix socket: 'https://unix:/s:/'"),
        ("0 unix:/s:/?x", "UPSTREAM: the query is the visitor's"),
        ("unix:/s ws://h --socket-mode 8", "--socket-mode: not the permissions of a file, like"),
        ("0 ws://h --color sometimes", "--color: invalid choice: 'sometimes'"),
        ("0 ws://h --tap --capture -", "--tap and --capture - would both write to standard output"),
        ("0 ws://h --ca /none", "--ca: cannot read '/none': No such file or directory"),
        (f"0 ws://h --ca {__file__}", f"--ca: cannot read {__file__!r}: no certificates in it"),
        ("0 ws://h --visitor-ca /none", "--visitor-ca: cannot read '/none': No such file or"),
        ("0 ws://h --cert /none", "--cert: cannot read '/none': No such file or directory"),
        (f"0 ws://h --cert {__file__}", "py': no certificate and its key in PEM form"),
        ("0 ws://h --key x", "error: --key needs --cert"),
        ("0 ws://h --listen-key x", "error: --listen-key needs --listen-cert"),
        ("0", "the following arguments are required: UPSTREAM"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], arguments: str, said: str) -> None:
    status, out, errors = complaint(capsys, "proxy", *arguments.split(" "))
    assert (status, out) == (2, "")
    *usage, error = errors.splitlines()
    assert usage[0].startswith("usage: aiohttp-rawws proxy ")
    assert error.startswith("aiohttp-rawws proxy: error: ")
    assert said in error


def test_no_certificates_and_which_to_trust(
    capsys: pytest.CaptureFixture[str], authority: trustme.CA
) -> None:
    with authority.cert_pem.tempfile() as path:
        output = complaint(capsys, "proxy", "0", "ws://h", "--insecure", "--ca", path)
    assert output[0] == 2
    assert "--ca: not allowed with argument --insecure" in output[2]


def command_fails(*arguments: str, shell: str = "") -> End:
    command = [sys.executable, "-W", "error", "-m", "aiohttp_rawws", "proxy", *arguments]
    if shell:
        command = ["sh", "-c", shell, "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("listen", [":{}", "localhost:{}"])
def test_a_port_that_is_taken(listen: str) -> None:
    host = "localhost" if "localhost" in listen else "127.0.0.1"
    # The first address of localhost may be one of IPv6.
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.create_server(address, family=family) as taken:
        port = taken.getsockname()[1]
        status, out, errors = command_fails(listen.format(port), "ws://127.0.0.1:1")
    assert (status, out) == (1, "")
    said = f"cannot listen on {host}:{port}: {os.strerror(errno.EADDRINUSE)}"
    assert errors == f"aiohttp-rawws: {said}\n"


@pytest.mark.parametrize("listen", ["192.0.2.1:0", "a..b:0", "[nothing]:0"])
def test_an_address_that_is_none_of_ours(listen: str) -> None:
    status, out, errors = command_fails(listen, "ws://127.0.0.1:1")
    assert (status, out) == (1, "")
    assert re.fullmatch(r"aiohttp-rawws: cannot listen on \S+:0: .+\n", errors)


def test_a_capture_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "none" / "capture"
    status, out, errors = command_fails("0", "ws://127.0.0.1:1", "--capture", str(path))
    assert (status, out) == (1, "")
    assert errors == f"aiohttp-rawws: cannot write {path}: {os.strerror(errno.ENOENT)}\n"


@pytest.mark.parametrize("option", ["--tap", "--capture=-"])
def test_a_standard_output_that_is_closed(option: str) -> None:
    """Its number may be that of a socket."""
    output = command_fails("0", "ws://127.0.0.1:1", option, shell='exec "$@" >&-')
    assert output == (1, "", "aiohttp-rawws: cannot write to standard output: it is closed\n")


# -- help ------------------------------------------------------------------------------------------


def test_its_help_tells_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(capsys)[0] == 2
    status, out, errors = complaint(capsys, "--help")
    assert (status, errors) == (0, "")
    assert "proxy" in out
    status, out, errors = complaint(capsys, "proxy", "--help")
    assert (status, errors) == (0, "")
    documented = (ROOT / "docs" / "command.md").read_text()
    for option in re.findall(r"--[a-z-]+", out):
        assert option == "--help" or f"`{option}" in documented
    assert "uvloop" in out


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_its_version_tells_what_runs(loop: str, tmp_path: Path) -> None:
    env = {**os.environ, **(without_uvloop(tmp_path) if loop == "asyncio" else {})}
    command = [sys.executable, "-m", "aiohttp_rawws", "--version"]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(
        rf"aiohttp_rawws {re.escape(__version__)} \((compiled|interpreted), {loop}\), "
        rf"aiohttp {re.escape(aiohttp.__version__)}, Python \S+",
        # argparse breaks a long line.
        " ".join(out.split()),
    )


def test_it_is_a_script_too() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="aiohttp-rawws")
    assert script.load() is main
    found = shutil.which("aiohttp-rawws", path=str(Path(sys.executable).parent))
    if found is not None:
        subprocess.run([found, "--version"], check=True, capture_output=True)
