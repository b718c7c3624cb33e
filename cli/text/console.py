"""What the commands print with: rich on a terminal, plain lines elsewhere.

Colours and progress bars need a terminal, and NO_COLOR is honoured (rich does both). What agents said is never sent
to a terminal as it is: control characters, which could move the cursor or change its title, are made visible first.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_PICTURES: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)},
    0x7F: 0x2421,
    **dict.fromkeys(range(128, 160), 65533),
    **dict.fromkeys((*range(8234, 8239), *range(8294, 8298)), 65533),
}
_ONE_LINE: dict[int, int | str] = {**_PICTURES, 0x09: " ", 0x0A: "⏎"}


def printable(text: str) -> str:
    """The text with control characters as pictures; lines and tabs stay."""
    return text if text.isprintable() else text.translate(_PICTURES)  # which takes ten times as long


def one_line(text: str, most: int = 0) -> str:
    """The text as one line, cut to `most` characters if that is not 0."""
    if most and len(text) > 2 * most:
        text = text[: 2 * most]
    line = text if text.isprintable() else text.translate(_ONE_LINE)
    return f"{line[: most - 1]}…" if most and len(line) > most else line


def tell(line: str) -> None:
    """Say a line on stderr. What it names, such as a file, can be called anything."""
    click.echo(f"stenogram: {one_line(line)}", err=True)


class _Console(Console):
    """Leaves it to the entry point what happens when nobody reads any more. Where there is no terminal, text is written
    as it is: rich would take most of the time of a long session to find out that there is nothing to style."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._writes_plain = not self.is_terminal

    def print(self, *objects: Any, **options: Any) -> None:
        """Print one text or whatever rich can print."""
        text = objects[0] if len(objects) == 1 and self._writes_plain and not options else None
        if isinstance(text, Text) and "\t" not in text.plain:  # tabs become spaces
            self.file.write(f"{text.plain}\n")
        else:
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Called by rich inside its own handler."""
        raise BrokenPipeError


def stdout() -> Console:
    """The console for results."""
    return _Console(sys.stdout)


def stderr() -> Console:
    """The console for what is said beside results: notes and progress."""
    return _Console(sys.stderr)


@contextmanager
def progress(what: str, total: int | None) -> Iterator["Bar"]:
    """A progress bar on stderr while the block runs; nothing at all when stderr is no terminal."""
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield Bar(bars, what, total)


class _Speed(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Nothing while it cannot be told."""
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


class Bar:
    """One progress bar."""

    def __init__(self, bars: Progress, what: str, total: int | None) -> None:
        self._bars = bars
        self._task = bars.add_task(what, total=total)

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._bars.advance(self._task, count)

    def reach(self, done: int, total: int) -> None:
        """So much of so much is done."""
        self._bars.update(self._task, completed=done, total=total)
