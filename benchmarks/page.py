"""The page that shows what was measured: Markdown, and plots, from the JSON of the programs."""

import argparse
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from . import latency, rounds
from .load import Case
from .peers import is_ours
from .report import ratio
from .rounds import OURS, Result, headline_cases

Document = Mapping[str, Any]

#: Measured figures of each peer, a value for each round: what is compared, and in which case.
Figures = dict[tuple[str, str], dict[str, list[float]]]

#: What draws the plots of documents in a folder.
Draw = Callable[[Mapping[str, Document], Path], "list[Plot]"]

INTERPRETED = "rawws-python"
MIB = 2**20

#: Of all columns those that stand at the top of the page.
SHORT = (
    *("peer", "CPU us/msg", "minimum", "spread", "msg/CPU s", "MB/CPU s"),
    *("p50 us", "p99 us", "p99.9 us", "MiB"),
)

ABOUT_A_CASE = ("peer", "size", "inflight", "connections", "rate", "rounds")


# ---- Markdown ----


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column flush left, the others flush right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n</details>\n"


def name_of(peer: str) -> str:
    return f"**{peer}**" if is_ours(peer) else peer


# ---- CPU time per message: what `rounds` writes ----


def against(result: Result, results: Sequence[Result]) -> str:
    """How many times our cost this one is; nothing where ours was not measured."""
    for ours in results:
        if ours.peer.name == OURS and ours.case == result.case:
            return ratio(result.costs, ours.costs)
    return ""


def case_table(results: Sequence[Result], case: Case, columns: Sequence[str] = rounds.HEAD) -> str:
    """What is known of one case, ratios to ours next to the cost."""
    rows = []
    for result in results:
        if result.case == case:
            told = dict(zip(rounds.HEAD, rounds.figures(result), strict=True))
            name, cost, *more = (told[column] for column in columns)
            rows.append([name_of(name), cost, against(result, results), *more])
    name, cost, *more = columns
    return table((name, cost, f"{OURS} = 1", *more), rows)


def overview(results: Sequence[Result]) -> str:
    """CPU time of every peer in every case, and in brackets how many times ours that is."""
    costs = {(result.case, result.peer.name): median(result.costs) for result in results}
    peers = list(dict.fromkeys(result.peer.name for result in results))

    def cell(case: Case, peer: str) -> str:
        cost, ours = costs.get((case, peer)), costs.get((case, OURS))
        if cost is None:
            return "failed"
        times = f" ({cost / ours:.2f})" if ours and peer != OURS else ""
        return f"{cost:,.2f}{times}"

    cases = dict.fromkeys(result.case for result in results)
    rows = [[str(case), *(cell(case, peer) for peer in peers)] for case in cases]
    return table(("CPU us/msg", *map(name_of, peers)), rows)


def time_section(document: Document) -> str:
    results = rounds.from_json(document)
    cases = list(dict.fromkeys(result.case for result in results))
    parts = [overview(results)] if len(cases) > 1 else []
    parts += [folded(str(case), case_table(results, case)) for case in cases]
    failures = [
        f"- {plain_case(found)}: {found['reason']}\n" for found in document.get("failures", ())
    ]
    if failures:
        parts.append("What could not be measured:\n\n" + "".join(failures))
    return "\n".join(parts)


def time_figures(document: Document) -> Figures:
    figures: Figures = {}
    for result in rounds.from_json(document):
        memory = [sample.server_memory / MIB for sample in result.samples]
        for what, values in (("CPU us/msg", result.costs), ("peak MiB", memory)):
            figures.setdefault((what, str(result.case)), {})[result.peer.name] = values
    return figures


# ---- latency ----


def latency_section(document: Document) -> str:
    pairs = latency.from_json(document)
    parts = []
    for case in dict.fromkeys(pair.case for pair in pairs):
        rows = [row for pair in pairs if pair.case == case for row in latency.figures(pair)]
        parts.append(f"**{case.load}**\n\n" + table(latency.HEAD, rows))
    return "\n".join(parts)


