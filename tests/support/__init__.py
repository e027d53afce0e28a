"""Helpers that several tests need. Each module is named after what it gives."""

from pathlib import Path

#: The root of the repository.
ROOT = Path(__file__).parents[2]
