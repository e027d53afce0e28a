"""The results as a file: docs/matrix.json."""

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .cases import KINDS, Bounds
from .judge import judge
from .peers import PEERS
from .run import Filled

__all__ = ("Matrix", "load")

Cells = dict[str, dict[str, str]]


@dataclass
class Matrix:
    """The words of each cell, and the versions of the peers."""

    date: str = ""
    python: str = ""
    bounds: dict[str, float] = field(default_factory=lambda: asdict(Bounds()))
    #: By kind and peer.
    versions: dict[str, dict[str, str]] = field(default_factory=lambda: {k: {} for k in KINDS})
    #: By kind, peer and preset.
    cells: dict[str, Cells] = field(default_factory=lambda: {k: {} for k in KINDS})

    def take(self, filled: Filled, bounds: Bounds) -> None:
        """Add what a run has found. It replaces what was there of the same cells."""
        self.date = datetime.now(timezone.utc).date().isoformat()
        self.python = platform.python_version()
        self.bounds = asdict(bounds)
        for (kind, name), version in filled.versions.items():
            self.versions[kind][name] = version
        for seen in filled.observations:
            self.cells[seen.kind].setdefault(seen.peer, {})[seen.preset] = judge(seen)

    def peers(self, kind: str) -> list[str]:
        """Return the names of the peers that have results, in the order of `PEERS`."""
        return [p.name for p in PEERS if p.kind == kind and p.name in self.cells[kind]]

    def word(self, kind: str, peer: str, preset: str) -> str:
        """Return the words of a cell, "not run" without a result."""
        return self.cells[kind][peer].get(preset, "not run")

    def only(self, presets: Iterable[str]) -> None:
        """Forget what there is of other presets."""
        known = set(presets)
        for kind in KINDS:
            for cells in self.cells[kind].values():
                for name in set(cells) - known:
                    del cells[name]

    def save(self, file: Path) -> None:
        whole: dict[str, Any] = asdict(self)
        for kind in KINDS:
            found = whole["cells"][kind]
            whole["cells"][kind] = {
                peer: dict(sorted(found[peer].items())) for peer in self.peers(kind)
            }
        file.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def load(file: Path) -> Matrix:
    """Read a file of results."""
    return Matrix(**json.loads(file.read_text()))
