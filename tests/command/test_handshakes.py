"""The handshakes in --tap and --capture, and the secrets in them."""

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.support.command import CLOSE, proxying, sink
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.servers import Serve, application
from tests.support.wire import Wire

JWT = "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo"

SECRETS = {
    "Authorization": f"Bearer {JWT}",
    "Cookie": "sid=s3cr3t",
    "Sec_WebSocket_Protocol": f"chat, {JWT}",
}


async def handshakes(
    serve: Serve, path: Path, *options: str
) -> tuple[dict[str, dict[str, Any]], str]:
    """Make a connection, and have one refused; return both records and the output."""

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=403, headers={"Set-Cookie": "a=s3cr3t", "X-Why": "a\x9b"})

    app = application(sink, "chat")
    app.router.add_get("/no", refuse)
    options = ("--tap", "--show-headers", "--header=X-Api-Key: s3cr3t", *options)
    async with proxying(await serve(app), *options, "--capture", path) as command:
        for asking in ("/?x=1&access_token=s3cr3t", "/no"):
            wire = await Wire.open(command.address)
            wire.send(request(asking, X_A="b\xe4c", **SECRETS) + CLOSE)
            await wire.read_to_end()
            await wire.close()
        status, out, errors = await command.stop()
    assert (status, errors) == (0, "")
    records = [json.loads(line) for line in path.read_text().splitlines()]  # noqa: ASYNC240
    return {each["event"]: each for each in records if "handshakes" in each}, out


@ONE_LOOP
async def test_both_handshakes_without_their_secrets(serve: Serve, tmp_path: Path) -> None:
    records, out = await handshakes(serve, tmp_path / "c")
    assert "s3cr3t" not in out + json.dumps(records)
    assert JWT not in out + json.dumps(records)
    opened, refused = records["open"]["handshakes"], records["refused"]["handshakes"]
    visitor, upstream = dict(opened["client"]["request"]), dict(opened["upstream"]["request"])
    assert records["open"]["path"] == "/?x=1&access_token=[redacted]"
    assert visitor["Sec-WebSocket-Protocol"] == "chat, [redacted]"
    assert visitor["Authorization"] == "Bearer [redacted]"
    assert "X-Forwarded-For" not in visitor
    assert upstream["X-Forwarded-For"] == "127.0.0.1"
    assert upstream["X-Api-Key"] == "[redacted]"
    assert opened["upstream"]["url"].endswith("/?x=1&access_token=[redacted]")
    for side in ("client", "upstream"):
        assert (opened[side]["status"], refused[side]["status"]) == (101, 403)
        assert dict(opened[side]["response"])["Sec-WebSocket-Protocol"] == "chat"
        assert dict(refused[side]["response"])["Set-Cookie"] == "[redacted]"
    lines = [" ".join(line.split()[1:]) for line in out.splitlines()]
    assert "#1 visitor -> proxy Cookie: [redacted]" in lines
    assert "#1 proxy -> upstream X-Forwarded-For: 127.0.0.1" in lines
    assert "#2 upstream -> proxy 403" in lines
    assert out.replace("\n", "").isprintable()


@ONE_LOOP
async def test_secrets_that_are_asked_for(serve: Serve, tmp_path: Path) -> None:
    records, out = await handshakes(serve, tmp_path / "c", "--show-secrets")
    assert "[redacted]" not in out + json.dumps(records)
    assert ["Set-Cookie", "a=s3cr3t"] in records["refused"]["handshakes"]["client"]["response"]
    assert f"visitor -> proxy     Authorization: Bearer {JWT}\n" in out
