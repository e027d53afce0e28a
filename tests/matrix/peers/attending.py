"""What the clients share: each connects where it is told to, echoes, and tells what it saw.

A client prints `{"version": ...}`. Then it reads lines from its standard input, `{"cell", "url",
"mode", "heartbeat", "bound"}`, does them all at a time, and prints a line for each that is over:
`{"cell", "opened", "messages", "count", "end"}`. In the mode `echo` it sends "hello", and echoes
messages but for the echo of its own; in `close` it sends "hello" and closes after a moment. After
`bound` seconds it gives up: "still open".
"""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version

from .serving import MOMENT, say, words

__all__ = ("HELLO", "MOMENT", "Cell", "attend")

HELLO = "hello"
#: How many messages a client tells of.
MESSAGES = 5


@dataclass
class Cell:
    """One connection to make, and what came of it."""

    cell: str
    url: str
    mode: str
    heartbeat: float | None
    bound: float
    opened: bool = False
    messages: list[str] = field(default_factory=list)
    count: int = 0
    end: str = "returned"

    @property
    def closing(self) -> bool:
        """True if the client has to close."""
        return self.mode == "close"

    def got(self, message: object) -> bool:
        """Keep a message that the library delivered. Return True if it is to be echoed."""
        self.count += 1
        if len(self.messages) < MESSAGES:
            self.messages.append(repr(message)[:60])
        return message not in (HELLO, HELLO.encode())

    def tell(self) -> None:
        say(
            cell=self.cell,
            opened=self.opened,
            messages=self.messages,
            count=self.count,
            end=self.end,
        )


def attend(package: str, talk: Callable[[Cell], Awaitable[None]]) -> None:
    """Be a client: run `talk` for each connection that is asked for."""
    logging.disable()

    async def one(cell: Cell) -> None:
        try:
            await asyncio.wait_for(talk(cell), cell.bound)
        except asyncio.TimeoutError as error:
            # The library's own, or that of the bound.
            cell.end = words(error) if str(error) else "still open"
        except Exception as error:
            cell.end = words(error)
        cell.tell()

    async def run() -> None:
        say(version=version(package))
        tasks = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            task = asyncio.create_task(one(Cell(**json.loads(line))))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    asyncio.run(run())