def latency_figures(document: Document) -> Figures:
    return {
        (f"{name} us", f"{pair.case.load}, {pair.rate:,.0f} msg/s, half of {pair.rival}'s top"): {
            peer: [value * 1e6 for value in latency.of(share, samples)]
            for peer, samples in ((pair.rival, pair.theirs), (pair.ours, pair.samples))
        }
        for pair in latency.from_json(document)
        for share, name in latency.PERCENTILES.items()
    }


# ---- any other program's results: figures by name ----


def plain_case(found: Document) -> str:
    """The case of one result, as far as it tells."""
    if {"size", "inflight", "connections"} <= found.keys():
        return str(Case(found["size"], found["inflight"], found["connections"]))
    return f"{found['connections']:,} connections" if "connections" in found else ""


def plain_figures(document: Document) -> Figures:
    figures: Figures = {}
    for found in document["results"]:
        for key, value in found.items():
            if key not in ABOUT_A_CASE and isinstance(value, int | float):
                what = key.replace("_", " ")
                figures.setdefault((what, plain_case(found)), {})[found["peer"]] = [value]
    return figures


def plain_section(document: Document) -> str:
    parts = []
    for (what, case), costs in plain_figures(document).items():
        ours = costs.get(OURS)
        rows = [
            [name_of(peer), f"{median(values):,.2f}", ratio(values, ours) if ours else ""]
            for peer, values in costs.items()
        ]
        parts.append(f"**{case}**\n\n" * bool(case) + table(("peer", what, f"{OURS} = 1"), rows))
    return "\n".join(parts)


# ---- where others win ----


@dataclass(frozen=True)
class Loss:
    """A case in which one of ours costs more than a rival."""

    what: str
    case: str
    rival: str
    theirs: list[float]
    ours: dict[str, list[float]]
    """Of each of our peers, also of those that cost less."""

    @property
    def ratio(self) -> float:
        """Of the one of ours that costs most."""
        return max(map(self.times, self.ours))

    def times(self, name: str) -> float:
        return median(self.ours[name]) / median(self.theirs)

    def cell(self, name: str) -> str:
        """How many times theirs; "about" where a round of ours was no worse than one of theirs."""
        if name not in self.ours:
            return ""
        times = self.times(name)
        text = f"{median(self.ours[name]):,.2f} ({times:.2f})"
        if times <= 1:
            return text
        return f"about {text}" if min(self.ours[name]) <= max(self.theirs) else f"**{text}**"


def losses(figures: Figures) -> list[Loss]:
    """Every case and peer where the median of one of ours, unless interpreted, is above theirs."""
    found = []
    for (what, case), costs in figures.items():
        ours = {name: costs[name] for name in costs if is_ours(name) and name != INTERPRETED}
        for rival in costs:
            loss = Loss(what, case, rival, costs[rival], ours)
            if ours and not is_ours(rival) and median(costs[rival]) and loss.ratio > 1:
                found.append(loss)
    return found


def losses_section(all_figures: Mapping[str, Figures]) -> str:
    """A table for each section of the page, figure and rival that wins anything there."""
    parts = []
    for title, figures in all_figures.items():
        found = losses(figures)
        for what, rival in dict.fromkeys((loss.what, loss.rival) for loss in found):
            some = [loss for loss in found if (loss.what, loss.rival) == (what, rival)]
            compared = sum(rival in costs for (each, _), costs in figures.items() if each == what)
            text = f"{title}, {what}: <b>{rival}</b> costs less in {len(some)} of {compared}"
            parts.append(folded(text, losses_table(some)))
    return "\n".join(parts) or "Nowhere in what was measured.\n"


def losses_table(found: Sequence[Loss]) -> str:
    ours = list(dict.fromkeys(name for loss in found for name in loss.ours))
    rows = [
        [loss.case, f"{median(loss.theirs):,.2f}", *(loss.cell(name) for name in ours)]
        for loss in sorted(found, key=lambda loss: -loss.ratio)
    ]
    return table(("case", found[0].rival, *ours), rows)


