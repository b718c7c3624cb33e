"""Where views are stored: a file beside the log, or tables in the log's database (`postgres`, which whoever needs it
imports: it takes a driver)."""

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
    "ViewStore",
    "memory_views",
    "sqlite_views",
]
