"""Tables of text, and our figures beside each peer's."""

from collections.abc import Mapping, Sequence
from statistics import median

from .peers import Peer


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, the first one flush left."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        return "  ".join([cells[0].ljust(widths[0]), *padded[1:]])

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)]) + "\n"


def ratios(what: str, costs: Mapping[Peer, Sequence[float]]) -> str:
    """How many times our cost each peer's is.

    The ratio of the medians, and in brackets, where there were rounds, that of the minima.
    """
    ours = [peer for peer in costs if peer.ours]
    rows = [[peer.name, *(ratio(costs[peer], costs[one]) for one in ours)] for peer in costs]
    return table([f"{what}, ours = 1", *(f"to {one.name}" for one in ours)], rows)


def ratio(costs: Sequence[float], ours: Sequence[float]) -> str:
    """The ratio of the medians and, in brackets, that of the minima."""
    of_medians = f"{median(costs) / median(ours):.2f}"
    return of_medians if len(costs) == 1 else f"{of_medians} ({min(costs) / min(ours):.2f})"
