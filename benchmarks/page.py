"""Write the tables of docs/benchmarks.md anew, from the figures in docs/benchmarks/.

Each table stands in the page between its name, `<!-- echo -->`, and `<!-- end -->`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from .results import Row, case_of, read
from .roles import OURS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

RIVALS = ("aiohttp", "picows", "websockets", "npm-ws", "usual", "nginx")

#: Where others may win: what it is called, the file, the figure, and which of ours.
COMPARED = (
    ("Echo", "echo", "cpu_us", OURS),
    ("Echo, interpreted build", "echo", "cpu_us", "rawws-python"),
    ("Sizes and connections", "sizes", "cpu_us", OURS),
    ("asyncio's own loop", "asyncio", "cpu_us", OURS),
    ("TLS", "tls", "cpu_us", OURS),
    ("Clients", "client", "cpu_us", OURS),
    ("Proxies", "relay", "cpu_us", OURS),
    ("Latency, p99", "echo", "p99_us", OURS),
    ("Peak memory", "sizes", "peak_mib", OURS),
    ("Idle memory", "memory", "idle_bytes", OURS),
    ("Instructions", "instructions", "instructions", OURS),
)

Data = dict[str, list[Row]]
"""Rows by the name of their file."""
Label = Callable[[Row], str]


def pivot(rows: Iterable[Row], line: Label, column: Label, cell: Label) -> str:
    """Return a table in Markdown, its lines and columns in the order in which they first come."""
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(line(row), {})[column(row)] = cell(row)
    columns = list(dict.fromkeys(name for cells in lines.values() for name in cells))
    table = [["", *columns], ["---", *["---:"] * len(columns)]]
    table += [[name, *(cells.get(each, "") for each in columns)] for name, cells in lines.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def case(row: Row) -> str:
    return str(case_of(row))


def peer(row: Row) -> str:
    return f"**{row['peer']}**" if row["peer"].startswith(OURS) else str(row["peer"])


def cost(row: Row) -> str:
    """Show ours in microseconds and the others relative to it, both by the minima."""
    return f"{row['minimum']:,.2f} us" if row["peer"] == OURS else f"{row['ratio_of_minima']:.2f}"


def losses(data: Data) -> str:
    """Tell in how many cases a rival needs less than ours, and the least share of ours it needs."""
    found = []
    for title, file, figure, ours in COMPARED:
        own = {case(row): row[figure] for row in data[file] if row["peer"] == ours}
        for rival in RIVALS:
            shares = [row[figure] / own[case(row)] for row in data[file] if row["peer"] == rival]
            won = [share for share in shares if share < 1]
            told = f"{len(won)} of {len(shares)}: {min(won):.2f}" if won else "-" * bool(shares)
            found.append({"title": title, "peer": rival, "told": told})
    return pivot(found, lambda row: str(row["title"]), peer, lambda row: str(row["told"]))


def tables(data: Data) -> dict[str, str]:
    """Return the tables of the page, by name."""
    main = [row for row in data["echo"] if row["connections"] == 8]
    ways = [row | {"way": name} for name in ("tls", "client", "asyncio") for row in data[name]]
    sizes = [row for row in data["sizes"] if row["peer"] in ("aiohttp", "picows")]
    sizes.sort(key=lambda row: (row["peer"], row["connections"]))
    counts = [*data["memory"], *data["instructions"]]

    def load(row: Row) -> str:
        return case(row).partition(" on ")[0]

    def counted(row: Row) -> str:
        return f"instructions, {load(row)}" if "instructions" in row else "bytes when idle"

    return {
        "echo": pivot(data["echo"], case, peer, cost),
        "sizes": pivot(sizes, load, lambda row: f"{row['peer']}, {row['connections']:,}", cost),
        "ways": pivot(ways, lambda row: f"{row['way']}: {load(row)}", peer, cost),
        "relay": pivot(data["relay"], load, peer, cost),
        "latency": pivot(main, load, peer, lambda row: f"{row['p50_us']:,} / {row['p99_us']:,}"),
        "counts": pivot(
            counts,
            counted,
            peer,
            lambda row: f"{row.get('instructions') or row['idle_bytes']:,.0f}",
        ),
        "losses": losses(data),
    }


def rendered(page: str, data: Data) -> str:
    """Return the page with the tables of these figures."""
    for name, table in tables(data).items():
        before, mark, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->\n")
        page = f"{before}{mark}\n{table}\n\n{end}{after}"
    return page


def figures() -> Data:
    return {file.stem: read(file) for file in sorted(PAGE.with_suffix("").glob("*.json"))}


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(), figures()))
