"""The tables of docs/conformance.md, from the folder of results."""

from collections import Counter
from collections.abc import Mapping, Sequence

from .peers import PEERS
from .records import Record, Transparency
from .transparent import ILLEGAL
from .verdicts import MISSING, Verdict, by_group

GROUPS = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits, large messages",
    10: "automatic fragments",
    12: "compression, payloads",
    13: "compression, parameters",
}

HEAD = """# Conformance

What the [Autobahn|Testsuite](https://github.com/crossbario/autobahn-testsuite) says of an echo
server and an echo client on `WebSocketSession` (`demo/conforming.py`), and of the same in aiohttp,
`websockets` and picows. Generated; do not edit. To do it again:

```sh
for peer in ours aiohttp websockets picows; do
    python -m tests.autobahn server $peer core perf deflate-quick --out results
    python -m tests.autobahn client $peer core perf deflate-quick --out results
done
python -m tests.autobahn transparent core deflate-quick --out results
python -m tests.autobahn table --out results > docs/conformance.md
```

(`deflate` in place of `deflate-quick`: all 216 cases of compression, a quarter of an hour a run.)

A cell counts cases: OK / NON-STRICT / INFORMATIONAL / FAILED. One number alone: all are OK.
NON-STRICT is what RFC 6455 allows and the suite would like otherwise; INFORMATIONAL is what it
leaves open; a case whose closing failed counts as FAILED. A dash: it needs permessage-deflate,
which the peer does not have. picows is used by its layer of messages (`picows.websockets`).

Limits are lifted in the others, for group 9 asks for 16 MiB, and for 65537 fragments: of these
`websockets` takes 4096 unless told otherwise (`WEBSOCKETS_MAX_FRAGMENTS`), and then fails cases of
9.3 and 9.4. One run each: in groups 3 and 4 a few cases are OK or NON-STRICT from run to run, as
what was echoed is sent before the connection fails or is not.
"""

TRANSPARENCY = """
## Through the proxy

The suite fuzzes a server, and again through `aiohttp_rawws.proxy` before it. *Equal* are cases with
the same verdict on the frames, the same on the closing, and the same code in the server's Close.
*Dropped* are those in which the suite breaks the rules of framing: a relay does not pass that on,
and the connection ends without a Close. *Varying* cases hang on the millisecond; they ran again,
until all that came through the proxy had been seen without it.
"""


def document(records: Sequence[Record], comparisons: Sequence[Transparency]) -> str:
    parts = [HEAD]
    for role in ("server", "client"):
        found = {record.agent: record for record in records if record.role == role}
        ordered = [found[agent] for agent in PEERS if agent in found]
        if ordered:
            parts += [f"\n## As a {role}\n", _table(ordered), _remarks(ordered)]
    if comparisons:
        parts += [TRANSPARENCY, _transparency(comparisons)]
    return "\n".join(parts)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _table(records: Sequence[Record]) -> str:
    groups = [by_group(record.verdicts) for record in records]
    rows = [
        ["", *(record.agent for record in records)],
        ["---"] * (1 + len(records)),
        *(
            [f"{number} {title}", *(_cell(group.get(number, ())) for group in groups)]
            for number, title in GROUPS.items()
        ),
        ["all", *(_cell(record.verdicts) for record in records)],
    ]
    return "".join(map(_row, rows)) + _made_with([record.about for record in records])


def _cell(verdicts: Sequence[Verdict]) -> str:
    counts = Counter(verdict.grade for verdict in verdicts)
    if not verdicts or counts[MISSING] == len(verdicts):
        return "not run"
    absent = counts.pop("UNIMPLEMENTED", 0)
    if not counts:
        return "-"
    if set(counts) == {"OK"} and not absent:
        return str(counts["OK"])
    text = " / ".join(
        str(counts[grade]) for grade in ("OK", "NON-STRICT", "INFORMATIONAL", "FAILED")
    )
    text += f", {counts[MISSING]} did not run" if counts[MISSING] else ""
    return text + (f", {absent} -" if absent else "")


def _made_with(circumstances: Sequence[Mapping[str, str]]) -> str:
    """The versions, once each."""
    peers = ", ".join(dict.fromkeys(about["peer"] for about in circumstances))
    others = ", ".join(
        dict.fromkeys(
            f"suite {about['suite']} and CPython {about['python']} on {about['date']}"
            for about in circumstances
        )
    )
    return f"\nWith {peers}; {others}.\n"


def _remarks(records: Sequence[Record]) -> str:
    """What failed, and why; of ours, all that is not OK."""
    lines = []
    for record in records:
        grades = {"FAILED", MISSING} | ({"NON-STRICT"} if record.agent == "ours" else set())
        reasons: dict[str, list[str]] = {}
        for verdict in record.verdicts:
            if verdict.grade in grades:
                reasons.setdefault(f"{verdict.grade}: {verdict.reason}", []).append(verdict.case)
        lines += [
            f"- {record.agent}, {', '.join(cases)}: {reason}" for reason, cases in reasons.items()
        ]
    return "\n".join(lines) + "\n" if lines else ""


def _transparency(comparisons: Sequence[Transparency]) -> str:
    rows = [["server", "equal", "dropped", "of these varying", "different"], ["---"] * 5]
    for one in comparisons:
        counts = one.counts
        numbers = (counts.equal, counts.dropped, len(counts.varying), len(counts.different))
        rows.append([one.about["peer"], *map(str, numbers)])
    lines = [
        f"- {one.agent}, {kind} {line}"
        for one in comparisons
        for kind, seen in (("varying", one.counts.varying), ("different", one.counts.different))
        for line in seen.values()
    ]
    illegal = "; ".join(f"{case} {what}" for case, what in ILLEGAL.items())
    return (
        "".join(map(_row, rows))
        + _made_with([one.about for one in comparisons])
        + ("\n" + "\n".join(lines) + "\n" if lines else "")
        + f"\nIllegal at the level of frames: {illegal}.\n"
    )
