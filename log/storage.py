"""Where logs are kept, by one address: a path, `sqlite:///path`, `postgresql://…`, or `memory:`.

Each tenant has a log of its own beside the main one: a file `stenogram@acme.db`, a schema `stenogram@acme`.

What PostgreSQL needs is imported where an address asks for it: a log in a file needs no driver.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.errors import ConfigurationError
from .engine import Engine
from .memory import MemoryEngine
from .sqlite import SqliteEngine

if TYPE_CHECKING:
    from .postgres import Database

SCHEMES = ("postgresql://", "postgres://")
SQLITE = "sqlite:///"
MEMORY = "memory:"


class Storage:
    """Makes the engines of one address, not opened yet. Those of a database share its connections.

    Raises ConfigurationError for an address that no engine is for.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._database = _database(where)
        if self._database is None and "://" in where and not where.startswith(SQLITE):
            raise ConfigurationError(
                f"There is no engine for {where!r}; give a path, sqlite:///path, postgresql://… or memory:."
            )

    def __str__(self) -> str:
        """The address, for people: without a password."""
        return self._where if self._database is None else self._database.address.shown

    @property
    def file(self) -> Path | None:
        """The main log's file, where logs are files."""
        if self._database is not None or self._where.startswith(MEMORY):
            return None
        return Path(self._where.removeprefix(SQLITE))

    def engine(self, tenant: str = "", *, read_only: bool = False) -> Engine:
        """The engine of a tenant's log. One in memory is new, and gone with it. Raises ConfigurationError when that is
        to be read only."""
        if self._database is not None:
            from .postgres import PostgresEngine

            return PostgresEngine(self._database, tenant=tenant, read_only=read_only)
        path = self.file
        if path is None and read_only:
            raise ConfigurationError("A log in memory is its process's own, and a new one has nothing to be read.")
        if path is None:
            return MemoryEngine()
        return SqliteEngine(
            path.with_name(f"{path.stem}@{tenant}{path.suffix}") if tenant else path, read_only=read_only
        )


def _database(where: str) -> "Database | None":
    if not where.startswith(SCHEMES):
        return None
    from .postgres import Database

    return Database(where)


def snapshots_of(where: str) -> str:
    """The address of the log beside this one for snapshots: a file, or a schema, `….snapshots`."""
    if where.startswith(SCHEMES):
        from .postgres.address import Address, in_schema

        return in_schema(where, f"{Address.parse(where).schema}.snapshots")
    return MEMORY if where == MEMORY else f"{where}.snapshots"
