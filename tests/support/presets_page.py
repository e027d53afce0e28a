"""The table of docs/presets.md. `python -m tests.support.presets_page` writes it anew."""

import re

from aiohttp_rawws.testing.presets import GROUNDS
from tests.support import ROOT

PAGE = ROOT / "docs" / "presets.md"
HEAD = "| name | what the peer does | breaks | roles |\n|---|---|---|---|\n"
TABLE = re.compile(r"(?<=\n## The presets\n\n).*", re.DOTALL)


def table() -> str:
    """Return a table of the presets for each ground that they stand on."""
    tables = []
    for ground in GROUNDS:
        title = (ground.__doc__ or "").splitlines()[0].rstrip(".")
        rows = "".join(
            f"| `{each.name}` | {each.sentence} | {each.section} | {', '.join(each.roles)} |\n"
            for each in ground.PRESETS
        )
        tables.append(f"### {title}\n\n{HEAD}{rows}")
    return "\n".join(tables)


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), "utf-8")
