"""The result of a relay while it runs: who ended first, and how."""

__all__ = ("FirstEnd",)


class FirstEnd:
    """The side that ended first, and the reason."""

    def __init__(self) -> None:
        self.side = ""
        self.reason = ""
        self.error: BaseException | None = None

    def note(self, side: str, reason: str, error: BaseException | None = None) -> None:
        """Note that a side has ended. Later ends are ignored."""
        if not self.reason:
            self.side, self.reason, self.error = side, reason, error
