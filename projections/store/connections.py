"""The connections to one database of views, as this process uses it: a few, whatever the number of its stores.

The stores of all tenants share them: each enters when it is opened and leaves when it is closed. The last to leave
closes them, and who enters after that opens new ones.

    writers    for commits and all that changes something; what fails is not repeated, for it may have been carried out
    readers    for the rest; a read whose connection turns out to be lost is done again on a new one
"""

from collections.abc import Callable
from typing import Any

from ...log.db_threads import DbThreads


class ViewConnections:
    """How to come by connections, and how many of them write and read; without readers the writers do both. `lost`
    tells which connections are not to be used again."""

    def __init__(
        self,
        connect: Callable[[], Any],
        explain: Callable[[Exception], Exception],
        *,
        writers: int,
        readers: int,
        lost: Callable[[Any], bool] = lambda _: False,
    ) -> None:
        def begin() -> tuple[DbThreads[Any], DbThreads[Any]]:
            to_write: DbThreads[Any] = DbThreads("stenogram-views", writers, connect, explain, lost)
            if not readers:
                return to_write, to_write
            return to_write, DbThreads("stenogram-views-reader", readers, connect, explain, lost, again=True)

        self._begin = begin
        self.writers, self.readers = begin()
        self._users = 0
        self._closed = False

    def enter(self) -> None:
        """Use them; to be left as often."""
        if self._closed:
            self.writers, self.readers = self._begin()
            self._closed = False
        self._users += 1

    def leave(self) -> None:
        """Use them no more. The last one waits for what is being written, and closes them."""
        self._users -= 1
        if not self._users:
            self._closed = True
            self.readers.close()
            self.writers.close()
