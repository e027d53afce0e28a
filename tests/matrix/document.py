"""docs/matrix.md, from the file of results."""

import re
from collections.abc import Sequence

from aiohttp_rawws.testing.presets import GROUNDS

from .cases import HEARTBEAT, KINDS, cases
from .judge import MUCH
from .notes import NOTES, Note
from .peers import PEERS
from .records import Matrix

__all__ = ("document",)

#: The peers that are ours.
OURS = ("raw", "session")
#: The name of an exception.
CLASS = re.compile(r"\b[A-Z][a-z]+[A-Z]\w+")

HEAD = """# The matrix

What do WebSocket libraries do when the other side misbehaves?

Each of the [presets](presets.md) of `aiohttp_rawws.testing` meets an echo server and an echo client
of each library. A cell tells what was seen.

```console
$ python -m tests.matrix --out docs
```

This command tries everything and writes this page, in two to three minutes. Do not edit the page.
`--peers` and `--presets` try some: their cells are replaced, the others stay. The command names
each peer that is not installed, and how to install it.

The peers are [small programs](../tests/matrix/peers). They use the defaults of their library, and
compression where it has that. For `no-pong`, `late-pong`, `wrong-pong` and `half-open` they also
use its heartbeat, if it has one: a Ping every {heartbeat:g} s, and half of that to wait for the
Pong. Our raw session and picows are interfaces of frames. Their handlers send each frame back, and
do not look at what a message says.

Behind a fault the script sends nothing for half a second, and then a text. A peer that echoes the
text has gone on.

{words}
Times count from the fault; for `never-closes` from the peer's own Close, and for `no-pong` and the
like from its first Ping. Those below three seconds are left out, those from eight on are rounded to
five. picows' cells for `close-twice` differ from run to run: the two frames arrive in one read or
in two.
"""

#: The words of the cells, and what was seen where they stand.
WORDS = (
    ("Close 1002, Close", "a Close frame with this code, or without a code"),
    ("FIN, RST", "the end of the TCP connection, without a Close"),
    ("Close 1002, no FIN", "a server that did not end the connection after the Close of both"),
    ("echo, Close 1002", "something of the fault was delivered and echoed, then came the Close"),
    ("accepted", "the fault breaks a rule, and the connection went on"),
    ("ok", "the fault breaks no rule, and the connection went on"),
    ("refused", "a client whose application was told that there is no connection"),
    ("refused, 10 requests", "... after so many requests"),
    ("refused 400", "a server that answered with this status"),
    ("frames before the answer", "a server that sent frames, and its answer behind them"),
    ("hung, {prompt:g} s", "the peer did nothing for so long: no Close, no end, no echo"),
    ("open after {patient:g} s", "the same, where no rule asks the peer for anything"),
    ("crashed", "the process ended"),
    ("Close 1002, blocked", "... and a peer that does nothing wrong could not connect afterwards"),
    (
        "Close 1009, +200 MiB",
        "... and the process took about so much more memory at its peak (from {much:g} MiB on; not "
        "measured for Chromium)",
    ),
    ("no deflate", "the peer did not agree to permessage-deflate"),
    ("no deflate: Close 1002", "... and this is what it did with the same frames"),
    ("no Ping, no Close", "the peer sent none"),
    (
        "1006, `SomeError`, returned",
        "`reset-*`, `half-open`, `never-reads`: the code or the exception that the application "
        "was given at the end; *returned*: neither",
    ),
    ("not told in {patient:g} s", "the same rows: the application was given nothing"),
    ("goes on", "a server whose handler was never called; the next connection works"),
)


def document(matrix: Matrix) -> str:
    """Return the page."""
    rows = [("words", "what was seen"), ("---", "---"), *WORDS]
    words = "".join(f"| {word} | {meaning} |\n" for word, meaning in rows)
    head = HEAD.replace("{words}", words)
    filled = head.format(heartbeat=HEARTBEAT, much=MUCH, **matrix.bounds)
    return "\n".join([filled, *(section(matrix, kind) for kind in KINDS if matrix.cells[kind])])


def section(matrix: Matrix, kind: str) -> str:
    """Return the tables of one kind of peers, one for each ground of presets."""
    known = {each.name for each in cases(kind)}
    titles = {peer.name: peer.title for peer in PEERS if peer.kind == kind}
    parts = [f"## {kind.title()}\n", versions(matrix, kind, titles)]
    numbers = numbered(matrix, kind)
    for ground in GROUNDS:
        names = [each.name for each in ground.PRESETS if each.name in known & tried(matrix, kind)]
        if names:
            parts += [f"### {heading(ground.__doc__ or '')}\n", table(matrix, kind, names, numbers)]
    if numbers:
        parts.append("".join(f"{number}. {note.text}\n" for note, number in numbers.items()))
    return "\n".join(parts)


def tried(matrix: Matrix, kind: str) -> set[str]:
    """Return the presets that any peer has met."""
    return {name for cells in matrix.cells[kind].values() for name in cells}


def versions(matrix: Matrix, kind: str, titles: "dict[str, str]") -> str:
    lines = [
        f"- {titles[name]}: {'on aiohttp ' * (name in OURS)}{matrix.versions[kind][name]}"
        for name in matrix.peers(kind)
    ]
    return "\n".join([f"On {matrix.date}, with CPython {matrix.python}:\n", *lines, ""])


def heading(sentence: str) -> str:
    return sentence.splitlines()[0].rstrip(".")


def table(matrix: Matrix, kind: str, names: Sequence[str], numbers: "dict[Note, int]") -> str:
    peers = matrix.peers(kind)
    titles = {peer.name: peer.title for peer in PEERS if peer.kind == kind}
    rows = [["", *(titles[peer] for peer in peers)], ["---"] * (1 + len(peers))]
    rows += merged(
        [
            [f"`{name}`", *(cell(matrix, kind, peer, name, numbers) for peer in peers)]
            for name in names
        ]
    )
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def cell(matrix: Matrix, kind: str, peer: str, preset: str, numbers: "dict[Note, int]") -> str:
    words = matrix.word(kind, peer, preset)
    notes = [n for note, n in numbers.items() if holds(note, matrix, kind, peer, preset)]
    return " ".join([CLASS.sub(r"`\g<0>`", words), *(f"[{number}]" for number in notes)])


def holds(note: Note, matrix: Matrix, kind: str, peer: str, preset: str) -> bool:
    """Return True if a note is on a cell."""
    where = note.kind == kind and peer in note.peers and preset in note.presets
    return where and matrix.word(kind, peer, preset) == note.words


def numbered(matrix: Matrix, kind: str) -> "dict[Note, int]":
    """Return the notes that hold anywhere among peers of a kind, with their numbers."""
    found = [
        note
        for note in NOTES
        if any(
            holds(note, matrix, kind, peer, preset)
            for peer in matrix.peers(kind)
            for preset in note.presets
        )
    ]
    return {note: number for number, note in enumerate(found, 1)}


def merged(rows: "list[list[str]]") -> "list[list[str]]":
    """Return the rows, those in a row that are equal as one."""
    found: list[list[str]] = []
    for name, *cells in rows:
        if found and found[-1][1:] == cells:
            found[-1][0] += f" {name}"
        else:
            found.append([name, *cells])
    return found
