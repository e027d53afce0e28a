"""Comfort over raw frames: values in, values out; nothing here writes on its own."""

from .deflate import PermessageDeflate

__all__ = ("PermessageDeflate",)
