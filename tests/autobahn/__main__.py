"""`python -m tests.autobahn`: the README beside this file tells how to use it."""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

from . import agree, records, verdicts
from .document import document
from .peers import PEERS, about, command, serving
from .suite import ALIASES, TIMEOUT, Selection, Suite, SuiteError, default_folder
from .transparent import Both, compare, count
from .verdicts import Verdict

#: The servers that are looked at through the proxy.
BEHIND_THE_PROXY = ("ours", "aiohttp", "websockets")


def fuzz_server(options: argparse.Namespace) -> int:
    suite = Suite.install(options.venv)
    with ExitStack() as stack:
        if options.target in PEERS:
            agent, peer = options.target, about(options.target)
            url = stack.enter_context(serving(f"server_{agent}", options.out))
        else:
            agent, peer, url = options.agent or "server", options.target, options.target
        folder = records.reports(options.out, "server", agent)
        cases = suite.fuzz_servers({agent: url}, selected(options), folder, options.timeout)
    records.store(options.out, "server", agent, peer, cases)
    return judged(options, verdicts.load(folder, agent, cases))


def fuzz_client(options: argparse.Namespace) -> int:
    if options.command:
        agent, peer = options.agent or "client", " ".join(options.command)
        to_run: Sequence[str] = options.command
    else:
        agent = options.cases.pop(0) if options.cases else ""
        if agent not in PEERS:
            raise SuiteError(f"name a peer ({', '.join(PEERS)}) or give a command behind --")
        peer, to_run = about(agent), command(f"client_{agent}")
    suite = Suite.install(options.venv)
    folder = records.reports(options.out, "client", agent)
    cases = suite.fuzz_client(agent, to_run, selected(options), folder, options.timeout)
    records.store(options.out, "client", agent, peer, cases)
    return judged(options, verdicts.load(folder, agent, cases))


def selected(options: argparse.Namespace) -> Selection:
    return Selection(options.cases or ["all"], options.exclude)


def judged(options: argparse.Namespace, found: Sequence[Verdict]) -> int:
    """Print the verdicts; 1 if one of them fails the run."""
    grades = {"FAILED", verdicts.MISSING} | ({"NON-STRICT"} if options.strict else set())
    failing = [
        verdict.case
        for verdict in found
        if verdict.grade in grades
        and not any(fnmatchcase(verdict.case, pattern) for pattern in options.allow)
    ]
    print(verdicts.summary(found))
    print(f"{len(found)} cases, {len(failing)} fail the run. {' '.join(failing)}".rstrip())
    return 1 if failing or not found else 0


def compare_through_proxy(options: argparse.Namespace) -> int:
    suite = Suite.install(options.venv)
    cases = options.cases or ["core"]
    bad = 0
    for agent in options.servers or BEHIND_THE_PROXY:
        with (
            serving(f"server_{agent}", options.out) as direct,
            serving("proxy", options.out, AUTOBAHN_UPSTREAM=direct) as proxied,
        ):
            both = both_ways(suite, direct, proxied, options)
            found = compare(both, Selection(cases, options.exclude), options.rounds)
        if not found:
            raise SuiteError("nothing was compared: no case is selected, or there are no rounds")
        counts = count(found)
        records.store_transparency(options.out, agent, about(agent), counts)
        print(f"{about(agent)}: {counts.equal} cases equal, {counts.dropped} dropped as they must")
        for kind, seen in (("varying", counts.varying), ("DIFFERENT", counts.different)):
            for line in seen.values():
                print(f"  {kind} {line}")
        bad += len(counts.different)
    return 1 if bad else 0


def both_ways(suite: Suite, direct: str, proxied: str, options: argparse.Namespace) -> Both:
    """How to run cases against the URL `direct`, and against `proxied`."""

    def both(chosen: Selection) -> tuple[Sequence[Verdict], Sequence[Verdict]]:
        with tempfile.TemporaryDirectory() as name:
            urls = {"direct": direct, "proxied": proxied}
            cases = suite.fuzz_servers(urls, chosen, Path(name), options.timeout)
            found = [verdicts.load(Path(name), agent, cases) for agent in urls]
        return found[0], found[1]

    return both


def write_document(options: argparse.Namespace) -> int:
    print(document(records.load(options.out), records.load_transparency(options.out)), end="")
    return 0


