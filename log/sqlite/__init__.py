"""The embedded log: one SQLite file, one writing process, any number of reading ones."""

from .engine import SqliteEngine

__all__ = ["SqliteEngine"]
