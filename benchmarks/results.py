"""Results: rows of figures, as text for people and as JSON for the page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from .load import Case
from .roles import MALLOC, OURS

Row = dict[str, Any]


def rows(
    case: Case, figure: str, costs: Mapping[str, Sequence[float]], **more: Sequence[float]
) -> list[Row]:
    """Return a row for each peer: its cost, how many times ours that is, and `more` figures.

    A cost is the median of the rounds. Beside it stand the minimum, and the spread: the greatest
    less the least, as a share of the median.
    """
    found = []
    for number, (peer, cost) in enumerate(costs.items()):
        ours = costs.get(OURS + MALLOC if peer.endswith(MALLOC) else OURS)
        figures = {
            figure: median(cost),
            "ratio": median(cost) / median(ours) if ours else None,
            "ratio_of_minima": min(cost) / min(ours) if ours else None,
            "minimum": min(cost),
            "spread": (max(cost) - min(cost)) / median(cost),
            **{name: values[number] for name, values in more.items()},
        }
        # No figure is known to more than four digits.
        known = {name: value and float(f"{value:.4g}") for name, value in figures.items()}
        found.append({"peer": peer, **asdict(case), **known})
    return found


def case_of(row: Row) -> Case:
    return Case(row["size"], row["inflight"], row["connections"])


def show(about: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Print what was measured on what, and a table for each case."""
    print("".join(f"{name:<20}{value}\n" for name, value in about.items()))
    for case, group in groupby(rows, case_of):
        found = list(group)
        columns = [name for name in found[0] if name not in asdict(case)]
        lines = [[row[name] for name in columns] for row in found]
        print(f"== {case}\n\n{table([columns, *lines])}")


def text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
    return str(value)


def table(lines: Sequence[Sequence[Any]]) -> str:
    """Return lines of text in columns, the first one flush left."""
    texts = [list(map(text, line)) for line in lines]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    padded = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in texts)
    return "".join("  ".join(cells) + "\n" for cells in padded)


def write(file: Path, about: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Write the figures, a row of the table to a line."""
    head, columns = json.dumps(about), json.dumps(list(rows[0]))
    lines = ",\n".join(json.dumps(list(row.values())) for row in rows)
    file.write_text(f'{{"about": {head},\n"columns": {columns},\n"rows": [\n{lines}\n]}}\n')


def read(file: Path) -> list[Row]:
    """Return the rows that `write` wrote."""
    found = json.loads(file.read_text())
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
