"""Where a scene is shown: live on a terminal, or as plain lines elsewhere.

Both take events as they come. The live screen uses the terminal's second page while it runs and leaves the last frame
on the first one; plain lines leave token streams out, since each message comes whole when it is finished.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from rich.console import Console
from rich.live import Live

from ...domain.ids import SessionId
from ...domain.model import Event
from ..text.console import stdout
from ..text.event_choice import Choice
from ..text.event_lines import EventLines, Palette
from .frame import Frame
from .scene import Scene

FRAMES_PER_SECOND = 12
LOWEST, NARROWEST = 16, 40


class Stage(Protocol):
    """Takes events in version order, and a word about what is going on."""

    scene: Scene

    def see(self, events: Sequence[Event]) -> None:
        """Show these events."""

    def note(self, text: str) -> None:
        """Say something beside them; empty text takes it back."""


@asynccontextmanager
async def stage(session: SessionId, *, live: bool, choice: Choice | None = None) -> AsyncIterator[Stage]:
    """A stage for a session while the block runs."""
    if not live:
        yield PlainStage(session, choice or Choice(folded=True))
        return
    screen = LiveStage(session)
    drawing = asyncio.create_task(screen.run())
    try:
        yield screen
    finally:
        drawing.cancel()
        with suppress(asyncio.CancelledError):
            await drawing


def can_be_live() -> bool:
    """Whether stdout is a terminal that is large enough for the screen."""
    console = stdout()
    return console.is_terminal and console.width >= NARROWEST and console.height >= LOWEST


class PlainStage:
    """Prints events as lines."""

    def __init__(self, session: SessionId, choice: Choice) -> None:
        self.scene = Scene(session)
        self._choice = choice
        self._lines = EventLines()

    def see(self, events: Sequence[Event]) -> None:
        for event in events:
            self.scene.see(event, 0.0)
        self._lines.print([event for event in events if self._choice.wants(event)])

    def note(self, text: str) -> None:
        if text:
            self._lines.remark(text)


class LiveStage:
    """Draws frames, twelve a second."""

    def __init__(self, session: SessionId, console: Console | None = None) -> None:
        self.scene = Scene(session)
        self._console = console or Console(highlight=False, emoji=False)
        self._frame = Frame(self.scene, Palette())

    def see(self, events: Sequence[Event]) -> None:
        now = time.monotonic()
        for event in events:
            self.scene.see(event, now)

    def note(self, text: str) -> None:
        self.scene.note = text

    async def run(self) -> None:
        """Draw until cancelled; then leave the last frame on the terminal's first page."""
        try:
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                while True:
                    live.update(self._frame.draw(*self._size(), time.monotonic()), refresh=True)
                    await asyncio.sleep(1 / FRAMES_PER_SECOND)
        finally:
            self._leave_last_frame()

    def _leave_last_frame(self) -> None:
        width, height = self._size()
        if self.scene.last:
            self._console.print(self._frame.draw(width, height - 12, time.monotonic() + 60))

    def _size(self) -> tuple[int, int]:
        return self._console.width, self._console.height
