"""From the settings `views` and `projections` to stores and projections: where views are kept, and of what."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...domain.errors import ConfigurationError
from ...log.location import Location
from ...log.sqlite.admin import drop_file
from ...projections.authoring.loading import load, offered
from ...projections.authoring.projection import AnyProjection
from ...projections.store import ViewStore, memory_views, sqlite_views
from ...projections.views import BUILT_IN

if TYPE_CHECKING:
    from ...projections.store.postgres import PostgresViews

NO_VIEWS = "none"


def make_projections(views: str, names: Sequence[str]) -> list[AnyProjection]:
    """The projections whose views are kept. Raises ConfigurationError for a name that leads to none, and when two are
    called the same."""
    if views == NO_VIEWS:
        return []
    projections = [*BUILT_IN, *offered(), *load(names)]
    called = Counter((each.name, each.version) for each in projections)
    if twice := [name for (name, _), times in called.items() if times > 1]:
        raise ConfigurationError(f"Two projections are called {twice[0]!r}, in the same version; rename one of them.")
    return projections


def folds_in_processes(views: str, log: str) -> bool:
    """Whether another process can read the log and write the views: not where either is in memory."""
    location = Location.parse(log)
    return "memory" not in (location.kind, Location.parse(views).kind if views else location.views.kind)


class ViewStorage:
    """Makes the stores of views, not opened yet: where `views` says, or else beside the log. Those in a database share
    its connections."""

    def __init__(self, views: str, log: str) -> None:
        location = Location.parse(log).views if views in ("", NO_VIEWS) else Location.parse(views)
        self.file = location.file
        """The file in which a tenant's views are; None where they are in a database, or in memory."""
        self._database = _database(location)

    def store(self, tenant: str = "") -> ViewStore:
        """The store for a tenant's views. One in memory is new, and gone with it."""
        if self._database is not None:
            return self._database.store(tenant)
        file = self.file(tenant)
        return memory_views() if file is None else sqlite_views(file)


def drop_views(views: str, log: str, tenant: str) -> None:
    """Remove the views of a tenant whose log is gone; those that stood in its schema went with it."""
    if views == NO_VIEWS:
        return
    storage = ViewStorage(views, log)
    file = storage.file(tenant)
    if file is not None:
        drop_file(file)
    elif storage._database is not None:
        storage._database.drop(tenant)


def _database(location: Location) -> "PostgresViews | None":
    if location.kind != "postgres":
        return None
    from ...projections.store.postgres import PostgresViews

    return PostgresViews(location.address)
