"""Followers that are cut at random moments, and go on at the other gateway. They keep a digest of what they got."""

import asyncio
import contextlib
import hashlib
import itertools
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp
import orjson

from support.wire import LOST, Follower, Frame, SseReader, follow_reconnecting

CUT_AFTER_S = 4.0
"""Seconds that a connection lasts, in the mean."""

Follow = Callable[[aiohttp.ClientSession, str, "DigestFollower"], Coroutine[Any, Any, None]]
"""Follows at one gateway from where the follower is, until it is cancelled."""


class Digest:
    """Of events, in their order."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, event: Frame) -> None:
        """Take one more."""
        self.count += 1
        self._hash.update(orjson.dumps(event, option=orjson.OPT_SORT_KEYS))

    def __str__(self) -> str:
        return f"{self.count} events, {self._hash.hexdigest()}"


class DigestFollower(Follower):
    """Sees that no event is left out and none comes twice, like every follower, and keeps their digest only. It is
    `over` when its session is."""

    def __init__(self, session: str | None = None) -> None:
        super().__init__(whole=session is None)
        self.session = session
        self.given = Digest()
        self.cuts = 0
        self._last = -1
        self.last_id: str | None = None
        self.over = asyncio.Event()

    def extend(self, events: list[Frame], to: int | str) -> None:
        super().extend(events, to)
        for event in self.events:
            self.given.add(event)
            if self.session is not None and event["type"] == "session.closed":
                self.over.set()
        self.events.clear()
        if self.given.count == self._last:
            self.over.set()

    async def reach(self, last: int) -> None:
        """It is over, too, once it has got so many events; waits for that."""
        self._last = last
        if self.given.count == last:
            self.over.set()
        await self.over.wait()


async def by_socket(http: aiohttp.ClientSession, gateway: str, follower: DigestFollower) -> None:
    """Follow by WebSocket."""
    place = {"all": True} if follower.session is None else {"session": follower.session}
    await follow_reconnecting(http, lambda: gateway, follower, place, kind="agent")


async def by_stream(http: aiohttp.ClientSession, gateway: str, follower: DigestFollower) -> None:
    """Follow by server-sent events, with `Last-Event-ID`."""
    url = f"{gateway}/v1/sessions/{follower.session}/events"
    while True:
        with contextlib.suppress(*LOST):
            follower.resume()
            last = follower.last_id
            async with SseReader.open(http, url, follower, last=last, participant="reader", kind="agent") as source:
                while await source.step():
                    follower.last_id = source.last
        await asyncio.sleep(0.02)


async def follow_moving(
    http: aiohttp.ClientSession, gateways: Sequence[str], follow: Follow, follower: DigestFollower
) -> None:
    """Follow until it is over, each time at the next gateway."""
    chance = random.Random(follower.session)
    over = asyncio.create_task(follower.over.wait())
    try:
        for gateway in itertools.cycle(gateways):
            await _follow_once(follow(http, gateway, follower), over, chance.expovariate(1 / CUT_AFTER_S))
            if over.done():
                return
            follower.cuts += 1
    finally:
        over.cancel()


async def _follow_once(follow: Coroutine[Any, Any, None], over: asyncio.Task[Any], seconds: float) -> None:
    """For so long, or until it is over; what following fails of is raised."""
    following = asyncio.create_task(follow)
    try:
        await asyncio.wait({following, over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
