"""The fixtures, as a project of somebody else has them: in a process of its own."""

import importlib.util
import os
import re
from pathlib import Path

import pytest

import aiohttp_rawws
from tests.support.loops import LOOPS

#: Where the package and its plugin are, if they are not installed.
HERE = Path(aiohttp_rawws.__file__).parent.parent

pytestmark = pytest.mark.skipif(
    not (HERE / "pytest_aiohttp_rawws.py").exists(), reason="the plugin is elsewhere"
)

CERTIFICATES = """
import ssl, pytest, trustme

@pytest.fixture(scope="session")
def authority():
    return trustme.CA()

@pytest.fixture(scope="session")
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context

@pytest.fixture(scope="session")
def client_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context
"""

PASSING = """
import aiohttp, pytest
from aiohttp import web
import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.testing import Script

{mark}

async def echo(session):
    async for frame in session:
        await session.send(frame)

@pytest.fixture
def app():
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.router.add_raw_websocket("/{{name}}", echo)
    return app

async def says(session, text):
    await session.send(Frame.text(text))
    return await session.receive() == Frame.text(text)

async def test_a_pair(raw_websocket_pair):
    server, client = raw_websocket_pair
    await client.send(Frame.text("hello"))
    assert await server.receive() == Frame.text("hello")
    server, client = await raw_websocket_pair(protocols=["chat"], server={{"protocol": "chat"}})
    assert server.protocol == client.protocol == "chat"
    async with raw_websocket_pair() as (server, client):
        await server.send(Frame.ping())
        assert await client.receive() == Frame.ping()

async def test_clients_of_an_application(raw_websocket_client, app):
    one = await raw_websocket_client(app, "/one")
    async with raw_websocket_client(app, "/two") as two:
        assert await says(one, "1") and await says(two, "2")
        assert one.get_extra_info("peername") == two.get_extra_info("peername")
    assert two.closed and await says(one, "3")

async def test_a_client_of_a_url(raw_websocket_client, raw_websocket_server):
    script = Script().expect("text").send(Frame.text("hello"))
    server = await raw_websocket_server(script)
    assert await says(await raw_websocket_client(server.url), "hello")

async def test_a_block(raw_websocket_server):
    async with raw_websocket_server(Script().answer(401)) as server:
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(server.url)

async def test_tls(raw_websocket_client, raw_websocket_server, app, server_tls, client_tls):
    session = await raw_websocket_client(app, "/x", server_ssl=server_tls, ssl=client_tls)
    assert await says(session, "hello")
    server = await raw_websocket_server(Script().send(Frame.ping()).stall(), ssl=server_tls)
    session = await raw_websocket_client(server.url, ssl=client_tls)
    assert await session.receive() == Frame.ping()

async def test_a_unix_socket(raw_websocket_client, raw_websocket_server, app, tmp_path):
    path = str(tmp_path / "app")
    for _ in range(2):
        assert await says(await raw_websocket_client(app, "/x", unix_socket=path), "hello")
    path = str(tmp_path / "script")
    server = await raw_websocket_server(Script().send(Frame.ping()), unix_socket=path)
    session = await raw_websocket_client(server.url, unix_socket=path)
    assert await session.receive() == Frame.ping()
"""

FAILING = """
import aiohttp, pytest
from aiohttp_rawws import Frame
from aiohttp_rawws.testing import Script

async def visit(server, *texts):
    async with aiohttp.ClientSession() as client, client.ws_connect(server.url) as websocket:
        for text in texts:
            await websocket.send_str(text)

async def test_seen_in_the_test(raw_websocket_server):
    server = await raw_websocket_server(Script("one").expect("ping"), seed=1)
    await visit(server, "hello")
    await server.ended()

async def test_still_waited_for(raw_websocket_client, raw_websocket_server):
    server = await raw_websocket_server(Script("two").expect("text", "ping"), seed=2)
    session = await raw_websocket_client(server.url)
    await session.send(Frame.text("hello"))

async def test_failed_otherwise(raw_websocket_server):
    server = await raw_websocket_server(Script("three").expect("ping"), seed=3)
    await visit(server, "hello")
    await server.ended()
    assert 1 == 2

async def test_a_bad_network(raw_websocket_server, raw_websocket_chaos):
    server = await raw_websocket_server(Script("five").echo())
    proxy = await raw_websocket_chaos(server.url, drop="client:text", seed=5)
    async with aiohttp.ClientSession() as client, client.ws_connect(proxy.url) as websocket:
        await websocket.send_str("lost")
        await websocket.send_bytes(b"kept")
        assert (await websocket.receive()).data == "lost"

async def test_nobody_came(raw_websocket_server):
    await raw_websocket_server(Script("four").expect("ping"))
    assert 3 == 4

async def test_an_await_is_forgotten(raw_websocket_server):
    assert raw_websocket_server(Script()).url

@pytest.mark.asyncio(loop_scope="module")
async def test_another_loop(raw_websocket_server):
    async with raw_websocket_server(Script("six").expect("text")) as server:
        await visit(server, "hello")
    await raw_websocket_server(Script("seven"))
"""


