"""Where a session is shown: live on a terminal, or as plain lines elsewhere.

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
from ..text.event_choice import EventChoice
from ..text.event_lines import EventLines, Palette
from .frame import Frame
from .screen_model import ScreenModel

FRAMES_PER_SECOND = 12
MIN_LINES, MIN_CELLS = 16, 40


class Display(Protocol):
    """Takes events in version order, and a word about what is going on."""

    model: ScreenModel

    def show(self, events: Sequence[Event]) -> None:
        """Show these events."""

    def note(self, text: str) -> None:
        """Say something beside them; empty text takes it back."""


@asynccontextmanager
async def open_display(session: SessionId, *, live: bool, choice: EventChoice | None = None) -> AsyncIterator[Display]:
    """A display for a session while the block runs."""
    if not live:
        yield LinesDisplay(session, choice or EventChoice(folded=True))
        return
    screen = LiveDisplay(session)
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
    return console.is_terminal and console.width >= MIN_CELLS and console.height >= MIN_LINES


class LinesDisplay:
    """Prints events as lines."""

    def __init__(self, session: SessionId, choice: EventChoice) -> None:
        self.model = ScreenModel(session)
        self._choice = choice
        self._lines = EventLines()

    def show(self, events: Sequence[Event]) -> None:
        for event in events:
            self.model.fold(event, 0.0)
        self._lines.print([event for event in events if self._choice.wants(event)])

    def note(self, text: str) -> None:
        if text:
            self._lines.remark(text)


class LiveDisplay:
    """Draws frames, twelve a second."""

    def __init__(self, session: SessionId, console: Console | None = None) -> None:
        self.model = ScreenModel(session)
        self._console = console or Console(highlight=False, emoji=False)
        self._frame = Frame(self.model, Palette())

    def show(self, events: Sequence[Event]) -> None:
        now = time.monotonic()
        for event in events:
            self.model.fold(event, now)

    def note(self, text: str) -> None:
        self.model.note = text

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
        if self.model.last:
            self._console.print(self._frame.draw(width, height - 12, time.monotonic() + 60))

    def _size(self) -> tuple[int, int]:
        return self._console.width, self._console.height