# ---- the page ----


@dataclass(frozen=True)
class Section:
    title: str
    text: str
    show: Callable[[Document], str]
    figures: Callable[[Document], Figures]


def timed(title: str, text: str) -> Section:
    return Section(title, text, time_section, time_figures)


def plain(title: str, text: str) -> Section:
    return Section(title, text, plain_section, plain_figures)


#: By the name of the file of JSON, in the order of the page.
SECTIONS = {
    "results": timed("Echo", "Server CPU time per echoed message."),
    "matrix": timed(
        "Every size and load", "The same from 16 B to 1 MiB, on up to 1,000 connections."
    ),
    "asyncio": timed("Echo on asyncio's own loop", "The same without uvloop."),
    "tls": timed("Echo over TLS", "The same over TLS."),
    "client": timed("Clients", "CPU time of a client that echoes what the generator sends it."),
    "relay": timed("Proxies", "CPU time of a proxy before an echo server in C."),
    "latency": Section(
        "Latency at a given load",
        "Each rival, and ours, at half of the load that this rival can take with 32 messages in"
        " flight on each connection. The load is an open loop: every message has its time, and its"
        " latency counts from that time. **held** is the share of messages that had to wait because"
        f" {latency.BOUND:,} were in flight on their connection (a peer that cannot keep up)."
        " **sent late** is the 99th percentile of how late the generator itself was.",
        latency_section,
        latency_figures,
    ),
    "memory": plain("Idle memory", "Resident memory of the server for each idle connection."),
    "syscalls": plain("System calls", "System calls of the server for each message."),
    "instructions": plain("Instructions", "User instructions for each message, by callgrind."),
}

INTRODUCTION = """\
Written by `python -m benchmarks.page` from what the programs measured; no figure is edited.
`benchmarks/README.md` tells how to repeat it. In **bold** is what is ours.
"""

METHOD = """\
- Each peer is a process of its own, on a core of its own; the load generator, in C, has another.
  It polls instead of sleeping, so that no peer pays for waking it (but for proxies, whose upstream
  shares that core).
- Every measurement starts a new process, because chance lays out its memory. In every round all
  peers take turns in every case, beginning with another one each time, so that a slow spell of the
  machine meets them all.
- CPU time is the kernel's account of the process (its CPU clock, user and system), read at the
  two moments between which messages are counted. What was before, the warm-up, does not count.
- Every echo is compared with what was sent, to the byte. Nobody compresses, and no peer has a limit
  to the size of a message.
- A figure is the median of the rounds; a ratio is that of the medians, and in brackets that of the
  minima. Where the two disagree, the machine was not quiet.
- With more than 32 MiB in flight the connections are reset at the end instead of waiting for every
  echo. Warm-up and measurement last, however short their time, until each connection can have had
  an echo; a part of a message counts as that part.
"""

COLUMNS = f"""\
| column | meaning |
| --- | --- |
| CPU us/msg | the process's CPU time, user and system, per message echoed: median of the rounds |
| {OURS} = 1 | how many times our cost that is, and in brackets the ratio of the minima |
| minimum, spread | least of the rounds; greatest less least, as a share of the median |
| msg/CPU s, MB/CPU s | messages, and 10^6 bytes of payload one way, per second of CPU time |
| msg/s, MB/s | what came through |
| p50, p99, p99.9 | from the write of a message to the read of its echo, to 3 %: mostly a queue, \
where many are in flight |
| server, load | the share of its core that each was busy |
| msg/read | how many echoes one read of the generator brought |
| MiB | the most memory that the process had resident |
"""

LOSSES = f"""\
Computed from what was measured, not chosen: every case and peer in which the median of one of ours
is above the peer's, the interpreted build (`{INTERPRETED}`) left aside. In brackets is how many
times theirs ours is: **bold** where every round of ours was worse than every round of theirs,
"about" where the rounds overlap. `tcp` and `c-epoll` are no rivals but floors: bytes without
WebSocket, and an echo in C that does nothing else.
"""


