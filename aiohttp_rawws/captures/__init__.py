"""Captures: conversations that are kept, opened elsewhere, and played again."""
