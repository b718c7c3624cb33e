"""The port to a database: one connection, used by one thread at a time.

Statements are written once, for all: `?` stands for a value, `@` before a name for wherever our tables are. What is
left to each database is how rows are written in bulk, what its types are called, and what its clock says.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..authoring.shape import Row, Shape

NO_TABLES = "The database has no tables for views; a gateway makes them when it starts."
"""What is said where nobody has made them yet."""


class Database(Protocol):
    """A connection. A statement outside a transaction is one."""

    lapse: float
    """Seconds without a beat after which a runner is taken for dead."""

    def prepare(self) -> None:
        """Make our tables, where there are none. Raises ViewsFailed where they cannot be."""

    def clock(self) -> float:
        """Seconds, by one clock for everyone who uses this database, that is never set."""

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that writes; rolled back when the block raises."""

    def arranging(self) -> AbstractContextManager[None]:
        """The same, for one at a time: who makes, promotes and drops builds."""

    def reading(self) -> AbstractContextManager[None]:
        """A transaction that sees one state of everything."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a statement answers."""

    def page(self, statement: str, values: Sequence[Any], shape: Shape, most: int) -> list[Row]:
        """What a statement that selects rows of this shape in an order answers, up to the row with which its texts and
        bytes come to `most` bytes (`size_of`)."""

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows that it changed."""

    def create(self, table: str, shape: Shape) -> None:
        """Make the table of a build."""

    def put(self, table: str, shape: Shape, rows: Sequence[Row]) -> None:
        """Write rows, replacing those in the same places."""

    def remove(self, table: str, shape: Shape, places: Collection[Row]) -> None:
        """Delete the rows in these places."""

    def fetch(self, table: str, shape: Shape, places: Collection[Row]) -> list[Row]:
        """The rows in these places."""


def size_of(row: Row) -> int:
    """How large a row is: its texts and bytes."""
    return sum([len(each) for each in row if isinstance(each, str | bytes)])


def statements(template: str) -> Iterator[str]:
    """The single statements of a script."""
    return (each for each in map(str.strip, template.split(";")) if each)


def names(columns: Sequence[Any]) -> str:
    """Column names, quoted and listed."""
    return ", ".join(f'"{getattr(column, "name", column)}"' for column in columns)