def described(documents: Mapping[str, Document]) -> str:
    """Machine and versions, those of every document, told once."""
    lines: dict[tuple[str, str], None] = {}
    for document in documents.values():
        about = {**document.get("machine", {}), **document.get("peers", {})}
        lines |= dict.fromkeys((key, str(value)) for key, value in about.items())
    return table(("", ""), [[key, value] for key, value in lines if key != "load average"])


def measured(document: Document) -> str:
    """How often and how long one section was measured, and how quiet the machine was."""
    facts = [f"loop: {document['loop']}"] if "loop" in document else []
    all_rounds = [found.get("rounds", []) for found in document["results"]]
    number = max(map(len, all_rounds), default=0)
    facts += [f"{number} round{'s' * (number > 1)}"] if number else []
    facts += [f"{document['seconds']:g} s each"] if "seconds" in document else []
    waits = [
        median(sample["server_wait"] / sample["elapsed"] for sample in samples)
        for samples in all_rounds
        if samples and "server_wait" in samples[0]
    ]
    facts += [f"at most {max(waits):.0%} of the time spent waiting for a core"] if waits else []
    return ", ".join(facts).capitalize() + "." * bool(facts)


def page(documents: Mapping[str, Document], images: Mapping[str, str]) -> str:
    """Markdown of what the programs wrote, by the names of their files.

    `images` has, for the names of sections and "in short", the plots to show there, in Markdown.
    """
    known = {name: section for name, section in SECTIONS.items() if name in documents}
    parts = ["# Benchmarks\n", INTRODUCTION]
    if "results" in documents:
        results = rounds.from_json(documents["results"])
        cases = headline_cases(results)
        parts += ["## In short\n", images.get("in short", "")]
        parts += [f"**{case}**\n\n{case_table(results, case, SHORT)}" for case in cases]
    figures = {known[name].title: known[name].figures(documents[name]) for name in known}
    parts += ["## Where others win\n", LOSSES, losses_section(figures)]
    parts += ["## Method\n", METHOD, "## Columns\n", COLUMNS]
    parts += ["## Machine and versions\n", described(documents)]
    for name, section in known.items():
        document = documents[name]
        parts += [f"## {section.title}\n", f"{section.text} {measured(document)}\n"]
        parts += [images[name]] if name in images else []
        parts.append(section.show(document))
    return "\n".join(parts)


@dataclass(frozen=True)
class Plot:
    section: str
    """Where on the page it belongs."""
    file: Path
    about: str


def drawing() -> Draw:
    """What draws the plots; ends the program where matplotlib is missing."""
    # Imported only here: the page's text, and its tests, need no matplotlib.
    from .plots import draw

    return draw


def write(files: Sequence[Path], out: Path, draw: Draw) -> None:
    """The page, with its plots in a folder of its name in `images/` beside it."""
    documents = {file.stem: read(file) for file in files}
    folder = out.parent / "images" / out.stem
    folder.mkdir(parents=True, exist_ok=True)
    images: dict[str, str] = {}
    for plot in draw(documents, folder):
        link = os.path.relpath(plot.file, out.parent)
        images[plot.section] = images.get(plot.section, "") + f"![{plot.about}]({link})\n"
    out.write_text(page(documents, images))


def read(file: Path) -> Document:
    if file.stem not in SECTIONS:
        raise SystemExit(f"{file}: no section of that name; there are {', '.join(SECTIONS)}")
    try:
        document: Document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{file}: {error}") from None
    return document


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument(
        "files", type=Path, nargs="+", help=f"JSON, named as their sections: {', '.join(SECTIONS)}"
    )
    parser.add_argument("out", type=Path, help="the Markdown file to write")
    options = parser.parse_args()
    write(options.files, options.out, drawing())


if __name__ == "__main__":
    main()
