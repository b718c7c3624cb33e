"""One frame: a session drawn to a width and a height.

    title, clock, events
    the team: who is present and what each is doing
    the tasks: what is to be done, and who holds it
    what each says, side by side
    the shared state            what just happened

Pure: the same model, size and time give the same frame.
"""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ...projections.views.agents import AgentRow
from ..text.console import one_line
from ..text.event_lines import Palette
from ..text.view_words import TASK_MARKS, presence_of
from .columns import column
from .screen_model import ScreenModel, TickerLine
from .shared_state import state_lines

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
COLUMN_CELLS = 30
MOST_COLUMNS = 5
MOST_AGENTS = 10
BUSY = {"thinking": "yellow", "working": "green", "waiting-for-tool": "cyan"}
MARKS = {
    "waiting-for-human": ("◆", "magenta"),
    "blocked": ("◆", "red"),
    "left": ("·", "dim"),
    "lost": ("✕", "red"),
}
"""How the other statuses are drawn, and in which style."""


class Frame:
    """Draws a model. `beat` (seconds) moves what is animated and lets fresh changes fade."""

    def __init__(self, model: ScreenModel, palette: Palette) -> None:
        self._model = model
        self._palette = palette

    def draw(self, width: int, height: int, beat: float) -> RenderableType:
        """The frame, exactly `height` lines of `width` characters."""
        agents = list(self._model.views.agents.values())
        for agent in agents:
            self._palette.of(agent.id)
        shown = agents[:MOST_AGENTS]
        team = len(shown) + 2
        board = self._board(width)
        left = max(height - 1 - team - len(board), 8)
        bottom = min(max(left * 2 // 5, 6), 14) if left >= 14 else 0
        parts: list[RenderableType] = [self._title(width, beat), self._team(shown, beat), *board]
        parts.append(self._streams(width, left - bottom))
        if bottom:
            parts.append(self._bottom(width, bottom, beat))
        return Group(*parts)

    def _title(self, width: int, beat: float) -> Text:
        model = self._model
        left = Text().append(" STENOGRAM ", "bold reverse").append(f"  {model.session}", "bold")
        left.append(f"  {one_line(model.views.title)}")
        minutes, seconds = divmod(model.seconds, 60)
        right = Text().append(f"{model.note}   " if model.note else "", "yellow")
        right.append(f"{int(minutes):02}:{seconds:04.1f}   version {model.version} ", "dim")
        left.truncate(max(width - right.cell_len - 1, 10), overflow="ellipsis")
        return left.append(" " * max(width - left.cell_len - right.cell_len, 1)).append_text(right)

    def _team(self, agents: list[AgentRow], beat: float) -> Panel:
        table = Table.grid(padding=(0, 2), expand=True)
        for ratio in (None, None, None, None, 1):
            table.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
        for each in agents:
            colour, status = self._palette.of(each.id), presence_of(each)
            mark, style = _mark(status, beat)
            table.add_row(
                Text(mark, style),
                Text(each.name or each.id, f"bold {colour}" if each.present else "dim"),
                Text(each.kind, "dim"),
                Text(status, style),
                Text(one_line(each.activity or ""), "default" if each.present else "dim"),
            )
        return Panel(table, title="team", title_align="left", border_style="dim", padding=(0, 1))

    def _board(self, width: int) -> list[Text]:
        """The tasks on one line; none, while there are none."""
        tasks = self._model.views.tasks
        if not tasks:
            return []
        line = Text(" tasks ", "dim")
        for task in tasks:
            mark, style = TASK_MARKS[task.status]
            line.append(f"  {mark} ", style).append(
                one_line(task.title, 40), "dim" if task.owner is None else "default"
            )
            if task.owner is not None:
                line.append(f" {task.owner}", self._palette.of(task.owner))
            if task.attempt > 1:
                line.append(f" #{task.attempt}", "dim")
        line.truncate(width, overflow="ellipsis")
        return [line]

    def _streams(self, width: int, height: int) -> RenderableType:
        speakers = self._columns(width)
        grid = Table.grid(expand=True, padding=0)
        for _ in speakers:
            grid.add_column(ratio=1)
        inner = width // max(len(speakers), 1) - 4
        agents = self._model.views.agents
        panels = []
        for name in speakers:
            shown = agents[name].name or name if name in agents else name
            lines = column(self._model.entries(name), inner, height - 2)
            panels.append(
                Panel(
                    lines,
                    title=f"[bold]{shown}[/]",
                    title_align="left",
                    height=height,
                    border_style=self._palette.of(name),
                )
            )
        if not panels:
            return Panel(Text("Nobody has said anything yet.", "dim"), height=height, border_style="dim")
        grid.add_row(*panels)
        return grid

    def _columns(self, width: int) -> list[str]:
        """Who gets a column: those who last said something, in their usual order."""
        most = max(min(MOST_COLUMNS, width // COLUMN_CELLS), 1)
        speakers = self._model.speakers
        since = {name: self._model.entries(name)[-1].since for name in speakers}
        latest = sorted(speakers, key=lambda name: since[name], reverse=True)[:most]
        return [name for name in speakers if name in latest]

    def _bottom(self, width: int, height: int, beat: float) -> RenderableType:
        document = self._model.views.state
        inner = (width if not document.version else width // 2) - 4
        happened = Text("\n").join(self._ticker(inner, height - 2))
        events = Panel(happened, title="events", title_align="left", border_style="dim", height=height)
        if not document.version:
            return events
        state = Panel(
            Text("\n").join(state_lines(self._model, self._palette, inner, height - 2, beat)),
            title=f"shared state · version {document.version}",
            title_align="left",
            border_style="dim",
            height=height,
        )
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(state, events)
        return grid

    def _ticker(self, width: int, most: int) -> list[Text]:
        lines = [self._tick(tick) for tick in list(self._model.ticker)[-most:]]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _tick(self, tick: TickerLine) -> Text:
        line = Text().append(f"{tick.version:>4} ", "dim")
        line.append(f"{tick.actor:<9.9} ", self._palette.of(tick.actor)).append(tick.type)
        if tick.count > 1:
            return line.append(f" ×{tick.count}", "bold")
        return line.append(f"  {one_line(tick.words)}", "dim")


def _mark(status: str, beat: float) -> tuple[str, str]:
    if status in BUSY:
        return SPINNER[int(beat * 10) % len(SPINNER)], BUSY[status]
    return MARKS.get(status, ("●", "dim"))
