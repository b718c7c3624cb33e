"""One frame: a scene drawn to a width and a height.

    title, clock, events
    the team: who is present and what each is doing
    the tasks: what is to be done, and who holds it
    what each says, side by side
    the shared state            what just happened

Pure: the same scene, size and time give the same frame.
"""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ...domain.concepts.presence import Participant
from ..text.console import one_line
from ..text.event_lines import Palette
from ..text.team_words import TASK_MARKS, board
from .columns import column
from .document import state_lines
from .scene import Scene, Tick

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
NARROW = 30
MOST_COLUMNS = 5
BUSY = {"thinking": "yellow", "working": "green", "waiting-for-tool": "cyan"}
WAITING = {"waiting-for-human": "magenta", "blocked": "red"}


class Frame:
    """Draws a scene. `beat` (seconds) moves what is animated and lets fresh changes fade."""

    def __init__(self, scene: Scene, palette: Palette) -> None:
        self._scene = scene
        self._palette = palette

    def draw(self, width: int, height: int, beat: float) -> RenderableType:
        """The frame, exactly `height` lines of `width` characters."""
        people = self._scene.participants()[:10]
        for name in self._scene.people:
            self._palette.of(name)
        team = len(people) + 2
        board = self._board(width)
        left = max(height - 1 - team - len(board), 8)
        bottom = min(max(left * 2 // 5, 6), 14) if left >= 14 else 0
        parts: list[RenderableType] = [self._title(width, beat), self._team(people, beat), *board]
        parts.append(self._streams(width, left - bottom))
        if bottom:
            parts.append(self._bottom(width, bottom, beat))
        return Group(*parts)

    def _title(self, width: int, beat: float) -> Text:
        scene, state = self._scene, self._scene.picture.state
        left = Text().append(" STENOGRAM ", "bold reverse").append(f"  {scene.session}", "bold")
        left.append(f"  {one_line(state.session.title or '')}")
        minutes, seconds = divmod(scene.picture.seconds, 60)
        right = Text().append(f"{scene.note}   " if scene.note else "", "yellow")
        right.append(f"{int(minutes):02}:{seconds:04.1f}   version {state.version} ", "dim")
        left.truncate(max(width - right.cell_len - 1, 10), overflow="ellipsis")
        return left.append(" " * max(width - left.cell_len - right.cell_len, 1)).append_text(right)

    def _team(self, people: list[Participant], beat: float) -> Panel:
        table = Table.grid(padding=(0, 2), expand=True)
        for ratio in (None, None, None, None, 1):
            table.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
        for each in people:
            colour = self._palette.of(each.id)
            mark, style = _mark(each, beat)
            status: str = each.status if each.present else "left"
            if each.id in self._scene.lost:
                mark, style, status = "✕", "red", "lost"
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
        tasks = board(self._scene.picture.state)
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
        presence = self._scene.picture.state.presence
        panels = []
        for name in speakers:
            shown = presence[name].name or name if name in presence else name
            lines = column(self._scene.speakers[name], inner, height - 2)
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
        most = max(min(MOST_COLUMNS, width // NARROW), 1)
        speakers = self._scene.speakers
        latest = sorted(speakers, key=lambda name: speakers[name][-1].version, reverse=True)[:most]
        return [name for name in speakers if name in latest]

    def _bottom(self, width: int, height: int, beat: float) -> RenderableType:
        document = self._scene.picture.state.document
        inner = (width if not document.version else width // 2) - 4
        happened = Text("\n").join(self._ticker(inner, height - 2))
        events = Panel(happened, title="events", title_align="left", border_style="dim", height=height)
        if not document.version:
            return events
        state = Panel(
            Text("\n").join(state_lines(self._scene, self._palette, inner, height - 2, beat)),
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
        lines = [self._tick(tick) for tick in list(self._scene.ticker)[-most:]]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _tick(self, tick: Tick) -> Text:
        line = Text().append(f"{tick.version:>4} ", "dim")
        line.append(f"{tick.actor:<9.9} ", self._palette.of(tick.actor)).append(tick.type)
        if tick.count > 1:
            return line.append(f" ×{tick.count}", "bold")
        return line.append(f"  {one_line(tick.words)}", "dim")


def _mark(each: Participant, beat: float) -> tuple[str, str]:
    if not each.present:
        return "·", "dim"
    if each.status in BUSY:
        return SPINNER[int(beat * 10) % len(SPINNER)], BUSY[each.status]
    return ("◆", WAITING[each.status]) if each.status in WAITING else ("●", "dim")
