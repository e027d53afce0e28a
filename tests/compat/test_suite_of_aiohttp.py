"""aiohttp's own functional tests of WebSockets, run over `compat`.

    python -m pytest -m slow tests/compat

They are those of the aiohttp that is installed, from its sdist on PyPI: this needs the network.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest

from tests.compat.differences import CLIENT, DIFFERENCES, SERVER
from tests.support import ROOT

FILES = ("conftest.py", CLIENT, SERVER)
#: The plugins of this project's tests, which aiohttp's do without, and the classes of `compat`.
PLUGINS = ("no:cacheprovider", "no:asyncio", "no:aiohttp", "tests.compat.stand_ins")
#: The marks of aiohttp's tests.
CONFIGURATION = "[pytest]\nmarkers =\n    skip_blockbuster: of aiohttp\n    dev_mode: of aiohttp\n"

Case = tuple[str, str]


def fetch(folder: Path) -> None:
    """Put the tests of the installed aiohttp into a folder."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
    sdist = ["--no-deps", "--no-binary=:all:", f"aiohttp=={aiohttp.__version__}"]
    subprocess.run([*pip, *sdist, "--dest", folder], check=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        for name in FILES:
            file = tar.extractfile(f"aiohttp-{aiohttp.__version__}/tests/{name}")
            assert file is not None
            (folder / name).write_bytes(file.read())
    (folder / "pytest.ini").write_text(CONFIGURATION)


def run(folder: Path, *which: str) -> dict[Case, bool]:
    """Run tests in a process of their own. Return which of them have passed."""
    plugins = [argument for name in PLUGINS for argument in ("-p", name)]
    report = folder / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, f"--junitxml={report}", *which],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    results: dict[Case, bool] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        name = case.get("name", "")
        passed = case.find("failure") is None and case.find("error") is None
        results[f"{case.get('classname')}.py", name] = passed
    return results


def without_parameters(test: Case) -> Case:
    """Return the test without its event loop, say."""
    file, name = test
    return file, name.partition("[")[0]


@pytest.mark.slow
def test_the_functional_tests_pass_but_for_the_differences(tmp_path: Path) -> None:
    fetch(tmp_path)
    results = run(tmp_path)
    failed = {test for test, passed in results.items() if not passed}
    unexpected = [test for test in failed if without_parameters(test) not in DIFFERENCES]
    if unexpected:
        # Many of them wait for times that a busy machine does not keep.
        again = run(tmp_path, *(f"{file}::{name}" for file, name in unexpected))
        failed -= {test for test, passed in again.items() if passed}
    ran = {without_parameters(test) for test in results}
    assert {without_parameters(test) for test in failed} == DIFFERENCES.keys() & ran
    assert len(results) - len(failed) >= 0.95 * len(results)
    assert len(results) > 100
