"""`python -m demo.ingress`: probe the usual loop and ours, and measure both.

It takes about ten seconds. The exit status is 0 if ours keeps every promise.
"""

import asyncio
import contextlib
import platform
import signal
import statistics
import sys
from collections.abc import AsyncIterator

import aiohttp

from aiohttp_rawws import COMPILED

from .figures import FIGURES, Figure, cost
from .line import Line, Upstream, upstream_server
from .probes import PROBES, Verdict, judge
from .process import LOOPS, running

USUAL, OURS = MODULES = ("demo.ingress.usual", "demo.ingress.ours")

#: The rounds of a figure. Their median is shown.
ROUNDS = 3

ROW = "{:42}{:>6}{:>6}  {}"
FIGURE_ROW = "{:42}{:>9}{:>9}{:>8}"
COLOURS = {True: "\033[32m", False: "\033[31m"}
PLAIN = "\033[0m"


def main() -> None:
    try:
        kept = LOOPS.run(compare())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    sys.exit(0 if kept else 1)


def end_on_interrupt() -> None:
    """Have Ctrl+C cancel this task. Before 3.11 it stops the loop wherever that is."""
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError):  # on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)


async def compare() -> bool:
    """Print both tables. Return True if ours has kept every promise."""
    end_on_interrupt()
    build = "compiled" if COMPILED else "interpreted"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"aiohttp {aiohttp.__version__}, {LOOPS.__name__}, {python}, {build}\n")
    jar = aiohttp.DummyCookieJar()
    async with (
        upstream_server() as upstream,
        aiohttp.ClientSession(cookie_jar=jar) as client,
        both(upstream, client) as lines,
    ):
        kept = await probe_all(lines)
        await measure_all(lines)
    return kept


@contextlib.asynccontextmanager
async def both(upstream: Upstream, client: aiohttp.ClientSession) -> AsyncIterator[list[Line]]:
    """Start the usual loop and ours, each as a new process."""
    async with contextlib.AsyncExitStack() as stack:
        starting = (running(module, upstream.url) for module in MODULES)
        proxies = await asyncio.gather(*map(stack.enter_async_context, starting))
        yield [Line(proxy, upstream, client) for proxy in proxies]


async def probe_all(lines: list[Line]) -> bool:
    """Print the table of verdicts. Return True if ours has kept every promise."""
    print(ROW.format("what passes through", "usual", "ours", "seen"))
    count = [0, 0]
    for probe in PROBES:
        usual, ours = verdicts = await asyncio.gather(*(judge(probe, line) for line in lines))
        seen = zip(("usual", "ours"), verdicts, strict=True)
        notes = "; ".join(f"{who}: {verdict.seen}" for who, verdict in seen if verdict.seen)
        print(ROW.format(probe.promise, word(usual), word(ours), notes).rstrip(), flush=True)
        count[0] += usual.kept
        count[1] += ours.kept
    print(ROW.format("", *count, f"of {len(PROBES)}\n"))
    return count[1] == len(PROBES)


def word(verdict: Verdict) -> str:
    word = "  pass" if verdict.kept else "  FAIL"
    return f"{COLOURS[verdict.kept]}{word}{PLAIN}" if sys.stdout.isatty() else word


async def measure_all(lines: list[Line]) -> None:
    """Print the table of costs."""
    if lines[0].proxy.cpu_seconds() is None:
        print("What a message costs is measured on Linux only.")
        return
    print(FIGURE_ROW.format("CPU of the proxy, us per echoed message", "usual", "ours", "ratio"))
    for figure in FIGURES:
        usual, ours = await costs(figure, lines)
        ratio = f"{usual / ours:.1f}"
        print(FIGURE_ROW.format(figure.title, f"{usual:.2f}", f"{ours:.2f}", ratio), flush=True)
    print("This shows the order of it; benchmarks/ is for measuring.")


async def costs(figure: Figure, lines: list[Line]) -> list[float]:
    """Return the median of each line. The lines take turns, so that a slow spell meets all."""
    of_each: list[list[float]] = [[] for _ in lines]
    for _ in range(ROUNDS):
        for line, its_costs in zip(lines, of_each, strict=True):
            its_costs.append(await cost(line, figure))
    return [statistics.median(its_costs) for its_costs in of_each]


if __name__ == "__main__":
    main()
