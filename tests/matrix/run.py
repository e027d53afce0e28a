"""All cells: the processes of the peers, and what is tried on each, at the same time or not."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .cases import Bounds, Case, cases
from .observing import Observation, observe
from .peers import Peer
from .process import NotStarted, Process

__all__ = ("Filled", "fill")

#: How many cells may be at work at a time, and how many of those that take CPU time.
AT_WORK = 12
LOUD = 2


@dataclass
class Filled:
    """What came of a run."""

    observations: list[Observation] = field(default_factory=list)
    #: The versions of the peers, by kind and name.
    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Why a peer is missing.
    failures: list[str] = field(default_factory=list)


class Run:
    """One run over peers and presets."""

    def __init__(self, names: "set[str] | None", bounds: Bounds) -> None:
        self.names = names
        self.bounds = bounds
        self.filled = Filled()
        self._at_work = asyncio.Semaphore(AT_WORK)
        self._loud = asyncio.Semaphore(LOUD)

    async def peer(self, peer: Peer) -> None:
        """Try one peer: what can wait waits side by side, the rest goes one by one."""
        all_cases = cases(peer.kind, self.names)
        waiting = [each for each in all_cases if each.patient and not each.pinging]
        pinging = [each for each in all_cases if each.pinging]
        if not peer.pings:
            # It has no heartbeat, so that one process will do.
            waiting, pinging = waiting + pinging, []
        rest = [each for each in all_cases if not each.patient and not each.pinging]
        try:
            await asyncio.gather(
                self.one_by_one(peer, rest),
                self.side_by_side(peer, waiting, pinging=False),
                self.side_by_side(peer, pinging, pinging=True),
            )
        except NotStarted as error:
            self.filled.failures.append(str(error))

    async def start(self, peer: Peer, *, pinging: bool = False) -> Process:
        async with self._at_work:
            process = await Process(peer, pinging=pinging).start()
        self.filled.versions[peer.kind, peer.name] = process.version
        return process

    async def one_by_one(self, peer: Peer, tried: "list[Case]", *, pinging: bool = False) -> None:
        """Try cases in a row. A process that is not well afterwards is the last case's doing."""
        process = None
        try:
            for each in tried:
                if process is None:
                    process = await self.start(peer, pinging=pinging)
                seen = await self.observe(each, process)
                if not is_well(seen):
                    await process.stop()
                    process = None
                    seen = await self.again(each, peer, pinging=pinging)
                self.filled.observations.append(seen)
        finally:
            if process is not None:
                await process.stop()

    async def again(self, tried: Case, peer: Peer, *, pinging: bool) -> Observation:
        """Try a case once more, in a process of its own: a busy machine looks like a hang."""
        process = await self.start(peer, pinging=pinging)
        try:
            return await self.observe(tried, process)
        finally:
            await process.stop()

    async def observe(self, tried: Case, process: Process) -> Observation:
        async with contextlib.AsyncExitStack() as stack:
            if tried.loud:
                await stack.enter_async_context(self._loud)
            await stack.enter_async_context(self._at_work)
            return await observe(tried, process, self.bounds)

    async def side_by_side(self, peer: Peer, tried: "list[Case]", *, pinging: bool) -> None:
        """Try cases at the same time, and each alone if the process is not well afterwards."""
        if not tried:
            return
        process = await self.start(peer, pinging=pinging)
        try:
            found = await asyncio.gather(*(observe(each, process, self.bounds) for each in tried))
        finally:
            await process.stop()
        if all(map(is_well, found)):
            self.filled.observations += found
        else:
            await self.one_by_one(peer, tried, pinging=pinging)


def is_well(seen: Observation) -> bool:
    return seen.runs and seen.serves


async def fill(
    peers: Iterable[Peer],
    names: "set[str] | None" = None,
    *,
    bounds: Bounds | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Filled:
    """Try presets, all or those named, on peers."""
    run = Run(names, bounds or Bounds())

    async def one(peer: Peer) -> None:
        await run.peer(peer)
        progress(f"{peer.kind}: {peer.name} is done")

    await asyncio.gather(*map(one, peers))
    return run.filled
