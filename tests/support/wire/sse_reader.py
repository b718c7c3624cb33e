"""A raw reader of server-sent events (WHATWG HTML §9.2)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import orjson

from support.wire.follower import Follower


class Block(NamedTuple):
    """One block: its event, its id and its data."""

    event: str
    id: str
    data: Any


class SseReader:
    """One response that follows a session or the log; hands what comes to a follower."""

    def __init__(self, response: aiohttp.ClientResponse, follower: Follower) -> None:
        self.response = response
        self.follower = follower
        self.last = ""
        self.bye: Block | None = None
        self.comments: list[str] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        http: aiohttp.ClientSession,
        url: str,
        follower: Follower,
        *,
        last: str | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> AsyncIterator["SseReader"]:
        """Follow `url`; `last` goes out as `Last-Event-ID`."""
        sent = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {}), **(headers or {})}
        params = {name: str(value) for name, value in query.items()}
        async with http.get(url, headers=sent, params=params, timeout=aiohttp.ClientTimeout(total=None)) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            yield cls(response, follower)

    async def reach(self, place: int, timeout: float = 40.0) -> Follower:
        """Read until the follower is at `place`."""
        async with asyncio.timeout(timeout):
            while self.follower.at < place:
                assert await self.step() is not None, "the stream ended"
        return self.follower

    async def step(self) -> Block | None:
        """Read one block and take it over; None at the end of the stream."""
        block = await self._block()
        if block is None:
            return None
        assert self.bye is None, "a block came after bye"
        if block.event == "bye":
            self.bye = block
        elif block.event == "events":
            self.follower.extend(block.data, block.id if self.follower.whole else int(block.id.rpartition(".v")[2]))
        else:
            self.follower.receive({"frame": block.event, **block.data})
        self.last = block.id
        return block

    async def _block(self) -> Block | None:
        fields: dict[str, str] = {}
        while line := await self.response.content.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments.append(text[1:].strip())
            elif text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif fields:
                return Block(fields["event"], fields["id"], orjson.loads(fields["data"]))
        return None
