"""What is imported when: nothing before it is used."""

import os
import subprocess
import sys

from tests.support import ROOT

#: What the plugin may not import before one of its fixtures is used.
HEAVY = ("aiohttp", "aiohttp_rawws", "multidict", "yarl")


def run(code: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_the_kit_needs_no_pytest() -> None:
    code = """
import sys
sys.modules["pytest"] = sys.modules["_pytest"] = sys.modules["pytest_asyncio"] = None
import aiohttp_rawws.testing
assert all(hasattr(aiohttp_rawws.testing, name) for name in aiohttp_rawws.testing.__all__)
print("there")
"""
    assert run(code) == "there"


def test_the_package_does_not_import_the_kit() -> None:
    code = "import aiohttp_rawws, sys; print('aiohttp_rawws.testing' in sys.modules)"
    assert run(code) == "False"


def test_the_plugin_imports_nothing_before_it_is_used() -> None:
    code = f"""
import sys, pytest
options = "-q -p pytest_aiohttp_rawws -p no:cacheprovider -c /dev/null --rootdir / --noconftest"
pytest.main([*options.split(), "--fixtures", "tests/support"])
print("pytest_aiohttp_rawws" in sys.modules, [each for each in {HEAVY!r} if each in sys.modules])
"""
    assert run(code, "-W", "ignore") == "True []"
