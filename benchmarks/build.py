"""Building the programs in C."""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_OPENSSL = "TLS needs OpenSSL's headers (apt-get install libssl-dev, dnf install openssl-devel)"


class BuildError(Exception):
    """A program in C could not be built."""


@contextmanager
def built(source: str, *options: str) -> Iterator[Path]:
    """Compile a file of this folder (`CC`, else `cc`) for as long as the block runs."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory(prefix="rawws-benchmark-") as directory:
        program = Path(directory, "program")
        command = [*compiler, "-O2", "-o", str(program), str(Path(__file__).with_name(source))]
        command += options
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise BuildError(
                f"no C compiler: {compiler[0]!r} was not found; install gcc, or name one in CC"
            ) from None
        except subprocess.CalledProcessError as error:
            hint = NO_OPENSSL if re.search(r"openssl/\w+\.h|-lssl", error.stderr) else ""
            raise BuildError(f"{shlex.join(command)} failed:\n{error.stderr}{hint}") from None
        yield program
