"""From the settings `views` and `projections` to stores and projections: where views are kept, and of what."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...domain.errors import ConfigurationError
from ...log.storage import MEMORY, SQLITE, Storage
from ...projections.loading import load, offered
from ...projections.projection import AnyProjection
from ...projections.store import ViewStore, memory_views, sqlite_views
from ...projections.views import BUILT_IN

NONE = "none"


def make_projections(views: str, names: Sequence[str]) -> list[AnyProjection]:
    """The projections whose views are kept. Raises ConfigurationError for a name that leads to none, and when two are
    called the same."""
    if views == NONE:
        return []
    projections = [*BUILT_IN, *offered(), *load(names)]
    called = Counter((each.name, each.version) for each in projections)
    if twice := [name for (name, _), times in called.items() if times > 1]:
        raise ConfigurationError(f"Two projections are called {twice[0]!r}, in the same version; rename one of them.")
    return projections


def make_views(views: str, log: Storage, tenant: str) -> ViewStore:
    """The store for a tenant's views, not opened yet: where `views` says, or else beside the log; beside a log that is
    no file, in memory."""
    if views in ("", NONE):
        file = None if log.file is None else log.file.with_name(f"{log.file.stem}.views{log.file.suffix}")
    else:
        file = None if views == MEMORY else Path(views.removeprefix(SQLITE))
    if file is None:
        return memory_views()
    return sqlite_views(file.with_name(f"{file.stem}@{tenant}{file.suffix}") if tenant else file)
