"""From the settings `views` and `projections` to stores and projections: where views are kept, and of what."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...domain.errors import ConfigurationError
from ...log.storage import MEMORY, SCHEMES, SQLITE
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


class ViewStorage:
    """Makes the stores of views, not opened yet: where `views` says, or else beside the log. Those in a database share
    its connections."""

    def __init__(self, views: str, log: str) -> None:
        self._where = _where(views, log)
        self._database = _database(self._where)

    def store(self, tenant: str = "") -> ViewStore:
        """The store for a tenant's views. One in memory is new, and gone with it."""
        if self._database is not None:
            return self._database.store(tenant)
        file = self.file(tenant)
        return memory_views() if file is None else sqlite_views(file)

    def file(self, tenant: str = "") -> Path | None:
        """The file in which a tenant's views are; None where they are in a database, or in memory."""
        if self._where.startswith((MEMORY, *SCHEMES)):
            return None
        file = Path(self._where.removeprefix(SQLITE))
        return file.with_name(f"{file.stem}@{tenant}{file.suffix}") if tenant else file


def _database(where: str) -> "PostgresViews | None":
    if not where.startswith(SCHEMES):
        return None
    from ...projections.store.postgres import PostgresViews

    return PostgresViews(where)


def _where(views: str, log: str) -> str:
    """A log in a database has its views there, too; one that is a file has them in another beside it."""
    if views not in ("", NO_VIEWS) or log.startswith((MEMORY, *SCHEMES)):
        return views if views not in ("", NO_VIEWS) else log
    file = Path(log.removeprefix(SQLITE))
    return str(file.with_name(f"{file.stem}.views{file.suffix}"))
