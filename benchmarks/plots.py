"""Draw the plots of docs/benchmarks.md, as SVG, from the figures in docs/benchmarks/."""

from itertools import groupby
from pathlib import Path

from .results import Row, case_of, read
from .roles import OURS

DOCS = Path(__file__).parent.parent / "docs"

#: A panel's width and the longest bar's, and a line's height.
WIDTH, BAR, HEIGHT = 310, 130, 20

DRAWN = ("echo", "relay")

TEXT = '<text x="{:.0f}" y="{}" fill="{}" text-anchor="{}">{}</text>'


def panel(rows: list[Row], left: int) -> list[str]:
    """Draw a bar for each peer, the median, with a line from the least round to the greatest."""
    load, _, where = str(case_of(rows[0])).partition(" on ")
    start = left + 100
    parts = [TEXT.format(start, 20, "#000", "start", load)]
    parts.append(TEXT.format(start, 36, "#000", "start", where))
    scale = BAR / max(row["minimum"] + row["spread"] * row["cpu_us"] for row in rows)
    for number, row in enumerate(sorted(rows, key=lambda row: float(row["cpu_us"]))):
        top, cost = 48 + HEIGHT * number, row["cpu_us"] * scale
        colour = "#0072B2" if row["peer"].startswith(OURS) else "#888"
        least, spread = start + row["minimum"] * scale, row["spread"] * cost
        right = max(start + cost, least + spread) + 6
        parts += [
            TEXT.format(start - 6, top + 12, colour, "end", row["peer"]),
            f'<rect x="{start}" y="{top}" width="{cost:.1f}" height="15" fill="{colour}"/>',
            f'<path d="M{least:.1f} {top + 7.5}h{spread:.1f}" stroke="#000"/>',
            TEXT.format(right, top + 12, "#000", "start", f"{row['cpu_us']:,.2f}"),
        ]
    return parts


def plot(rows: list[Row]) -> str:
    """Draw a panel for each case with several connections."""
    parts, left, most = [], 0, 0
    for _, group in groupby((row for row in rows if row["connections"] > 1), case_of):
        found = list(group)
        parts += panel(found, left)
        left, most = left + WIDTH, max(most, len(found))
    size = f'width="{left}" height="{56 + HEIGHT * most}"'
    font = 'font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"])


if __name__ == "__main__":
    for name in DRAWN:
        figures = read(DOCS / "benchmarks" / f"{name}.json")
        (DOCS / "images" / "benchmarks" / f"{name}.svg").write_text(plot(figures))
