"""A picture as text: what `show` prints."""

from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from ...domain.concepts.presence import Participant
from ...domain.concepts.tasks import Task
from .brief import compact, short
from .console import one_line, printable, stdout
from .event_lines import Palette, clock
from .event_words import answered, outcome
from .picture import Picture
from .team_words import TASK_MARKS, board
from .transcript import Asked, Called, Item


def print_picture(picture: Picture) -> None:
    """Print the session: what it is, who takes part, what was said, the shared state."""
    console, palette = stdout(), Palette()
    for participant in _by_arrival(picture):
        palette.of(participant.id)
    _print_head(console, picture)
    if picture.state.presence:
        _heading(console, "Participants")
        for participant in _by_arrival(picture):
            console.print(_participant(participant, palette))
    if tasks := board(picture.state):
        _heading(console, "Tasks")
        for task in tasks:
            console.print(_task(task, palette))
    if picture.transcript.items:
        _heading(console, "Transcript")
        for item in picture.transcript.items:
            _print_item(console, item, palette)
    if picture.state.document.version:
        _heading(console, f"Shared state, since version {picture.state.document.version}")
        console.print(printable(pretty(picture.state.document.value)))


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


def _by_arrival(picture: Picture) -> list[Participant]:
    order: dict[str, int] = {}
    for number, item in enumerate(picture.transcript.items):
        order.setdefault(item.author, number)
    people = picture.state.presence.values()
    return sorted(people, key=lambda each: (order.get(each.id, len(order) + 10**9), each.id))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold underline" if console.is_terminal else ""))


def _print_head(console: Console, picture: Picture) -> None:
    state = picture.state
    console.print(Text().append(state.id, "bold").append(f"  {one_line(state.session.title or '')}"))
    began = picture.began.astimezone().strftime("%Y-%m-%d %H:%M:%S") if picture.began else ""
    about = f"{state.session.status} · version {state.version:,} · began {began} · lasted {lasted(picture.seconds)}"
    console.print(Text(about, "dim"))
    for name, value in state.session.labels.items():
        console.print(one_line(f"label {name} = {value}"))
    for name, value in state.session.metadata.items():
        console.print(one_line(f"{name}: {value if isinstance(value, str) else compact(value)}"))


def _participant(participant: Participant, palette: Palette) -> Text:
    line = Text().append("  ● " if participant.present else "  ○ ", palette.of(participant.id))
    line.append(f"{participant.id:<16}", palette.of(participant.id)).append(f"{participant.kind:<8}", "dim")
    line.append(participant.status if participant.present else "left")
    return line.append(f"  {one_line(participant.activity)}", "dim") if participant.activity else line


def _task(task: Task, palette: Palette) -> Text:
    mark, style = TASK_MARKS[task.status]
    line = Text().append(f"  {mark} ", style).append(f"{short(task.id):<16}").append(f"{task.status:<10}", style)
    line.append(one_line(task.title, 60))
    if task.owners:
        line.append(f"  {task.owners[-1]}", palette.of(task.owners[-1])).append(f" #{task.attempt}", "dim")
    return line


def _print_item(console: Console, item: Item, palette: Palette) -> None:
    if isinstance(item, Called):
        head = _item_head(item, palette).append(one_line(f"{item.tool}({_arguments(item)})", 200))
        console.print(head)
        console.print(_indented(console, Text(one_line(outcome(item) if item.status != "open" else "…", 400), "dim")))
        return
    if isinstance(item, Asked):
        console.print(_item_head(item, palette).append(one_line(f"asks: {item.question}", 400)))
        console.print(_indented(console, Text(one_line(answered(item), 400), "dim")))
        return
    head = _item_head(item, palette)
    notes = [
        f"to {', '.join(item.audience)}" if item.audience else "",
        item.kind if item.kind != "message" else "",
        item.status if item.status != "completed" else "",
        one_line(item.reason or ""),
    ]
    console.print(head.append(" · ".join(note for note in notes if note), "dim"))
    if item.reasoning:
        console.print(_indented(console, Text(f"thinks: {printable(item.reasoning)}", "dim italic")))
    if item.text:
        console.print(_indented(console, Text(printable(item.text).rstrip())))
    for part in item.parts:
        console.print(_indented(console, Text(one_line(compact(part.model_dump(exclude_none=True)), 400), "dim")))


def _item_head(item: Item, palette: Palette) -> Text:
    head = Text().append(f"{item.version:>6}  ", "dim").append(f"{clock(item.time)}  ", "dim")
    mark = "⚙ " if isinstance(item, Called) else ""
    return head.append(f"{item.author}  ", f"bold {palette.of(item.author)}").append(mark, "dim")


def _arguments(called: Called) -> str:
    return "" if called.arguments is None else compact(called.arguments)


def _indented(console: Console, text: Text) -> RenderableType:
    if console.is_terminal:
        return Padding(text, (0, 2, 0, 8))
    return Text("\n").join(Text(f"        {line.plain}".rstrip()) for line in text.split("\n", allow_blank=True))
