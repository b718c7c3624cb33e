"""One participant's column: the last lines of what it said and did."""

from collections.abc import Iterable

from rich.cells import cell_len
from rich.text import Text

from ..text.brief import compact
from ..text.console import one_line, printable
from ..text.event_words import answered, outcome
from ..text.transcript import Asked, Called, Item, Said

CARET = "▌"
TAIL = 6_000
"""Characters at the end of a message that can be in sight."""


def column(items: Iterable[Item], width: int, height: int) -> Text:
    """The last `height` lines of these items, wrapped to `width`."""
    lines: list[Text] = []
    for item in items:
        if lines:
            lines.append(Text(""))
        lines += _item(item, width)
    return Text("\n").join(lines[-height:])


def _item(item: Item, width: int) -> list[Text]:
    match item:
        case Called():
            return _called(item, width)
        case Asked():
            return _asked(item, width)
        case Said():
            return _said(item, width)


def _asked(asked: Asked, width: int) -> list[Text]:
    waits = asked.status == "open"
    lines = wrapped(Text(f"? {printable(asked.question)}", "bold magenta" if waits else "magenta"), width)
    return [*lines, Text(one_line(f"  {answered(asked)}", width), "bold blink" if waits else "dim")]


def _said(said: Said, width: int) -> list[Text]:
    progress = said.kind == "progress"
    lines: list[Text] = []
    if said.audience:
        lines.append(Text(f"to {', '.join(said.audience)}", "dim italic", no_wrap=True))
    if said.reasoning and not said.text:
        lines += wrapped(Text(printable(said.reasoning[-TAIL:]), "dim italic"), width)
    text = Text(("– " if progress else "") + printable(said.text[-TAIL:]), "dim" if progress else "default")
    if said.status == "open":
        text.append(CARET, "bold blink")
    elif said.status == "aborted":
        text.append(f" ✕ {one_line(said.reason or 'aborted', 60)}", "red")
    return lines + wrapped(text, width)


def _called(called: Called, width: int) -> list[Text]:
    arguments = "" if called.arguments is None else compact(called.arguments)
    lines = [Text(one_line(f"⚙ {called.tool}({arguments})", width), "cyan")]
    if called.status == "open":
        lines.append(Text("  …", "dim cyan"))
    else:
        style = "dim" if called.status == "returned" else "red"
        lines.append(Text(one_line(f"  {outcome(called)}", width), style))
    return lines


def wrapped(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width` cells, broken between words where there are any."""
    lines: list[Text] = []
    for paragraph in text.split("\n", allow_blank=True):
        lines += _broken(paragraph, max(width, 8))
    return lines


def _broken(paragraph: Text, width: int) -> list[Text]:
    plain = paragraph.plain
    cuts: list[int] = []
    start = space = cells = 0
    for place, sign in enumerate(plain):
        cells += cell_len(sign)
        if sign == " ":
            space = place + 1
        elif cells > width:
            if space > start:
                start, cells = space, cell_len(plain[space : place + 1])
                cuts.append(start)
            if cells > width:  # a word too long for a line, if only by half of a wide sign
                start, cells = place, cell_len(sign)
                cuts.append(start)
    lines = list(paragraph.divide(cuts)) if cuts else [paragraph]
    for line in lines:
        line.rstrip()
    return lines
