"""What a cell of docs/matrix.md cannot say in its few words."""

__all__ = ("NOTES",)

#: By kind, peer and presets. The order is that of the numbers.
NOTES: dict[tuple[str, str, tuple[str, ...]], str] = {}
