"""The examples of docs/captures.md, run one after the other."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

import aiohttp_rawws
from aiohttp_rawws import Frame
from tests.support.captures import ended
from tests.support.examples import echo_app, example, exchange, run, serving
from tests.support.servers import application


async def test_what_is_recorded_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with serving(echo_app()) as upstream, aiohttp.ClientSession() as client_session:
        names: dict[str, Any] = {**vars(aiohttp_rawws), "client_session": client_session}
        recording, replaying = (
            example("docs/captures.md", word).replace("ws://localhost:8765", upstream)
            for word in ("Recorder(", "replayed =")
        )
        await run(recording, names)
        async with serving(application(names["handler"])) as url:
            got = await exchange(client_session, url, Frame.text("hello"))
            assert got == [Frame.text("hello"), Frame.close(1000)]
            await ended(Path("chat.jsonl"))
        names["recorder"].close()
        await run(replaying, names)
    assert names["replayed"].compared == 2
