"""The pace of the demo, and how its members speak: token by token, as a model would."""

import asyncio
import re

from ...client.message import MessageStream
from ...domain.parts import StreamedKind

_TOKEN = re.compile(r"\s*\S{1,6}")
TOKEN_SECONDS = 0.045


class Pace:
    """How fast the demo goes: `speed` times as fast as written; 0 is as fast as it can."""

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def seconds(self, seconds: float) -> float:
        """How long so much of the script's time takes."""
        return seconds / self.speed if self.speed else 0.0

    async def sleep(self, seconds: float) -> None:
        """Let so much of the script's time pass."""
        await asyncio.sleep(self.seconds(seconds))

    async def speak(
        self, message: MessageStream, text: str, *, part: StreamedKind | None = None, tempo: float = 1.0
    ) -> None:
        """Write a text, token by token; `reasoning` is thought rather than said."""
        for token in tokens(text):
            await message.write(token, part)
            await self.sleep(TOKEN_SECONDS / tempo)


async def until_interrupted() -> None:
    """Stands for a model that goes on and on, or a tool that does not answer: until the block around it is cancelled,
    or the process is killed."""
    await asyncio.Event().wait()


def tokens(text: str) -> list[str]:
    """The text in pieces as a model would stream it; joined they are the text."""
    pieces = _TOKEN.findall(text)
    rest = text[sum(map(len, pieces)) :]
    return [*pieces, rest] if rest else pieces
