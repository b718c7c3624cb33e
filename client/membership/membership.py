"""Being in a session: opened if need be, joined, followed; and left again, whatever happened."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from ...domain.concepts.presence import LEASE
from ...domain.errors import Conflict, NoChange, Refused, SessionClosed, StenogramError
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
    runs of the participant keep what they hold. With `reopen` a session that is closed is opened again. `live` is there
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
        reopen: bool = False,
    ) -> None:
        self.live: LiveSession | None = None
        self._connection = connection
        self._session = session
        self._opening = opening
        self._joining = joining
        self._follows = follow
        self._starting = {"new_run": True, **({"beside": True} if beside else {})} if restart else {}
        self._reopens = reopen
        self._untitled = False
        self._joined = False
        self._lost = 0
        self._following: Subscription | None = None

    async def enter(self) -> None:
        """Open, join, and follow up to the present. What fails, or is cancelled, on the way leaves nothing behind.
        Raises SessionClosed, which says what to do."""
        try:
            if self._opening is not None:
                await self._open(self._opening)
            if self._joining is not None:
                await self._join_or_reopen(self._joining)
            elif self._reopens:
                await self._reopen()
            if self._follows:
                await self._title(await self._follow())
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
            self._untitled = bool(data.get("title"))

    async def _title(self, live: LiveSession) -> None:
        """Give a session that somebody else has opened without a title the one that was given here. Entering does not
        depend on it: another may be quicker, and not everyone may do it."""
        if self._opening is None or not self._untitled or live.state.session.title is not None:
            return
        data, expect = {"title": self._opening["title"]}, {"session": live.described}
        try:
            ack = await self._connection.commands.do(self._session, "session.describe", data, expect=expect)
            await live.reached(ack.versions[0])
        except Refused as refusal:
            logger.debug("Session %s got no title: %s", self._session, refusal)

    async def _join_or_reopen(self, data: Mapping[str, Any]) -> None:
        try:
            await self._join(data)
        except SessionClosed as closed:
            if not self._reopens:
                raise SessionClosed(
                    f"Session {self._session!r} is closed. Enter it with `reopen=True` to go on with it, choose "
                    f"another id for a new one, or read it by `client.watch({self._session!r})`.",
                    **closed.extra,
                ) from None
            await self._reopen()
            await self._join(data)

    async def _reopen(self) -> None:
        with contextlib.suppress(NoChange):
            await self._connection.commands.do(self._session, "session.reopen", {})

    async def _join(self, data: Mapping[str, Any]) -> None:
        # Before the command: if it is cancelled, it may be done all the same, and `leave` must undo it.
        self._joined = True
        self._connection.heartbeat_within(data.get("lease", LEASE) / HEARTBEATS_PER_LEASE)
        with contextlib.suppress(NoChange):
            await self._connection.commands.do(self._session, "presence.join", {**data, **self._starting})

    async def _follow(self) -> LiveSession:
        self.live = live = LiveSession(self._session)
        subscriptions = self._connection.subscriptions
        label = f"{self._session}:live"
        self._following = Subscription(subscriptions, live, self._session, 0, types=TYPES, label=label)
        subscriptions.add(self._following)
        await live.ready()
        # Only now: losses of earlier runs are history, and none of them is a reason to join again.
        live.listen(self._rejoin)
        return live

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
