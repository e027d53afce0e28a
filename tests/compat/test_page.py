"""docs/compat.md: its examples run, and it tells what the proof found."""

import re
from typing import Any

import aiohttp
from aiohttp import web

from tests.compat.differences import DIFFERENCES
from tests.support import ROOT
from tests.support.servers import Serve

PAGE = (ROOT / "docs" / "compat.md").read_text(encoding="utf-8")


async def test_the_examples(serve: Serve, http: aiohttp.ClientSession) -> None:
    server: dict[str, Any] = {"__name__": "shown"}
    client: dict[str, Any] = {}
    shown = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for code, names in zip(shown, (server, client), strict=True):
        exec(code, names)
    app: web.Application = server["app"]
    address = await serve(app)
    assert await client["ask"](http, address.url("/ws")) == {"question": 1}


def test_the_numbers() -> None:
    found = re.search(r"(\d+) of (\d+) pass as they stand. The (\w+)\s+others", PAGE)
    assert found is not None
    assert int(found[2]) - int(found[1]) == len(DIFFERENCES)
    assert found[3] == "six"
