"""The machine that figures are measured on, and what its processes do."""

import datetime
import os
import platform
import re
import ssl
import time
from importlib import metadata
from pathlib import Path

#: What a figure depends on, beside the peer.
PACKAGES = ("aiofastnet", "aiohttp", "uvloop")


def describe() -> dict[str, str]:
    models = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(filter(None, map(installed, PACKAGES))),
        "openssl": ssl.OPENSSL_VERSION,
    }


def installed(package: str) -> str:
    """Return a package and its version, nothing if it is not installed."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""


def memory(pid: int, figure: str) -> int:
    """Return the bytes of a process by a figure of its `status`, such as `VmRSS`."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{figure}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def waited(pid: int) -> float:
    """Return the seconds that a process was ready to run but its core had other work."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def idle(pid: int) -> None:
    """Wait until a process has done nothing for a twentieth of a second, at most ten seconds."""
    before = b""
    for _ in range(200):
        now = b"".join(file.read_bytes() for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        if now == before:
            return
        before = now
        time.sleep(0.05)
