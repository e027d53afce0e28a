"""Write the tables of docs/benchmarks.md anew, from the figures in docs/benchmarks/.

Each table stands in the page between its name, `<!-- echo -->`, and `<!-- end -->`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from .results import Row, case_of, read
from .roles import MALLOC, OURS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

RIVALS = (
    "aiohttp",
    "picows",
    "websockets",
    "picows-websockets",
    "npm-ws",
    "usual",
    "nginx",
)

#: Where others may win: what it is called, the file, the figure, and which of ours.
COMPARED = (
    ("Echo", "echo", "cpu_us", OURS),
    ("Echo, `for_each`", "echo", "cpu_us", "rawws-each"),
    ("Echo, interpreted build", "echo", "cpu_us", "rawws-python"),
    ("Echo, the load sleeps", "sleep", "cpu_us", OURS),
    ("Echo, asyncio's own loop", "asyncio", "cpu_us", OURS),
    ("Sizes", "sizes", "cpu_us", OURS),
    ("Sizes, interpreted build", "sizes", "cpu_us", "rawws-python"),
    ("1,000 connections", "many", "cpu_us", OURS),
    ("1,000 connections, `for_each`", "many", "cpu_us", "rawws-each"),
    ("1 MiB", "memory-given-back", "cpu_us", OURS),
    ("1 MiB, memory kept", "memory-kept", "cpu_us", OURS),
    ("TLS", "tls", "cpu_us", OURS),
    ("TLS, on aiofastnet", "tls", "cpu_us", "rawws-aiofastnet"),
    ("Clients", "client", "cpu_us", OURS),
    ("Clients, interpreted build", "client", "cpu_us", "rawws-python"),
    ("Whole messages", "messages", "cpu_us", OURS),
    ("Whole messages, `compat`", "messages", "cpu_us", "rawws-compat"),
    ("Whole messages, compressed", "messages-deflate", "cpu_us", OURS),
    ("Proxies, upstream of batches", "relay", "cpu_us", OURS),
    ("Proxies, upstream of single answers", "relay-each", "cpu_us", OURS),
    ("HTTP requests", "http", "cpu_us", OURS),
    ("HTTP, 1 GiB", "http-big", "cpu_us", OURS),
    ("Opening and closing", "connect", "cpu_us", OURS),
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
    """Show our time and the others relative to it, both by the minima."""
    if row["peer"] != OURS:
        return f"{row['ratio_of_minima']:.2f}"
    least = row["minimum"]
    return f"{least:,.2f} us" if least < 10_000 else f"{least / 1000:,.0f} ms"


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


def both_ways(row: Row, kept: dict[tuple[str, str], Row]) -> str:
    """Show the cost without and with memory that the allocator keeps."""
    return f"{cost(row)} / {cost(kept[row['peer'], case(row)])}"


def load(row: Row) -> str:
    return case(row).partition(" on ")[0]


def way(row: Row) -> str:
    return f"{row['way']}: {load(row)}"


def of_ways(data: Data, ways: dict[str, str]) -> list[Row]:
    """Return the rows of several files, each with what its file is called."""
    return [row | {"way": name} for file, name in ways.items() for row in data[file]]


def counted(row: Row) -> tuple[str, str]:
    """Return what a row counts for a connection or a message, and how much."""
    if "idle_bytes" in row:
        return "bytes of an idle connection", f"{row['idle_bytes']:,.0f}"
    if "instructions" in row:
        return f"instructions: {load(row)}", f"{row['instructions']:,.0f}"
    return "CPU time of opening, one message, closing", cost(row)


def tables(data: Data) -> dict[str, str]:
    """Return the tables of the page, by name."""
    kept = {(row["peer"], case(row)): row for row in data["memory-kept"]}
    return {
        "echo": pivot(data["echo"], case, peer, cost),
        "sizes": pivot([*data["sizes"], *data["many"]], case, peer, cost),
        "memory": pivot(data["memory-given-back"], case, peer, lambda row: both_ways(row, kept)),
        "ways": pivot(
            of_ways(
                data,
                {
                    "tls": "TLS",
                    "client": "client",
                    "asyncio": "asyncio",
                    "sleep": "sleeping load",
                },
            ),
            way,
            peer,
            cost,
        ),
        "messages": pivot(
            of_ways(data, {"messages": "plain", "messages-deflate": "compressed"}), way, peer, cost
        ),
        "relay": pivot(
            of_ways(data, {"relay": "batches", "relay-each": "single answers"}), way, peer, cost
        ),
        "http": pivot(
            [*data["http"], *data["http-big"], *data["http-instructions"]],
            lambda row: counted(row)[0] if "instructions" in row else case(row),
            peer,
            lambda row: counted(row)[1] if "instructions" in row else cost(row),
        ),
        "counts": pivot(
            [*data["connect"], *data["memory"], *data["instructions"]],
            lambda row: counted(row)[0],
            peer,
            lambda row: counted(row)[1],
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
    data = {file.stem: read(file) for file in sorted(PAGE.with_suffix("").glob("*.json"))}
    # One run measured each peer twice, the second time with memory that its allocator keeps.
    twice = data.pop("malloc")
    data["memory-given-back"] = [row for row in twice if not row["peer"].endswith(MALLOC)]
    data["memory-kept"] = [
        row | {"peer": row["peer"].removesuffix(MALLOC)}
        for row in twice
        if row["peer"].endswith(MALLOC)
    ]
    return data


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(), figures()))
