"""The shared state as lines, one or a few for each name at the top; fresh changes glow, with who made them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from ...domain.json.pointer import pointer
from ..text.console import one_line
from ..text.event_lines import Palette
from ..text.short_forms import compact
from .screen_model import Change, ScreenModel

GLOW_S = 2.5
"""Seconds that a change glows."""
INDENT_CELLS = 10


class Member(NamedTuple):
    """A value in the state, with the name and the place that lead to it. An unnamed one is a value at the top."""

    path: str
    name: str
    value: str


def state_lines(model: ScreenModel, palette: Palette, width: int, most: int, now: float) -> list[Text]:
    """The state in at most `most` lines of at most `width` cells; when it has more, those around the last change."""
    lines: list[Text] = []
    seen: list[float] = []
    for name, value in model.views.state.value.items():
        group = list(_group(model, palette, name, value, width, now))
        newest = _newest(model, pointer([name]))
        lines += group
        seen += [newest.seen if newest else 0.0] * len(group)
    if len(lines) <= most:
        return lines
    last = max(range(len(lines)), key=lambda number: (seen[number], number))
    first = min(max(last - most + 1, 0), len(lines) - most)
    return lines[first : first + most]


def _group(model: ScreenModel, palette: Palette, name: str, value: Any, width: int, now: float) -> Iterator[Text]:
    """The lines of one name at the top: its members one after the other, as many on a line as there is room."""
    line = Text().append(f"{one_line(name, INDENT_CELLS - 1):<{INDENT_CELLS}}", "bold")
    empty = True
    for member in _members(name, value):
        shown = _member(model, palette, member, now)
        if not empty and line.cell_len + 3 + shown.cell_len > width:
            yield line
            line, empty = Text(" " * INDENT_CELLS), True
        line.append("" if empty else " · ", "dim").append_text(shown)
        empty = False
    touch = _newest(model, pointer([name]))
    if touch is not None and line.cell_len + cell_len(touch.actor) + 4 <= width:
        colour = palette.of(touch.actor)
        line.append(f"  ← {touch.actor}", colour if now - touch.seen < GLOW_S else f"dim {colour}")
    line.truncate(width, overflow="ellipsis")
    yield line


def _members(name: str, value: Any) -> Iterator[Member]:
    if isinstance(value, dict) and value:
        for inner, each in value.items():
            yield Member(pointer([name, inner]), inner, _plain(each))
    else:
        yield Member(pointer([name]), "", _plain(value))


def _plain(value: Any) -> str:
    return one_line(value if isinstance(value, str) else compact(value), 200)


def _member(model: ScreenModel, palette: Palette, member: Member, now: float) -> Text:
    touch = _newest(model, member.path) or _above(model, member.path)
    fresh = touch is not None and now - touch.seen < GLOW_S
    shown = Text().append(f"{one_line(member.name)} " if member.name else "", "dim")
    return shown.append(member.value, f"bold {palette.of(touch.actor)}" if touch and fresh else "")


def _newest(model: ScreenModel, path: str) -> Change | None:
    """The last change of a place, or of anything in it."""
    found = [touch for place, touch in model.changes.items() if place == path or place.startswith(f"{path}/")]
    return max(found, key=lambda touch: touch.seen, default=None)


def _above(model: ScreenModel, path: str) -> Change | None:
    """The last change of what holds a place."""
    found = [touch for place, touch in model.changes.items() if path.startswith(f"{place}/")]
    return max(found, key=lambda touch: touch.seen, default=None)
