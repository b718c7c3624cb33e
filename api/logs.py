"""From the setting `log` to an engine: where each tenant's log is kept."""

from pathlib import Path

from ..domain.errors import ConfigurationError
from ..log.engine import Engine
from ..log.log import Log
from ..log.memory import MemoryEngine
from ..log.sqlite import SqliteEngine

SQLITE = "sqlite:///"
MEMORY = "memory:"


def make_log(where: str, tenant: str) -> Log:
    """The log of a tenant, not opened yet. A named tenant's file stands beside the main one: `hansard@acme.db`."""
    return Log(make_engine(where, tenant))


def make_engine(where: str, tenant: str = "") -> Engine:
    """The engine for a path, `sqlite:///path` or `memory:`. Raises ConfigurationError for anything else."""
    if where == MEMORY:
        return MemoryEngine()
    if "://" in where and not where.startswith(SQLITE):
        raise ConfigurationError(f"There is no engine for {where!r}; give a path, sqlite:///path or memory:.")
    path = Path(where.removeprefix(SQLITE))
    return SqliteEngine(path.with_name(f"{path.stem}@{tenant}{path.suffix}") if tenant else path)
