"""Finds work for the subscriptions of one log, and has their workers told.

Each gateway that writes the log has one. It hears of every commit, and looks at the streams that were touched and that
a subscription follows. Wakes have ids that are the same on every gateway, so that each comes once, whichever finds the
work first. What it knows it reads from the log when it starts. Only the gateway whose wake it is calls a webhook; where
that one dies, the lease ends, and there is another wake.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from ....domain.concepts.stream_subscriptions import (
    MAX_STREAMS,
    MAX_WOKEN,
    LinkStreams,
    StreamLink,
    Subscription,
    WakeWorker,
)
from ....domain.errors import Conflict, LogUnreadable, NotFound, Refused, StenogramError
from ....domain.ids import SessionId, new_id
from ....domain.model import TIMEKEEPER, Command, timer_id
from ....log.log import Log
from ....log.paging import listed_sessions
from ....log.records import Record
from ....projections.runner.time_slices import slices
from ..readable import find_readable
from .glob import prefix_of
from .linked_streams import granted, is_match, linked_stream, readable_for
from .names import PREFIX
from .workers import Workers, submit

_logger = logging.getLogger(__name__)
RETRY_AFTER_S = 1.0
"""Seconds after which something is tried again that failed, or that another gateway may have done."""
FULL_FOR_S = 60.0
"""Seconds after which a subscription that has as many streams as it may looks for those that are gone …"""
FULL_REST = 10
"""… and at least so many times as long as all subscriptions take for that, if each takes as long as this one."""
LONGEST_WAIT_S = 60.0
PAUSE_S = 0.01
"""Seconds between two rounds: on a busy log one looks at what many commits have touched."""


class _Watched:
    """A subscription, and what is to be looked at: `suspects` are streams that may have more, `unlinked` those that the
    pattern matches and that are not linked; `unlisted`: all such are to be looked for, but not before `full_until`."""

    def __init__(self, found: Subscription) -> None:
        self.found = found
        self.suspects: dict[SessionId, None] = dict.fromkeys(found.links)
        self.unlinked: dict[SessionId, None] = {}
        self.unlisted = found.config.pattern is not None
        self.announced = 0
        self.rests_until = 0.0
        self.full_until = 0.0

    def update(self, found: Subscription) -> None:
        """It is another now."""
        new = dict.fromkeys(each for each in found.links if each not in self.found.links)
        if found.grant != self.found.grant:  # what was not to be told may be
            new, self.unlisted = dict.fromkeys(found.links), found.config.pattern is not None
        self.suspects.update(new)
        self.found = found

    def touch(self, session: SessionId) -> None:
        """Something was written to a session."""
        if session in self.found.links:
            self.suspects[session] = None
        if not self.is_new(session):
            return
        if len(self.unlinked) < MAX_STREAMS and time.monotonic() >= self.full_until:
            self.unlinked[session] = None
        else:
            self.unlisted = True

    def is_new(self, session: SessionId) -> bool:
        """Whether the pattern matches a stream that is not linked for that."""
        link, config = self.found.links.get(session), self.found.config
        if config.pattern is None or (link is not None and link.glob):
            return False
        return is_match(config.pattern, session, config.wake_stream)

    def to_announce(self) -> bool:
        """Whether the wake stream is to say that there is work."""
        found = self.found
        waits = found.is_pull and found.wake is not None and found.wake.until is None
        return waits and self.announced != found.generation

    def due_in(self, now: datetime) -> float | None:
        """In how many seconds it is to be looked at; None: not before something changes."""
        found = self.found
        if not found.is_granted(now):
            return None
        rest = max(0.0, self.rests_until - time.monotonic())
        if self.unlinked or self.to_announce():
            return rest
        dues = [max(rest, self.full_until - time.monotonic())] if self.unlisted else []
        at = found.may_wake_at()
        if at is not None and self.suspects:
            dues.append(max(rest, (at - now).total_seconds()))
        return min(dues, default=None)

    def rest(self, seconds: float) -> None:
        """Leave it alone for a while."""
        self.rests_until = time.monotonic() + seconds


class SubscriptionKeeper:
    """That of one log; `run` does all of it."""

    def __init__(self, log: Log, tenant: str, workers: Workers) -> None:
        self._log = log
        self._tenant = tenant
        self._workers = workers
        self._watched: dict[SessionId, _Watched] = {}
        self._changed: dict[SessionId, None] = {}
        self._refreshing: dict[SessionId, None] = {}
        self._making: set[SessionId] = set()
        self._counting = asyncio.Lock()
        self._touched: dict[SessionId, None] = {}
        self._news = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self.loaded = asyncio.Event()
        """Set when it knows all that were there when it started."""
        # Before they are listed in `_load`: one that is made meanwhile is in `_changed`.
        self._stop_listening = log.hub.listen(self._published)

    @property
    def count(self) -> int:
        """How many subscriptions there are, as far as it has looked."""
        return len(self._watched)

    @asynccontextmanager
    async def place_for(self, session: SessionId, most: int) -> AsyncIterator[None]:
        """Have a place for one that is made within the block. Raises Conflict where there are so many."""
        await self.loaded.wait()
        async with self._counting:
            there = {*self._watched, *self._making}
            for each in (*self._refreshing, *self._changed):
                found = (await self._log.state(each)).stream_subscriptions.current(each)
                (there.discard if found is None else there.add)(each)
            if len(there - {session}) >= most:
                raise Conflict(f"There are {most:,} subscriptions, as many as there may be; delete one.", most=most)
            self._making.add(session)
        try:
            yield
        finally:
            self._making.discard(session)

    def next_due(self) -> float | None:
        """In how many seconds something is to happen by itself; None if nothing is."""
        return 0.0 if self._changed or self._refreshing or self._touched or self._calls else self._look_in()

    async def run(self) -> None:
        """Work until cancelled, or until the log has ended. A failing log is waited for."""
        try:
            while self._log.working:
                try:
                    if not self.loaded.is_set():
                        await self._load()
                    await self._round()
                    await asyncio.sleep(PAUSE_S)
                    await self._wait()
                except StenogramError as error:
                    _logger.info("subscriptions have to wait: %s", error)
                    await asyncio.sleep(RETRY_AFTER_S)
                except Exception:  # a fault of ours must not take the log with it
                    _logger.exception("subscriptions have to wait")
                    await asyncio.sleep(RETRY_AFTER_S)
        finally:
            self._stop_listening()
            self._watched.clear()
            for call in self._calls:
                call.cancel()
            if self._calls:
                await asyncio.wait(self._calls)

    async def _load(self) -> None:
        async for page in listed_sessions(self._log.engine, PREFIX):
            for session, _ in page:
                await self._refresh(session)
        self.loaded.set()

    def _published(self, records: list[Record]) -> None:
        for session in {record.session for record in records}:
            if session.startswith(PREFIX):
                self._changed[session] = None
            elif self._watched or not self.loaded.is_set():
                self._touched[session] = None
        if self._changed or self._touched:
            self._news.set()

    async def _wait(self) -> None:
        due = self._look_in()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(LONGEST_WAIT_S, LONGEST_WAIT_S if due is None else max(due, 0.0))):
                await self._news.wait()
        # After the wait, and before what is new is read: what comes later sets it again.
        self._news.clear()

    def _look_in(self) -> float | None:
        """In how many seconds a subscription is to be looked at."""
        now = self._log.clock.now()
        return min([due for each in self._watched.values() if (due := each.due_in(now)) is not None], default=None)

    async def _round(self) -> None:
        self._refreshing.update(self._changed)  # some may be left of a round that failed
        self._changed = {}
        for session in tuple(self._refreshing):
            await self._refresh(session)
            del self._refreshing[session]
        # After that: what was written to a stream since a subscription was made is looked at for that one, too.
        touched, self._touched = self._touched, {}
        async for sessions in slices(tuple(touched), 1):
            for watched in self._watched.values():
                watched.touch(sessions[0])
        now = self._log.clock.now()
        async for some in slices(tuple(self._watched.values())):
            for watched in some:
                due = watched.due_in(now)
                if due is not None and due <= 0:
                    await self._look(watched)

    async def _refresh(self, session: SessionId) -> None:
        try:
            state = await self._log.state(session)
        except LogUnreadable as fault:
            _logger.error("a subscription cannot be read: %s", fault)
            return
        found = state.stream_subscriptions.current(session)
        watched = self._watched.get(session)
        if found is None:
            self._watched.pop(session, None)
        elif watched is None or watched.found.created != found.created:  # or another one of its name
            self._watched[session] = _Watched(found)
        else:
            watched.update(found)

    async def _look(self, watched: _Watched) -> None:
        began = time.monotonic()
        try:
            if watched.unlisted and time.monotonic() >= watched.full_until:
                await self._list(watched, began)
            if watched.unlinked:
                await self._link(watched, began)
            if watched.to_announce():
                assert watched.found.wake is not None
                await self._workers.announce(watched.found, watched.found.wake)
                watched.announced = watched.found.generation
            at = watched.found.may_wake_at()
            if at is not None and at <= self._log.clock.now():
                await self._wake(watched)
        except Refused as refusal:  # another gateway was quicker, or something has changed: that will be heard
            _logger.debug("a subscription is looked at again: %s", refusal)
            watched.rest(RETRY_AFTER_S)
        except StenogramError as error:
            _logger.info("a subscription has to wait: %s", error)
            watched.rest(RETRY_AFTER_S)
        except Exception:  # a fault of ours must not keep others from their work
            _logger.exception("a subscription has to wait")
            watched.rest(RETRY_AFTER_S)

    async def _list(self, watched: _Watched, began: float) -> None:
        """Look for all streams that the pattern matches: some may have been created while nobody looked."""
        pattern = watched.found.config.pattern
        assert pattern is not None
        watched.unlisted = False
        async for page in listed_sessions(self._log.engine, prefix_of(pattern)):
            async for some in slices(page):
                watched.unlinked.update(dict.fromkeys([session for session, _ in some if watched.is_new(session)]))
            # Page by page: of those that cannot be linked there may be any number, and they would come again each time.
            await self._link(watched, began)
            if time.monotonic() < watched.full_until:
                return

    async def _link(self, watched: _Watched, began: float) -> None:
        """Link streams that are new, from their start; and where there is no room, leave out those that are gone. They
        have been looked for since `began`."""
        found = watched.found
        links, told = list[StreamLink](), (granted(found, self._tenant),)
        async for sessions in slices(tuple(watched.unlinked), 1):
            (session,) = sessions
            link = found.links.get(session)
            readable = None if link is not None and link.glob else await readable_for(self._log, session, told)
            if readable is not None:
                links.append(StreamLink(session=session, acked=readable.start))
            else:
                del watched.unlinked[session]
        if not links:
            return
        gone: tuple[SessionId, ...] = ()
        if len(found.links) + len(links) > MAX_STREAMS:
            gone = await self._gone(found)
            room = MAX_STREAMS - len(found.links) + len(gone)
            if room < len(links):
                links, watched.unlisted = links[: max(room, 0)], True
                now = time.monotonic()
                watched.full_until = now + max(FULL_FOR_S, (now - began) * len(self._watched) * FULL_REST)
        if links or gone:
            await submit(self._log, found, LinkStreams(links=tuple(links), gone=gone), TIMEKEEPER)
        watched.unlinked.clear()  # not before they are linked, or will be looked for
        await self._refresh(found.session)

    async def _gone(self, found: Subscription) -> tuple[SessionId, ...]:
        """The streams that the pattern matched and that are no longer there."""
        gone, told = [], granted(found, self._tenant)
        async for some in slices([session for session, link in found.links.items() if not link.explicit], 1):
            try:
                await find_readable(self._log, some[0], told)
            except (NotFound, LogUnreadable):
                gone.append(some[0])
        return tuple(gone)

    async def _wake(self, watched: _Watched) -> None:
        found = watched.found
        pending, told = [], (granted(found, self._tenant),)
        async for sessions in slices(tuple(watched.suspects), 1):
            (session,) = sessions
            link = found.links.get(session)
            stream = None if link is None else await linked_stream(self._log, session, link, told)
            if stream is not None and stream.pending:
                pending.append(stream.place)
                if len(pending) == MAX_WOKEN:
                    break
            else:
                watched.suspects.pop(session, None)
        if not pending:
            return
        generation = found.generation + 1
        data = WakeWorker(wake=f"w_{new_id()}", streams=tuple(pending))
        id = timer_id("stream_subscription", found.session, generation)
        # Not before this is heard of, or did not come to be: the state is known to be out of date until then.
        watched.rest(RETRY_AFTER_S)
        result = await self._log.submit(Command(id, found.session, TIMEKEEPER, self._log.clock.now(), data))
        watched.rest(0.0)
        if not result.repeated and not found.is_pull:
            call = asyncio.create_task(self._workers.call(found, generation))
            self._calls.add(call)
            call.add_done_callback(self._called)

    def _called(self, call: "asyncio.Task[None]") -> None:
        self._calls.discard(call)
        if not call.cancelled() and (fault := call.exception()) is not None:
            _logger.error("a webhook failed", exc_info=fault)
