"""Where the views of a log are: beside it."""

from pathlib import Path

from ...log.postgres.address import SCHEMES
from ...log.storage import MEMORY, SQLITE
from .postgres import postgres_views
from .sqlite import memory_views, sqlite_views
from .store import ViewStore


def views_of(log: str, tenant: str = "") -> ViewStore:
    """The views of the log at this address, not opened yet: the file `hansard.views.db`, or for a tenant
    `hansard@acme.views.db`; the schema of the log in PostgreSQL; memory for a log in memory."""
    if log.startswith(SCHEMES):
        return postgres_views(log, tenant=tenant)
    if log == MEMORY:
        return memory_views()
    path = Path(log.removeprefix(SQLITE))
    owner = f"@{tenant}" if tenant else ""
    return sqlite_views(path.with_name(f"{path.stem}{owner}.views{path.suffix}"))
