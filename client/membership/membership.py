"""Being in a session: opened if need be, joined, followed; and left again, whatever happened."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from ...domain.concepts.presence import LEASE
from ...domain.errors import Conflict, NoChange, StenogramError
from ..transport.command_queue import unawaited
from ..transport.connection import Connection
from ..transport.subscription import Subscription
from .live_session import TYPES, LiveSession

LEAVE_TIMEOUT_S = 5.0
HEARTBEATS_PER_LEASE = 3
logger = logging.getLogger("stenogram.client")


class Membership:
    """`opening` and `joining` are the data of `session.open` and `presence.join`; None leaves the step out. With
    `restart` a new run joins: what an earlier one has left is given back, and a stop of it is over; with `beside` other
    runs of the participant keep what they hold. `live` is there
    while the session is followed, and keeps what it knew afterwards. A participant that was lost joins again."""

    def __init__(
        self,
        connection: Connection,
        session: str,
        opening: Mapping[str, Any] | None,
        joining: Mapping[str, Any] | None,
        follow: bool = True,
        restart: bool = False,
        beside: bool = False,
    ) -> None:
        self.live: LiveSession | None = None
        self._connection = connection
        self._session = session
        self._opening = opening
        self._joining = joining
        self._follows = follow
        self._starting = {"new_run": True, **({"beside": True} if beside else {})} if restart else {}
        self._joined = False
        self._lost = 0
        self._following: Subscription | None = None

    async def enter(self) -> None:
        """Open, join, and follow up to the present. What fails, or is cancelled, on the way leaves nothing behind."""
        try:
            if self._opening is not None:
                await self._open(self._opening)
            if self._joining is not None:
                await self._join(self._joining)
            if self._follows:
                await self._follow()
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        """Stop following, and leave the session if it was joined. Raises nothing: who leaves has done what they came
        for, and the gateway notices by itself when one who could not say so is gone."""
        if self._following is not None:
            self._following.end(None)
            self._following.close()
            self._following = None
        if not self._joined:
            return
        self._joined = False
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await unawaited(self._connection.commands.submit(self._session, "presence.leave", {}))
        except NoChange:
            pass
        except (StenogramError, TimeoutError) as error:
            logger.info("Session %s was not left: %s", self._session, error)

    async def _open(self, data: Mapping[str, Any]) -> None:
        try:
            await self._connection.commands.do(self._session, "session.open", data)
        except Conflict as conflict:
            if type(conflict) is not Conflict:
                raise

    async def _join(self, data: Mapping[str, Any]) -> None:
        # Before the command: if it is cancelled, it may be done all the same, and `leave` must undo it.
        self._joined = True
        self._connection.heartbeat_within(data.get("lease", LEASE) / HEARTBEATS_PER_LEASE)
        with contextlib.suppress(NoChange):
            await self._connection.commands.do(self._session, "presence.join", {**data, **self._starting})

    async def _follow(self) -> None:
        self.live = LiveSession(self._session)
        subscriptions = self._connection.subscriptions
        label = f"{self._session}:live"
        self._following = Subscription(subscriptions, self.live, self._session, 0, types=TYPES, label=label)
        subscriptions.add(self._following)
        await self.live.ready()
        # Only now: losses of earlier runs are history, and none of them is a reason to join again.
        self.live.listen(self._rejoin)

    def _rejoin(self) -> None:
        """Join again when lost, and when a session that was closed is open again. That is no new run: a stop that was
        not honoured still holds."""
        if self._joined and self._joining is not None and self.live is not None:
            me = self.live.state.presence.get(str(self._connection.welcome["participant"]))
            is_open = self.live.state.session.status == "open"
            here = me is not None and me.instance(self._connection.identity.run) is not None
            if me is not None and not here and is_open and me.since != self._lost:
                self._lost = me.since
                unawaited(self._connection.commands.submit(self._session, "presence.join", self._joining))
