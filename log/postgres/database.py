"""One database, as this process uses it: a few connections, whatever the number of its logs and of their readers.

    writers    for commits, one at a time for each log
    readers    for everything else
    listener   one connection that hears of other processes' commits

They are opened when they are first needed, and shared by the logs of all tenants: each enters when it is opened and
leaves when it is closed, and the last to leave closes them.
"""

from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .address import Address
from .arrays import ADAPTERS
from .listener import Listener, Subscriber
from .pool import Pool

WRITERS = 4
READERS = 3
PATIENCE_S = 10.0
"""Seconds for which a read or a commit waits for a database that is away or does not answer."""

# For connections that are ours for good. An abandoned statement must not wait for its lock without end. Plans are kept
# while tables grow, so none is made that is good for small ones only; where there is no other, it is not compiled.
_SESSION = "-c lock_timeout=8s -c enable_seqscan=off -c jit=off"


class Database:
    """The connections. Behind a pooler in transaction mode there is no LISTEN, and nothing that must outlast a
    transaction: no prepared statements, no settings of a session."""

    def __init__(self, url: str, *, patience: float = PATIENCE_S) -> None:
        self.address = address = Address.parse(url)
        self._conninfo = address.conninfo if address.pooler else _with_session(address.conninfo)
        self._users = 0
        self.writers = Pool(self._connect, WRITERS, patience)
        self.readers = Pool(self._connect, READERS, patience)
        self.listener = Listener(self._connect)

    def enter(self) -> None:
        """Use it; to be left as often."""
        self._users += 1

    def listen(self, subscriber: Subscriber) -> None:
        """Tell this one of commits, as far as that is possible here."""
        self.listener.add(subscriber)
        if not self.address.pooler:
            self.listener.start()

    async def leave(self) -> None:
        """Use it no more. The last one waits for commits in progress and closes all connections."""
        self._users -= 1
        if not self._users:
            await self.writers.close()
            await self.readers.close()
            await self.listener.stop()

    async def _connect(self) -> "AsyncConnection[Any]":
        connection = await AsyncConnection.connect(self._conninfo, autocommit=True, context=ADAPTERS)
        if self.address.pooler:
            connection.prepare_threshold = None
        return connection


def _with_session(conninfo: str) -> str:
    """The settings of a session of ours; those that the address has come last, and win."""
    given = conninfo_to_dict(conninfo).get("options", "")
    return make_conninfo(conninfo, options=f"{_SESSION} {given}".strip())
