"""Fixtures of the tests of `connect`."""

import pytest

from tests.support.handshakes import Opening, answer
from tests.support.wire import Script, Wire


@pytest.fixture(name="listening")
def scripts_that_listen(heard: list[Opening]) -> Script:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        offers = opening.headers
        chosen = offers.get("Sec-WebSocket-Protocol", "").partition(",")[0]
        extensions = offers.get("Sec-WebSocket-Extensions", "")
        wire.send(
            answer(opening, Sec_WebSocket_Protocol=chosen, Sec_WebSocket_Extensions=extensions)
        )
        await wire.read_to_end()

    return script
