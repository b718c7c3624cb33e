"""Where views are stored: a file beside the log, or tables in the log's database (`postgres`, to be imported
where it is needed: it takes a driver)."""

from .records import Build, Checkpoint, CheckpointMoved, Commit, Found, Parked, Sample, Skipped
from .sqlite import memory_views, sqlite_views
from .store import ViewStore

__all__ = [
    "Build",
    "Checkpoint",
    "CheckpointMoved",
    "Commit",
    "Found",
    "Parked",
    "Sample",
    "Skipped",
    "ViewStore",
    "memory_views",
    "sqlite_views",
]
