"""The suite's own command, in its own environment: `wstest.py fuzzingclient|fuzzingserver SPEC`.

Started by path with the environment's Python; nothing here may import the project.
"""

import json
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    mode, spec = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    reactor = import_module("twisted.internet.reactor")
    fuzzing = import_module("autobahntestsuite.fuzzing")
    names = ("CaseSetname", "CaseBasename", "Cases", "CaseCategories", "CaseSubCategories")
    if not fuzzing.CaseSet(*(getattr(fuzzing, name) for name in names)).parseSpecCases(spec):
        print("Cases = []")  # With none, the client would wait for ever.
        return
    if mode == "fuzzingclient":
        fuzzing.startClient(spec)
    else:
        fuzzing.startServer(spec, webport=0)
    reactor.run()


if __name__ == "__main__":
    main()
