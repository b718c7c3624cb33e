"""A session as text: what `show` prints."""

from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from ...domain.parts import ReasoningPart, TextPart, text_of
from ...projections.views.agents import AgentRow
from ...projections.views.tasks import TaskRow
from ...projections.views.transcript import TranscriptRow
from .console import one_line, printable, stdout
from .event_lines import Palette, clock
from .session_views import SessionViews
from .short_forms import compact, short
from .view_words import TASK_MARKS, answered, arguments, outcome, presence_of, reasoning_of


def print_session(views: SessionViews) -> None:
    """Print the session: what it is, who takes part, what was said, the shared state."""
    console, palette = stdout(), Palette()
    agents = _by_arrival(views)
    for agent in agents:
        palette.of(agent.id)
    _print_head(console, views)
    if agents:
        _heading(console, "Participants")
        wide = _widest([agent.id for agent in agents])
        for agent in agents:
            console.print(_agent(agent, palette, wide))
    if views.tasks:
        _heading(console, "Tasks")
        wide = _widest([short(task.task) for task in views.tasks])
        for task in views.tasks:
            console.print(_task(task, palette, wide))
    if views.transcript:
        _heading(console, "Transcript")
        for entry in views.transcript:
            _print_entry(console, entry, palette)
    if views.state.version:
        _heading(console, f"Shared state, since version {views.state.version}")
        console.print(printable(pretty(views.state.value)))


def pretty(value: Any) -> str:
    """JSON over several lines."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def lasted(seconds: float) -> str:
    """A duration for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _by_arrival(views: SessionViews) -> list[AgentRow]:
    order: dict[str, int] = {}
    for number, entry in enumerate(views.transcript):
        order.setdefault(entry.actor, number)
    return sorted(views.agents.values(), key=lambda each: (order.get(each.id, len(order) + 10**9), each.id))


def _heading(console: Console, text: str) -> None:
    console.print(Text())
    console.print(Text(text, "bold underline" if console.is_terminal else ""))


def _print_head(console: Console, views: SessionViews) -> None:
    overview = views.overview
    console.print(Text().append(views.session, "bold").append(f"  {one_line(overview.title or '')}"))
    about = [overview.status, f"version {views.version:,}"]
    if overview.opened and overview.changed:
        seconds = (overview.changed - overview.opened).total_seconds()
        about += [f"began {overview.opened.astimezone():%Y-%m-%d %H:%M:%S}", f"lasted {lasted(seconds)}"]
    console.print(Text(" · ".join(about), "dim"))
    for name, label in overview.labels.items():
        console.print(one_line(f"label {name} = {label}"))
    for name, value in views.metadata.value.items():
        console.print(one_line(f"{name}: {value if isinstance(value, str) else compact(value)}"))


def _widest(names: list[str]) -> int:
    """How wide a column is in which these are, with room behind the longest."""
    return max(14, *map(len, names)) + 2


def _agent(agent: AgentRow, palette: Palette, wide: int) -> Text:
    line = Text().append("  ● " if agent.present else "  ○ ", palette.of(agent.id))
    line.append(f"{agent.id:<{wide}}", palette.of(agent.id)).append(f"{agent.kind:<8}", "dim")
    line.append(presence_of(agent))
    if len(agent.instances) > 1:
        line.append(f" in {len(agent.instances)} processes", "dim")
    return line.append(f"  {one_line(agent.activity)}", "dim") if agent.activity else line


def _task(task: TaskRow, palette: Palette, wide: int) -> Text:
    mark, style = TASK_MARKS[task.status]
    line = Text().append(f"  {mark} ", style).append(f"{short(task.task):<{wide}}")
    line.append(f"{task.status:<11}", style)
    line.append(one_line(task.title, 60))
    if task.worker:
        line.append(f"  {task.worker}", palette.of(task.worker)).append(f" #{task.attempt}", "dim")
    return line


def _print_entry(console: Console, entry: TranscriptRow, palette: Palette) -> None:
    head = _entry_head(entry, palette)
    if entry.kind == "tool":
        console.print(head.append(one_line(f"{entry.tool}({arguments(entry)})", 200)))
        console.print(_indented(console, Text(one_line(outcome(entry), 400), "dim")))
    elif entry.kind == "approval":
        console.print(head.append(one_line(f"asks: {entry.question}", 400)))
        console.print(_indented(console, Text(one_line(answered(entry), 400), "dim")))
    else:
        _print_message(console, head, entry)


def _print_message(console: Console, head: Text, entry: TranscriptRow) -> None:
    notes = [
        f"to {', '.join(entry.audience)}" if entry.audience else "",
        entry.kind if entry.kind != "message" else "",
        entry.status if entry.status != "completed" else "",
        one_line(entry.reason or ""),
    ]
    console.print(head.append(" · ".join(note for note in notes if note), "dim"))
    if reasoning := reasoning_of(entry.parts):
        console.print(_indented(console, Text(f"thinks: {printable(reasoning)}", "dim italic")))
    if text := text_of(entry.parts):
        console.print(_indented(console, Text(printable(text).rstrip())))
    for part in entry.parts:
        if not isinstance(part, TextPart | ReasoningPart):
            console.print(_indented(console, Text(one_line(compact(part.model_dump(exclude_none=True)), 400), "dim")))


def _entry_head(entry: TranscriptRow, palette: Palette) -> Text:
    head = Text().append(f"{entry.since:>6}  ", "dim").append(f"{clock(entry.began)}  ", "dim")
    mark = "⚙ " if entry.kind == "tool" else ""
    return head.append(f"{entry.actor}  ", f"bold {palette.of(entry.actor)}").append(mark, "dim")


def _indented(console: Console, text: Text) -> RenderableType:
    if console.is_terminal:
        return Padding(text, (0, 2, 0, 8))
    return Text("\n".join([f"        {line}".rstrip() for line in text.plain.split("\n")]))