def run(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    *options: str,
    ini: str = "",
    plugins: tuple[str, ...] = ("pytest_asyncio.plugin",),
) -> pytest.RunResult:
    """Run the tests of the folder in a process of its own, with these plugins alone."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
    loaded = [f"-p{name}" for name in (*plugins, "pytest_aiohttp_rawws")]
    return pytester.runpytest_subprocess(*loaded, "-p", "no:cacheprovider", *options, timeout=60)


UVLOOP = """
import uvloop, pytest

@pytest.fixture(scope="session")
def event_loop_policy():
    return uvloop.EventLoopPolicy()
"""


@pytest.mark.parametrize("how", ["strict", "auto", "aiohttp", "uvloop"])
def test_the_fixtures(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "uvloop" and "uvloop" not in LOOPS:
        pytest.skip("no uvloop here")
    mark = "pytestmark = pytest.mark.asyncio" if how == "strict" else ""
    pytester.makeconftest(CERTIFICATES + (UVLOOP if how == "uvloop" else ""))
    pytester.makepyfile(PASSING.format(mark=mark))
    plugins = ("pytest_asyncio.plugin", "pytest_aiohttp.plugin")[: 2 if how == "aiohttp" else 1]
    result = run(
        pytester,
        monkeypatch,
        *("-W", "error", "-W", "ignore::DeprecationWarning"),
        # asyncio's TLS of Python 3.10 says so of each transport that its peer has closed.
        *("-W", "ignore:unclosed transport <asyncio.sslproto:ResourceWarning"),
        ini=f"asyncio_mode = {'strict' if how == 'strict' else 'auto'}",
        plugins=plugins,
    )
    result.assert_outcomes(passed=6)


def test_anyio(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its plugin runs the tests, and pytest-asyncio is not there."""
    pytest.importorskip("anyio")
    pytester.makeconftest(
        f"import sys\nsys.modules['pytest_asyncio'] = None\n{CERTIFICATES}"
        "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    pytester.makepyfile(PASSING.format(mark="pytestmark = pytest.mark.anyio"))
    (pytester.path / "pytest_asyncio.py").write_text("raise ImportError")
    result = run(pytester, monkeypatch, plugins=("anyio",))
    result.assert_outcomes(passed=6)


def test_a_script_that_fails_fails_the_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(FAILING)
    result = run(pytester, monkeypatch, ini="asyncio_mode = auto")
    # The second has passed, and its script not: that is an error at its end.
    result.assert_outcomes(failed=6, passed=1, errors=1)
    told = re.sub(r"^E +", "", result.stdout.str(), flags=re.MULTILINE)
    table = """script 'one' (server, seed 1) failed at step 1: expect PING: \
got TEXT fin 5 bytes b'hello'
    expected  seen
  > PING      TEXT fin 5 bytes b'hello'"""
    assert table in re.sub(r"^    (  >|    expected)", r"\1", told, flags=re.MULTILINE)
    assert "script 'two' (server, seed 2) failed at step 2: expect PING: it was still" in told
    assert "script 'three' (server, seed 3) failed at step 1: expect PING: got TEXT" in told
    assert "assert 1 == 2" in told
    assert "no client has connected" in told
    assert told.count("scripted peers") >= 3
    assert "chaos --seed 5 --drop client:text" in told
    assert "AttributeError: 'url' is there once this is awaited" in told
    assert "RuntimeError: the fixture has another event loop than the test: enter this by" in told
    assert "script 'six' (server, seed " in told
    assert "#1 client frame 1: drop: TEXT fin 4 bytes b'lost'" in told


TWICE = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for _ in range(2):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_a_test_that_runs_once_more(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(TWICE)
    head, _, _ = FAILING.partition("async def test_seen")
    pytester.makepyfile(f"""{head}
runs = []

async def test_late(raw_websocket_server):
    runs.append(len(runs))
    server = await raw_websocket_server(Script().expect("text" if runs[1:] else "ping"))
    await visit(server, "hello")
    await server.ended()
""")
    run(pytester, monkeypatch, ini="asyncio_mode = auto").assert_outcomes(passed=1)


def test_an_old_pluggy_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that does not know such hooks runs, too."""

    def hookimpl(**options: object) -> None:
        raise TypeError("HookimplMarker.__call__() got an unexpected keyword argument")

    monkeypatch.setattr(pytest, "hookimpl", hookimpl)
    spec = importlib.util.spec_from_file_location("plugin", HERE / "pytest_aiohttp_rawws.py")
    assert spec is not None
    assert spec.loader is not None
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    assert plugin.pytest_runtest_call is plugin.pytest_runtest_makereport is None


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_fixtures_are_used_here(raw_websocket_pair: object) -> None:
    assert isinstance(raw_websocket_pair, tuple)
