"""Misbehaviour with a name."""

from collections.abc import Callable
from dataclasses import dataclass

from .arguments import check_seconds
from .script import Script

__all__ = ("Preset",)


@dataclass(frozen=True)
class Preset:
    """One way in which a peer misbehaves, as a script for each role that can do it."""

    #: Words in lower case, joined by hyphens.
    name: str
    #: What the peer does, as a sentence.
    sentence: str
    #: What it breaks, as "RFC 6455 5.5.3"; "" where it breaks no rule, but tries the other side.
    section: str
    #: The scripts' makers, by role: "server" and "client".
    makers: dict[str, Callable[[], Script]]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that can misbehave so."""
        return tuple(self.makers)

    def script(self, role: str, *, timeout: float | None = None) -> Script:
        """Return the script of this role. ValueError if that role cannot misbehave so.

        `timeout` is that of the script, in seconds: it bounds each of its waits, and all of them
        are shorter with it.
        """
        if role not in self.makers:
            raise ValueError(f"{self.name} is for a {' or a '.join(self.roles)}, not for a {role}")
        check_seconds("timeout", timeout, optional=True)
        script = self.makers[role]()
        script.name = self.name
        if timeout is not None:
            script.timeout = timeout
        return script
