"""What the figures were measured on, which of its cores do what, and what its processes do."""

import os
import platform
import re
import time
from pathlib import Path


def describe() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load average": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def two_cores() -> tuple[int, int] | None:
    """A core for the server and one for the load, no siblings if that can be; None on one core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None
    server = cores[-1]
    siblings = Path(f"/sys/devices/system/cpu/cpu{server}/topology/thread_siblings_list")
    shared = _numbers_of(siblings.read_text()) if siblings.exists() else {server}
    return server, next((core for core in cores if core not in shared), cores[0])


def memory(pid: int, figure: str) -> int:
    """Bytes of a process by one of the figures of its `status`, such as `VmRSS`; 0 without it."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{figure}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def cpu_time(pid: int) -> float:
    """Seconds that a process has run, all its threads."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def idle(pid: int) -> None:
    """Wait until a process has done nothing for a twentieth of a second, at most ten seconds."""
    before = -1.0
    for _ in range(200):
        now = cpu_time(pid)
        if now == before:
            return
        before = now
        time.sleep(0.05)


def _numbers_of(ranges: str) -> set[int]:
    """The numbers in a list as the kernel writes it, `0-1,4`."""
    ends = [[int(end) for end in part.split("-")] for part in ranges.split(",")]
    return {number for end in ends for number in range(end[0], end[-1] + 1)}
