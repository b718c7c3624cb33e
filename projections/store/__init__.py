"""Where views are stored: a file beside the log, or tables in the log's database."""

from .postgres import PostgresViews, postgres_views
from .records import Build, Checkpoint, CheckpointMoved, Commit, Found, Parked
from .sqlite import memory_views, sqlite_views
from .store import ViewStore

__all__ = [
    "Build",
    "Checkpoint",
    "CheckpointMoved",
    "Commit",
    "Found",
    "Parked",
    "PostgresViews",
    "ViewStore",
    "memory_views",
    "postgres_views",
    "sqlite_views",
]
