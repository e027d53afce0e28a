"""docs/matrix.md, from the file of results."""

from collections.abc import Sequence

from aiohttp_rawws.testing.presets import GROUNDS

from .cases import CLIENTS, SERVERS, cases
from .notes import NOTES
from .peers import PEERS
from .records import Matrix

__all__ = ("document",)

HEAD = """# The matrix

What do WebSocket libraries do when the other side misbehaves?

```console
$ python -m tests.matrix --out docs
```

tried each of the [presets](presets.md) of `aiohttp_rawws.testing` on an echo server and on an echo
client of each library, and wrote this page. Do not edit it. `--peers` and `--presets` choose some:
they replace their cells and keep the others. A peer that is not installed is named, with how to
install it. What runs is [a small program for each](../tests/matrix/peers), as the library's
documentation has it, with the library's defaults. Only for `no-pong`, `late-pong`, `wrong-pong` and
`half-open` is the heartbeat, if there is one, set to {heartbeat}.

## What the words mean

Each cell tells what was seen. *After N s* counts from the fault, or from what the row names, and
is left out below two seconds.

| words | what was seen |
|---|---|
| Close 1002 | A Close frame with this code. |
| FIN, RST | The end of the TCP connection, without a Close frame. |
| Close 1002, no FIN | The server did not end the TCP connection after both sides had sent a Close. |
| echo, Close 1002 | The peer's application was given something of the fault and sent it back. Then came the Close. |
| accepted | The fault breaks a rule, and the connection went on: a text sent behind it was echoed. |
| ok | The fault breaks no rule, and the connection went on in the same way. |
| refused, refused 400 | A client told its application that there is no connection; a server answered the request with this status. |
| refused, 11 requests | So many requests came before. |
| hung, {prompt:.0f} s | The peer did nothing for so long: it sent no Close, ended no stream, and echoed nothing. |
| open after {patient:.0f} s | The same, where no rule asks the peer for anything. |
| crashed | The process ended. |
| ..., blocked | Another connection, by a peer that does nothing wrong, did not work afterwards. |
| ..., +300 MiB | The process took so much more memory at its peak (from {much} on; not measured for Chromium). |
| no deflate: ... | The peer has no permessage-deflate. It met the same frames without it. |
| no Ping | The library sent none. |
| 1006, `SomeError` | In the rows {told}: what the application was told of the end, a code or an exception. |
| not told in 10 s | The application was told nothing of the end for so long. |
| goes on | The server's handler was never called, and the next connection works. |

`never-closes`: the peer has sent a Close, and no answer comes; the time counts from its Close.
`no-pong` and the like: from its first Ping.
"""


def document(matrix: Matrix) -> str:
    """Return the page."""
    bounds = matrix.bounds
    parts = [
        HEAD.format(
            heartbeat="1 s, and its timeout to half of that",
            prompt=bounds["prompt"],
            patient=bounds["patient"],
            much="32 MiB",
            told="`reset-*`, `half-open` and `never-reads`",
        )
    ]
    parts += [section(matrix, kind) for kind in (SERVERS, CLIENTS)]
    return "\n".join(parts)


def section(matrix: Matrix, kind: str) -> str:
    """Return the tables of one kind of peers, one for each ground of presets."""
    peers = matrix.peers(kind)
    titles = {peer.name: peer.title for peer in PEERS if peer.kind == kind}
    parts = [f"## {kind.title()}\n", versions(matrix, kind, titles)]
    known = {each.name for each in cases(kind)}
    for ground in GROUNDS:
        names = [preset.name for preset in ground.PRESETS if preset.name in known]
        if names:
            rows = [[f"**{heading(ground.__doc__ or '')}**", *(titles[name] for name in peers)]]
            rows.append(["---"] * len(rows[0]))
            rows += merged([[f"`{n}`", *row(matrix, kind, peers, n)] for n in names])
            parts.append("".join(f"| {' | '.join(cells)} |\n" for cells in rows))
    notes = [text for (where, _, _), text in NOTES.items() if where == kind]
    return "\n".join([*parts, *(f"{n}. {text}" for n, text in enumerate(notes, 1))]) + "\n"


def heading(sentence: str) -> str:
    return sentence.splitlines()[0].rstrip(".") if sentence else ""


def row(matrix: Matrix, kind: str, peers: Sequence[str], preset: str) -> list[str]:
    return [cell(matrix.word(kind, peer, preset), note(kind, peer, preset)) for peer in peers]


def note(kind: str, peer: str, preset: str) -> int | None:
    """Return the number of the note on a cell."""
    numbered = [key for key in NOTES if key[0] == kind]
    for number, (_, who, names) in enumerate(numbered, 1):
        if who == peer and preset in names:
            return number
    return None


def cell(words: str, number: int | None) -> str:
    return words if number is None else f"{words} ({number})"


def merged(rows: "list[list[str]]") -> "list[list[str]]":
    """Return the rows, those in a row that are equal as one."""
    found: list[list[str]] = []
    for name, *cells in rows:
        if found and found[-1][1:] == cells:
            found[-1][0] += f" {name}"
        else:
            found.append([name, *cells])
    return found


def versions(matrix: Matrix, kind: str, titles: "dict[str, str]") -> str:
    found = [
        f"{titles[name]} {matrix.versions[kind][name]}"
        for name in matrix.peers(kind)
        if name not in ("raw", "session")
    ]
    return f"{matrix.date}, CPython {matrix.python}: {', '.join(found)}.\n"
