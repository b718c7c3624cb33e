"""Text on its way piece by piece, as deltas of one message or one tool call: quick at first, joined afterwards."""

import asyncio
from collections.abc import Mapping
from typing import Any

from ...domain.errors import Invalid
from .command_pipeline import CommandPipeline
from .command_queue import CommandQueue

WINDOW_S = 0.025
"""Pieces that follow one another within this time are sent together."""
MAX_BUFFERED_CHARS = 65_536
MAX_DELTA_CHARS = 65_536


class TextStream:
    """Sends pieces by the command `do`, each with `about` and the next index. The first goes at once; those that come
    within `window` seconds of the last that went are joined and go together at its end."""

    def __init__(
        self, commands: CommandQueue, session: str, do: str, about: Mapping[str, Any], window: float = WINDOW_S
    ) -> None:
        self._commands = commands
        self._about = about
        self._window = window
        self._changed = asyncio.Event()
        self._pipeline = CommandPipeline(commands, session, do, self._on_change)
        self._unsent: list[str] = []
        self._unsent_chars = 0
        self._more: Mapping[str, Any] = {}
        self._sent_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """How many deltas were sent."""
        return self._pipeline.count

    def raise_refusal(self) -> None:
        """Raise why an earlier piece was refused; then nothing more is sent."""
        if self._pipeline.error is not None:
            raise self._pipeline.error

    async def wait_for_room(self) -> None:
        """Wait until not too much is on its way; return at once when nothing more will be."""
        while (self._unsent_chars >= MAX_BUFFERED_CHARS or self._pipeline.full) and self._pipeline.error is None:
            self._changed.clear()
            await self._changed.wait()
        if self._pipeline.error is None:
            await self._commands.wait_for_room()

    def put(self, text: str, **more: Any) -> None:
        """Add the next piece; `more` are further members of its delta. Pieces that differ in these are not joined."""
        if more != self._more:
            self.flush()
            self._more = more
        if text:
            self._unsent.append(text)
            self._unsent_chars += len(text)
            self._send_when_due()

    def flush(self) -> None:
        """Send what waits."""
        if self._timer is not None:
            self._timer.cancel()  # or it would cut the next window short
            self._timer = None
        if self._unsent:
            text = "".join(self._unsent)
            self._unsent.clear()
            self._unsent_chars = 0
            self._sent_at = asyncio.get_running_loop().time()
            for start in range(0, len(text), MAX_DELTA_CHARS):
                piece = text[start : start + MAX_DELTA_CHARS]
                self._pipeline.send({**self._about, "index": self._pipeline.count, "text": piece, **self._more})

    async def settled(self) -> None:
        """Wait until every piece that was sent has been committed. Raises what prevents it."""
        while not self._pipeline.idle:
            self._changed.clear()  # looked at in this turn: an answer cannot come between the look and the wait
            await self._changed.wait()
        self.raise_refusal()

    def _on_change(self) -> None:
        self._changed.set()
        self._send_when_due()

    def _send_when_due(self) -> None:
        """Send the text that waits when the window is over and not too much is on its way; or see to it later."""
        if not self._unsent or self._pipeline.full:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._sent_at + self._window:
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_at(self._sent_at + self._window, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._send_when_due()


def refuse_surrogates(text: str) -> None:
    """Half a character cannot be sent; better to say so where it is written. Raises Invalid."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"The text is not valid Unicode: {error.reason} at {error.start}.") from None
