"""Where a log is kept, as its address says: a path, `sqlite:///path`, `postgresql://…`, or `memory:`. Addresses are
read here and nowhere else; what a `postgresql://` address has in it is read by `postgres.address`.

What PostgreSQL needs is imported where an address asks for it: a log in a file needs no driver.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from ..domain.errors import ConfigurationError

MEMORY = "memory:"
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


class Location(NamedTuple):
    """A place for a log, and what kind it is of. `address` is a path for a file, and as it was given for the rest."""

    kind: Literal["file", "postgres", "memory"]
    address: str

    @classmethod
    def parse(cls, address: str) -> "Location":
        """Raises ConfigurationError for an address that no engine is for."""
        if address.startswith(_POSTGRES):
            return cls("postgres", address)
        if address.startswith(MEMORY):
            return cls("memory", address)
        if address.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"This needs the log itself, not a gateway ({address}); name its file, or its postgresql:// URL."
            )
        if "://" in address and not address.startswith(_SQLITE):
            raise ConfigurationError(
                f"There is no engine for {address!r}; give a path, sqlite:///path, postgresql://… or memory:."
            )
        return cls("file", address.removeprefix(_SQLITE))

    def file(self, tenant: str = "") -> Path | None:
        """The file of a tenant, `stenogram@acme.db` beside `stenogram.db`; None where logs are not files."""
        if self.kind != "file":
            return None
        path = Path(self.address)
        return path.with_name(f"{path.stem}@{tenant}{path.suffix}") if tenant else path

    @property
    def identity(self) -> str:
        """The same for every way of writing the path of one file; any other address as it is."""
        path = self.file()
        return self.address if path is None else str(path.resolve())

    @property
    def views(self) -> "Location":
        """Where the views of the log here are: in the same database, or in a file `….views` beside it."""
        path = self.file()
        if path is None:
            return self
        return Location("file", str(path.with_name(f"{path.stem}.views{path.suffix}")))

    @property
    def snapshots(self) -> "Location":
        """Where snapshots of the log here are: a log beside it, a file or a schema `….snapshots`."""
        if self.kind == "postgres":
            from .postgres.address import Address, in_schema

            return Location("postgres", in_schema(self.address, f"{Address.parse(self.address).schema}.snapshots"))
        return self if self.address == MEMORY else self._replace(address=f"{self.address}.snapshots")
