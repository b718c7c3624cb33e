"""Makes the engines of logs. Each tenant has a log of its own beside the main one: a file `stenogram@acme.db`, a schema
`stenogram@acme`."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.errors import ConfigurationError, NotFound
from .engine import Engine
from .location import Location
from .memory import MemoryEngine
from .sqlite import SqliteEngine
from .sqlite import admin as sqlite_admin

if TYPE_CHECKING:
    from .postgres import Database


class Storage:
    """Makes the engines of one address (see `location`), not opened yet. Those of a database share its connections.

    Raises ConfigurationError for an address that no engine is for.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._location = Location.parse(address)
        self._database = _database(self._location)

    def __str__(self) -> str:
        """The address, for people: without a password."""
        return self._address if self._database is None else self._database.address.shown

    @property
    def file(self) -> Path | None:
        """The main log's file, where logs are files."""
        return self._location.file()

    @property
    def is_lasting(self) -> bool:
        """Whether a log outlives its engine: one in memory does not."""
        return self._location.kind != "memory"

    def engine(self, tenant: str = "", *, read_only: bool = False, create: bool = True) -> Engine:
        """The engine of a tenant's log. Without `create` it must be there already. One in memory is new, and gone with
        it. Raises ConfigurationError when that is to be read only."""
        if self._database is not None:
            from .postgres import PostgresEngine

            return PostgresEngine(self._database, tenant=tenant, read_only=read_only, create=create)
        file = self._location.file(tenant)
        if file is not None:
            return SqliteEngine(file, read_only=read_only, create=create)
        if read_only:
            raise ConfigurationError("A log in memory is its process's own, and a new one has nothing to be read.")
        return MemoryEngine()


async def has_log(address: str) -> bool:
    """Whether there is a log at this address, which may be one that cannot be read. Raises the LogError tree."""
    location = Location.parse(address)
    if location.kind == "postgres":
        from .postgres import admin

        return await admin.has_log(address)
    file = location.file()
    return file is not None and file.exists()


async def find_tenants(address: str) -> dict[str, int]:
    """The tenants that have a log beside the one at this address, with the bytes of each. Raises the LogError tree."""
    location = Location.parse(address)
    if location.kind == "postgres":
        from .postgres import admin

        return await admin.find_tenants(address)
    file = location.file()
    return {} if file is None else sqlite_admin.find_tenants(file)


async def drop_tenant(address: str, tenant: str) -> None:
    """Remove the log of a tenant. Raises NotFound, LogInUse, and the LogError tree."""
    location = Location.parse(address)
    if location.kind == "postgres":
        from .postgres import admin

        return await admin.drop_tenant(address, tenant)
    file = location.file(tenant)
    if file is None:
        raise NotFound("A log in memory has no tenants that could be removed.")
    sqlite_admin.drop_log(file)
    return None


def _database(location: Location) -> "Database | None":
    if location.kind != "postgres":
        return None
    from .postgres import Database

    return Database(location.address)
