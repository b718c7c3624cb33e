"""Someone in the demo: a client of the gateway like any other, and the pace at which it speaks."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ...client.client import Client
from ...client.session import Session
from ...domain.model import Kind
from ...domain.parts import StreamedKind
from ...domain.presence import Status

_TOKEN = re.compile(r"\s*\S{1,6}")
TOKEN_SECONDS = 0.045


class Pace:
    """How fast the demo goes: `speed` times as fast as written; 0 is as fast as it can."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    async def take(self, seconds: float) -> None:
        """Let so much of the script's time pass."""
        await asyncio.sleep(seconds / self._speed if self._speed else 0)


class Member:
    """One of the team, inside the session."""

    def __init__(self, session: Session, pace: Pace) -> None:
        self.session = session
        self.state = session.state
        self.pace = pace

    async def status(self, status: Status, activity: str | None = None) -> None:
        """Say what one is doing."""
        await self.session.status(status, activity)

    async def say(self, text: str, *, thought: str = "", to: tuple[str, ...] = (), tempo: float = 1.0) -> None:
        """Stream a message, token by token, after thinking aloud if there is a thought."""
        async with self.session.stream_message(to=to or None) as message:
            parts: list[tuple[StreamedKind, str]] = [("reasoning", thought), ("text", text)]
            for part, words in parts:
                for token in tokens(words):
                    await message.write(token, part=None if part == "text" else part)
                    await self.pace.take(TOKEN_SECONDS / tempo)

    async def progress(self, text: str) -> None:
        """A note on the way."""
        await self.session.post(text, kind="progress")

    async def use(self, tool: str, arguments: Any, result: Any, seconds: float) -> None:
        """Call a tool, wait for it, and record what it said."""
        async with self.session.tool(tool, arguments) as call:
            await self.pace.take(seconds)
            call.result = result


def tokens(text: str) -> list[str]:
    """The text in pieces as a model would stream it; joined they are the text."""
    pieces = _TOKEN.findall(text)
    rest = text[sum(map(len, pieces)) :]
    return [*pieces, rest] if rest else pieces


@asynccontextmanager
async def joined(url: str, session: str, id: str, kind: Kind, pace: Pace) -> AsyncIterator[Member]:
    """Connect and take part while the block runs."""
    async with Client(url, participant=id, kind=kind) as client:
        named = client.session(session, open=False, name=id.capitalize())
        async with named as inside:
            yield Member(inside, pace)
