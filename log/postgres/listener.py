"""LISTEN: hearing of other processes' commits by one connection, for all logs of a database.

A notification is only a hint. Who waits reads the log in any case, before and after; so one that is lost costs time,
never an event. Whenever the connection comes up every subscriber is woken, for nobody knows what was missed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg import AsyncConnection

from .failures import reason_of
from .notifications import LISTEN, read_payload

_logger = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0  # seconds between attempts to connect


class Subscriber:
    """One log's side of the listener: `notified` is set when another than `name` has written to the log in `schema`,
    or, with `may_have_missed`, when nobody knows whether one has."""

    def __init__(self, schema: str, name: str) -> None:
        self.schema = schema
        self.name = name
        self.notified = asyncio.Event()
        self.may_have_missed = False


class Listener:
    """Listens from `start` to `stop`, and connects again whenever that is needed."""

    def __init__(self, connect: "Callable[[], Awaitable[AsyncConnection[Any]]]") -> None:
        self._connect = connect
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._task: asyncio.Task[None] | None = None
        self._disconnected = False
        self.live = False
        """Whether notifications arrive; if not, only asking the database helps."""

    def start(self) -> None:
        """Begin, if that has not been done."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])  # and not `await task`, which would raise its cancellation here

    def add(self, subscriber: Subscriber) -> None:
        """Wake this one from now on."""
        self._subscribers.setdefault(subscriber.schema, set()).add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Wake it no more; safe to call twice."""
        subscribers = self._subscribers.get(subscriber.schema, set())
        subscribers.discard(subscriber)
        if not subscribers:
            self._subscribers.pop(subscriber.schema, None)

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(LISTEN)
                    pause = _FIRST_PAUSE_S
                    await self._listen(connection)
            except psycopg.Error as error:
                level = logging.DEBUG if self._disconnected else logging.WARNING  # once for each outage
                self._disconnected = True
                _logger.log(level, "other writers are not heard; the log is asked until they are: %s", reason_of(error))
            finally:
                # Those who wait for a notification without polling must begin to poll now, also when this is cancelled.
                self.live = False
                self._wake_all()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _listen(self, connection: "AsyncConnection[Any]") -> None:
        if self._disconnected:
            self._disconnected = False
            _logger.info("other writers are heard again")
        # After LISTEN, not before: what is committed between this wake-up and LISTEN would be announced to nobody.
        self.live = True
        self._wake_all()
        async for notification in connection.notifies():
            schema, writer = read_payload(notification.payload)
            for subscriber in self._subscribers.get(schema, ()):
                if subscriber.name != writer:  # its own commits it knows; to read after each would double its work
                    subscriber.notified.set()

    def _wake_all(self) -> None:
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.may_have_missed = True
                subscriber.notified.set()
