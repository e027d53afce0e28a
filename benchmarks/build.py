"""Building the programs in C."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BuildError(Exception):
    """A program in C could not be built."""


class NotInstalled(BuildError):
    """Something that is needed for it is missing."""


def compiler() -> list[str]:
    """The command of the C compiler: `CC`, else `cc`."""
    return shlex.split(os.environ.get("CC", "cc"))


@contextmanager
def built(source: str, *options: str) -> Iterator[Path]:
    """Compile a file of this folder for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="rawws-benchmark-") as directory:
        program = Path(directory, "program")
        command = [*compiler(), "-O2", "-o", str(program), str(Path(__file__).with_name(source))]
        command += options
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise NotInstalled(
                f"no C compiler: {compiler()[0]!r} was not found; install gcc, or name one in CC"
            ) from None
        except subprocess.CalledProcessError as error:
            if "no OpenSSL" in error.stderr:
                raise NotInstalled(
                    "TLS needs OpenSSL's headers: install them (apt-get install libssl-dev, "
                    "dnf install openssl-devel)"
                ) from None
            raise BuildError(f"{shlex.join(command)} failed:\n{error.stderr}") from None
        yield program
