"""A stream of the AI SDK, read chunk by chunk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from support.ui_message_reader import UiMessageReader


class ChatStream:
    """A stream of the AI SDK, and what its client makes of it; `answered` are the parts that it has already."""

    def __init__(self, response: aiohttp.ClientResponse, answered: UiMessageReader | None = None) -> None:
        self.reader = UiMessageReader() if answered is None else answered.goes_on()
        self.response = response
        self.id = ""
        self.done = False
        self._id: str | None = None

    async def next(self) -> dict[str, Any] | None:
        """The next chunk; None at the stream's end."""
        async with asyncio.timeout(40):
            while line := await self.response.content.readline():
                if line.startswith(b"id: "):
                    self._id = line[4:-1].decode()
                elif line.startswith(b"data: "):
                    self.id, self._id = self._id or self.id, None
                    if line == b"data: [DONE]\n":
                        self.done = True
                    else:
                        chunk: dict[str, Any] = orjson.loads(line[6:])
                        return chunk
        return None

    async def until(self, *types: str) -> dict[str, Any]:
        """Read on, up to a chunk of one of these types."""
        while (chunk := await self.next()) is not None:
            self.reader.read(chunk)
            if chunk["type"] in types:
                return chunk
        raise AssertionError(f"the stream ended behind {self.reader.parts}")

    async def end(self) -> UiMessageReader:
        """Read it all."""
        while (chunk := await self.next()) is not None:
            self.reader.read(chunk)
        assert self.done
        return self.reader


@asynccontextmanager
async def chat_stream(
    http: aiohttp.ClientSession, method: str, url: str, answered: UiMessageReader | None = None, **given: Any
) -> AsyncIterator[ChatStream]:
    """A stream that was asked for."""
    async with http.request(method, url, **given) as response:
        assert response.status == 200, await response.text()
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert response.content_type == "text/event-stream"
        yield ChatStream(response, answered)
