"""Plots of what was measured, as SVG. The only file that needs matplotlib."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from . import latency, rounds
from .load import Case, connections_text, size_text
from .page import SECTIONS, Plot, time_section
from .peers import is_ours
from .rounds import OURS, Result, headline_cases

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
except ImportError:
    raise SystemExit(
        "the plots need matplotlib: pip install matplotlib,"
        " or pip install -e '.[bench]' for all that is compared"
    ) from None

# Text as paths, so that it looks the same everywhere; and the same figures make the same file.
matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "font.size": 9})

#: Okabe and Ito's colours, which the colour-blind can tell apart; with each a marker of its own.
STYLES = (
    *(("#E69F00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#D55E00", "v")),
    *(("#56B4E9", "P"), ("#000000", "X"), ("#999999", "*")),
)
OUR_COLOUR, THEIR_COLOUR = "#0072B2", "#777777"

PLAIN = StrMethodFormatter("{x:,g}")

#: Of p50, p99 and p99.9.
MARKERS = ("o", "D", "s")


def draw(documents: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Plot]:
    """All plots that these documents have something for."""
    plots = []
    for name, document in documents.items():
        if SECTIONS[name].show is time_section:
            results = rounds.from_json(document)
            if cases := headline_cases(results):
                section = "in short" if name == "results" else name
                plots.append(_saved(folder, section, f"cpu-{name}", costs(results, cases)))
    if "results" in documents:
        results = rounds.from_json(documents["results"])
        plots += [
            _saved(folder, "results", f"sizes-{connections}", by_size(results, connections))
            for connections in _with_many_sizes(results)
        ]
        if cases := headline_cases(results):
            plots.append(_saved(folder, "results", "percentiles", percentiles(results, cases)))
    if "latency" in documents:
        pairs = latency.from_json(documents["latency"])
        plots.append(_saved(folder, "latency", "latency", latencies(pairs)))
    return plots


def _saved(folder: Path, section: str, name: str, figure: Figure) -> Plot:
    file = folder / f"{name}.svg"
    figure.savefig(file, metadata={"Date": None})
    return Plot(section, file, figure.get_suptitle())


def _figure(title: str, panels: int, height: float, *, share_y: bool) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(10, height), layout="constrained")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    axes = figure.subplots(1, panels, squeeze=False, sharey=share_y)[0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(axis="x", which="major", color="#DDDDDD", linewidth=0.6)
        each.set_axisbelow(True)
    return figure, list(axes)


def _rows(axes: Axes, names: Sequence[str], ours: Iterable[bool]) -> None:
    """The names of the rows, from top to bottom, ours in their colour."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    for label, mine in zip(axes.get_yticklabels(), ours, strict=True):
        if mine:
            label.set(color=OUR_COLOUR, fontweight="bold")


def _names(axes: Axes, found: Sequence[Result]) -> None:
    _rows(axes, [result.peer.name for result in found], [result.peer.ours for result in found])


def _logarithmic(axes: Axes, room: float = 1.0) -> None:
    """Microseconds, with as many ticks as have room; `room` times more is kept on the right."""
    axes.set_xscale("log")
    least, most = axes.get_xlim()
    axes.set_xlim(least, most * room)
    parts = (1, 2, 5) if most / least < 8 else (1, 3) if most / least < 30 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=parts))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("us, logarithmic")


def _title(case: Case) -> str:
    """In two lines."""
    return str(case).replace(" on ", "\non ", 1)


# ---- CPU time by peer ----


def costs(results: Sequence[Result], cases: Sequence[Case]) -> Figure:
    """A panel for each case: the median of each peer, and from its least to its greatest round."""
    height = 1.2 + 0.3 * len({result.peer for result in results})
    title = "CPU time per echoed message: less is better"
    figure, panels = _figure(title, len(cases), height, share_y=False)
    for axes, case in zip(panels, cases, strict=True):
        found = [result for result in results if result.case == case]
        _costs_of_case(axes, sorted(found, key=lambda result: median(result.costs)))
        axes.set_title(_title(case), fontsize=9)
    return figure


