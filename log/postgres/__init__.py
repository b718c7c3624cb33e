"""The server log: PostgreSQL, written by any number of processes."""

from .database import Database
from .engine import PostgresEngine

__all__ = ["Database", "PostgresEngine"]