def compare_with_check(options: argparse.Namespace) -> int:
    suite = [agree.load(folder) for folder in options.suite]
    check = [json.loads(path.read_text()) for path in options.check]
    roles = {role for role, _, _ in suite} | {run["peer"] for run in check}
    if len(roles) > 1:
        raise SuiteError("some are results with a server, and some with a client")
    found = agree.compare([verdicts for _, _, verdicts in suite], check)
    if not (found.equal or found.varying or found.different):
        raise SuiteError("nothing was compared: no case ran in both")
    counts = f"{found.equal} equal, {len(found.varying)} varying, {len(found.different)} different"
    print(f"{suite[0][0]} {suite[0][1]}: {counts}")
    for kind, seen in (("varying", found.varying), ("DIFFERENT", found.different)):
        for line in seen.values():
            print(f"  {kind} {line}")
    return 1 if found.different else 0


def option_groups() -> tuple[argparse.ArgumentParser, ...]:
    """The options of all commands, of those that run the suite, of those that judge a peer."""
    common, running, judging = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    common.add_argument("--venv", type=Path, default=default_folder(), help="the suite's own")
    common.add_argument(
        "--out", type=Path, help="folder for the results; a temporary one if absent"
    )
    running.add_argument(
        "--exclude", action="append", default=[], metavar="CASES", help="cases to leave out"
    )
    running.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for all cases")
    running.add_argument("--nice", type=int, default=0, help="run this much less urgently")
    judging.add_argument("--agent", help="the name in the reports")
    judging.add_argument(
        "--allow", action="append", default=[], metavar="CASE", help="it may fail; 7.9.* for some"
    )
    judging.add_argument("--strict", action="store_true", help="NON-STRICT fails the run too")
    return common, running, judging


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; what stands behind `--` is `command`."""
    arguments = list(arguments)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    common, running, judging = option_groups()
    cases = f"numbers, patterns (6.4.*) or any of {', '.join(ALIASES)}"
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn")
    commands = parser.add_subparsers(required=True)
    server = commands.add_parser("server", parents=[common, running, judging])
    server.add_argument("target", help=f"URL, or one of {', '.join(PEERS)}")
    server.add_argument("cases", nargs="*", help=f"{cases}; all if absent")
    server.set_defaults(run=fuzz_server)
    client = commands.add_parser(
        "client",
        parents=[common, running, judging],
        usage="%(prog)s [options] PEER [CASES ...] | [options] [CASES ...] -- COMMAND ...",
    )
    client.add_argument("cases", nargs="*", help=f"{cases}; all if absent")
    client.set_defaults(run=fuzz_client)
    transparent = commands.add_parser("transparent", parents=[common, running])
    transparent.add_argument("cases", nargs="*", help=f"{cases}; core if absent")
    transparent.add_argument(
        "--servers",
        nargs="+",
        choices=PEERS,
        help=f"behind the proxy; {', '.join(BEHIND_THE_PROXY)} if absent",
    )
    transparent.add_argument(
        "--rounds", type=int, default=5, help="how often at most a case runs that is not equal"
    )
    transparent.set_defaults(run=compare_through_proxy)
    check = commands.add_parser("agree")
    check.add_argument(
        "--suite", type=Path, nargs="+", required=True, help="folders of results with one peer"
    )
    check.add_argument(
        "--check",
        type=Path,
        nargs="+",
        required=True,
        help="JSON of `python -m aiohttp_rawws check` with the same peer; several runs of either "
        "tell which verdicts vary",
    )
    check.set_defaults(run=compare_with_check, out=Path())
    table = commands.add_parser("table", parents=[common])
    table.set_defaults(run=write_document)
    options = parser.parse_args(arguments[:split])
    options.command = arguments[split + 1 :]
    if options.run is write_document and options.out is None:
        parser.error("table: --out must name the folder with the results")
    return options


def main() -> None:
    options = parse(sys.argv[1:])
    # So that what was started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.nice(getattr(options, "nice", 0))
    temporary = options.out is None
    if temporary:
        options.out = Path(tempfile.mkdtemp(prefix="autobahn-"))
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        status = options.run(options)
    except (SuiteError, RuntimeError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if temporary:
        print(f"reports in {options.out}")
    sys.exit(status)


if __name__ == "__main__":
    main()
