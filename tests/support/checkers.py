"""The type checkers, as a user runs them on code of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

#: Which pyright is asked.
PYRIGHT_PACKAGE = "pyright@1.1.414"
MYPY = (sys.executable, "-m", "mypy", "--strict", "--no-incremental")
PYRIGHT = ("npx", "--yes", PYRIGHT_PACKAGE, "--pythonpath", sys.executable)
#: Both builds have the same types.
CHECKED_ONCE = pytest.mark.skipif(
    bool(os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS")), reason="the types are of both builds"
)


def check(checker: tuple[str, ...], code: str, folder: Path) -> "tuple[int, str]":
    """Return the exit status of a type checker on `code`, as app.py, and what it prints."""
    if shutil.which(checker[0]) is None:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_NODE") == "1"
        (pytest.fail if required else pytest.skip)(f"{checker[0]} was not found: install npm")
    (folder / "app.py").write_text(code)
    # Pyright follows a path in its own configuration, mypy one in the environment.
    (folder / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{ROOT.as_posix()}"]}}')
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*checker, "app.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