def _costs_of_case(axes: Axes, found: Sequence[Result]) -> None:
    for row, result in enumerate(found):
        colour = OUR_COLOUR if result.peer.ours else THEIR_COLOUR
        middle, most = median(result.costs), max(result.costs)
        axes.plot([min(result.costs), most], [row, row], color=colour, linewidth=3, alpha=0.4)
        axes.plot(middle, row, "o", color=colour, markersize=7)
        axes.annotate(
            f"{middle:,.{0 if middle >= 100 else 2}f}",
            (most, row),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    _names(axes, found)
    _logarithmic(axes, room=2.5)


# ---- CPU time by size ----


def _with_many_sizes(results: Sequence[Result]) -> list[int]:
    """The numbers of connections with which more than two sizes were measured."""
    sizes: dict[int, set[int]] = {}
    for result in results:
        sizes.setdefault(result.case.connections, set()).add(result.case.size)
    return sorted(connections for connections, found in sizes.items() if len(found) > 2)


def by_size(results: Sequence[Result], connections: int) -> Figure:
    """A panel for each number in flight, a line for each peer."""
    found = [result for result in results if result.case.connections == connections]
    inflight = sorted({result.case.inflight for result in found})
    number = connections_text(connections)
    title = f"CPU time of the server per message, over its size, {number}: less is better"
    figure, panels = _figure(title, len(inflight), 4.6, share_y=True)
    peers = [peer for peer in dict.fromkeys(result.peer.name for result in found) if _shown(peer)]
    for axes, many in zip(panels, inflight, strict=True):
        same = [result for result in found if result.case.inflight == many]
        _lines(axes, same, peers)
        axes.set_title(f"{many} in flight on each", fontsize=9)
    panels[0].set_ylabel("us, logarithmic")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure


def _shown(peer: str) -> bool:
    """Of ours those that differ most: five lines of one colour would hide each other."""
    return not is_ours(peer) or peer in (OURS, "rawws-layers", "rawws-python")


def _lines(axes: Axes, found: Sequence[Result], peers: Sequence[str]) -> None:
    theirs = iter(STYLES)
    ours = iter((("-", 2.6), ("--", 1.6), (":", 1.6)))
    for peer in peers:
        points = sorted((r.case.size, median(r.costs)) for r in found if r.peer.name == peer)
        sizes, values = [size for size, _ in points], [value for _, value in points]
        if is_ours(peer):
            line, width = next(ours)
            axes.plot(
                sizes, values, line, color=OUR_COLOUR, linewidth=width, marker="o", label=peer
            )
        else:
            colour, marker = next(theirs)
            axes.plot(sizes, values, color=colour, linewidth=1.2, marker=marker, label=peer)
    sizes = sorted({result.case.size for result in found})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PLAIN)
    axes.set_xticks(sizes, [size_text(size) for size in sizes])
    axes.set_xlabel("payload")
    axes.grid(axis="y", which="major", color="#DDDDDD", linewidth=0.6)


# ---- latency ----


def percentiles(results: Sequence[Result], cases: Sequence[Case]) -> Figure:
    """As measured with so many in flight, as fast as the echoes come."""
    height = 1.6 + 0.3 * len({result.peer for result in results})
    title = "From the write of a message to the read of its echo: less is better"
    figure, panels = _figure(title, len(cases), height, share_y=False)
    for axes, case in zip(panels, cases, strict=True):
        found = sorted(
            (result for result in results if result.case == case),
            key=lambda result: result.median_of("p50"),
        )
        _names(axes, found)
        for row, result in enumerate(found):
            _dots(axes, row, [result.median_of(p) for p in latency.PERCENTILES], result.peer.ours)
        axes.set_title(_title(case), fontsize=9)
    _explain(figure, panels)
    return figure


def latencies(pairs: Sequence[latency.Pair]) -> Figure:
    """A panel for each case; each rival, and ours below it under the same load."""
    cases = list(dict.fromkeys(pair.case for pair in pairs))
    height = 1.6 + 0.55 * max(sum(pair.case == case for pair in pairs) for case in cases)
    title = "Latency at half of each rival's top load: less is better"
    figure, panels = _figure(title, len(cases), height, share_y=False)
    for axes, case in zip(panels, cases, strict=True):
        found = [pair for pair in pairs if pair.case == case]
        names = [name for p in found for name in (f"{p.rival} at {p.rate:,.0f}/s", f"{p.ours}")]
        _rows(axes, names, [index % 2 == 1 for index in range(len(names))])
        for index, pair in enumerate(found):
            for row, samples in enumerate((pair.theirs, pair.samples), 2 * index):
                middles = [median(latency.of(p, samples)) for p in latency.PERCENTILES]
                _dots(axes, row, middles, samples is pair.samples)
        axes.set_title(case.load, fontsize=9)
    _explain(figure, panels)
    return figure


def _dots(axes: Axes, row: int, seconds: Sequence[float], ours: bool) -> None:
    colour = OUR_COLOUR if ours else THEIR_COLOUR
    micro = [value * 1e6 for value in seconds]
    axes.plot(micro, [row] * len(micro), color=colour, linewidth=1.2)
    for value, marker in zip(micro, MARKERS, strict=True):
        axes.plot(value, row, marker, color=colour, markersize=6)


def _explain(figure: Figure, panels: Sequence[Axes]) -> None:
    for axes in panels:
        _logarithmic(axes)
    handles = [
        Line2D([], [], color=THEIR_COLOUR, marker=marker, linestyle="", label=name)
        for marker, name in zip(MARKERS, latency.PERCENTILES.values(), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
