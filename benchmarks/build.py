"""What a run needs and nobody installs: the programs in C, and a certificate."""

import atexit
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def folder() -> Path:
    """Return a folder that is removed when this process ends."""
    name = tempfile.mkdtemp(prefix="rawws-benchmark-")
    atexit.register(shutil.rmtree, name)
    return Path(name)


def compiler() -> list[str]:
    """Return the command of the C compiler: `CC`, else `cc`."""
    return shlex.split(os.environ.get("CC", "cc"))


@functools.cache
def built(source: str) -> str:
    """Compile a file of this folder and return the program, or end with what is missing."""
    program, file = folder() / Path(source).stem, Path(__file__).with_name(source)
    command = [*compiler(), "-O2", "-o", str(program), str(file), "-lssl", "-lcrypto"]
    done = subprocess.run(["env", *command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            "The benchmarks need Linux, a C compiler and OpenSSL's headers (apt-get install gcc"
            f" libssl-dev). {shlex.join(command)} failed:\n{done.stderr}"
        )
    return str(program)


@functools.cache
def certificate() -> Path:
    """Return a file with a key and its certificate for 127.0.0.1."""
    # Imported only here: runs without TLS need none.
    import trustme

    issued = trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    issued.write_to_path(folder() / "server.pem")
    return folder() / "server.pem"
