"""The event loop of the command: uvloop's where it is installed, else asyncio's."""

try:
    from uvloop import run as run_loop
except ImportError:
    from asyncio import run as run_loop

__all__ = ("EVENT_LOOP", "run_loop")

#: The module whose event loop runs.
EVENT_LOOP = run_loop.__module__.partition(".")[0]
