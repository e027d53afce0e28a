"""npm's `ws` on Node, installed once in the user's cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent


class NpmError(Exception):
    """Node, npm or a package is missing."""


def installed(folder: Path = FOLDER) -> Path:
    """Return the `node_modules` with what a folder's package.json names, installed once.

    It is in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`), one for each such file.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NpmError(f"{program} was not found: install it (apt-get install nodejs npm)")
    wanted = (folder / "package.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cached = caches / "aiohttp_rawws" / f"npm-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent) as temporary:
            _install(wanted, Path(temporary, "npm"), cached)
    return cached / "node_modules"


def environment() -> dict[str, str]:
    """Return the environment in which `node` finds the packages. Raises NpmError without them."""
    return os.environ | {"NODE_PATH": str(installed())}


def _install(wanted: bytes, new: Path, folder: Path) -> None:
    """Fill `new`, then rename it to `folder`: whole or not at all, also if two do so at once."""
    new.mkdir()
    (new / "package.json").write_bytes(wanted)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=new, timeout=120, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise NpmError("npm install takes too long") from None
    if done.returncode:
        raise NpmError(f"npm install failed: {' '.join((done.stdout + done.stderr).split())}")
    try:
        new.rename(folder)
    except OSError:
        if not folder.exists():
            raise
